"""How much to contract: a penalty's weight over several seeds. ``python examples/sweep.py``."""

from __future__ import annotations

import argparse

import matplotlib.pyplot as plt

import aezoo

WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.3)


def main(arguments: list[str] | None = None) -> None:
    """Trains contractive models of five weights, and draws error and accuracy of a linear probe over the weight."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", default="sweep.png")
    given = parser.parse_args(arguments)

    figures = {"squared_error": "squared error", "probe_accuracy": "accuracy of a linear probe"}
    found: dict[str, list[tuple[float, float]]] = {key: [] for key in figures}
    for weight in WEIGHTS:
        runs = aezoo.train_many(
            "contractive", "digits", seeds=given.seeds, epochs=given.epochs, latent_dim=8, contraction=weight
        )
        for key, values in found.items():
            values.append((runs.mean[key], runs.deviation[key] or 0.0))
        print(f"weight {weight}: " + ", ".join(f"{key} {v[-1][0]:.3f} ± {v[-1][1]:.3f}" for key, v in found.items()))

    figure, axes = plt.subplots(1, len(figures), figsize=(9, 3.4), layout="constrained")
    for axis, (key, label) in zip(axes, figures.items(), strict=True):
        means, deviations = zip(*found[key], strict=True)
        axis.errorbar(range(len(WEIGHTS)), means, deviations, marker="o", capsize=3)
        axis.set_xticks(range(len(WEIGHTS)), [str(weight) for weight in WEIGHTS])
        axis.set_xlabel("weight of the contractive penalty")
        axis.set_ylabel(label)
    figure.savefig(given.out)
    plt.close(figure)
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
