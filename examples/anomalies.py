"""Odd rows of a table: cells that a model of benign ones gives back badly. ``python examples/anomalies.py``."""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

import aezoo


def main(arguments: list[str] | None = None) -> None:
    """Trains on 250 benign rows of 30 columns, and scores all others."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", default="contractive")
    parser.add_argument("--epochs", type=int, default=None, help="default: enough for 2000 steps")
    given = parser.parse_args(arguments)

    table = load_breast_cancer()
    benign, malignant = table.data[table.target == 1], table.data[table.target == 0]
    known, new = benign[:250], np.concatenate([benign[250:], malignant])
    truth = np.r_[np.zeros(len(benign) - 250), np.ones(len(malignant))]

    options = {} if given.epochs is None else {"epochs": given.epochs}
    run = aezoo.train(given.model, known, latent_dim=4, **options)
    scores = run.model.score(new)
    print(f"AUROC of {given.model}: {roc_auc_score(truth, scores):.3f}")

    # of rows that are known to be usual, and that were not trained on
    threshold = np.quantile(run.model.score(run.splits.test.rows().numpy()), 0.95)
    print(f"above the threshold: {(scores[truth == 1] > threshold).mean():.0%} of the malignant rows, "
          f"{(scores[truth == 0] > threshold).mean():.0%} of the benign ones")  # fmt: skip

    odd = new[[scores.argmax()]]
    error = (run.model.reconstruct(odd) - odd)[0] / known.std(axis=0)
    for column in np.abs(error).argsort()[::-1][:3]:
        print(f"the oddest row's {table.feature_names[column]}: {abs(error[column]):.1f} deviations off")


if __name__ == "__main__":
    main()
