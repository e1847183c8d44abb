"""Draws the README's picture: ``python docs/zoo.py``. Digits of the test split, and what each model makes of them."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import aezoo

MODELS = ("undercomplete", "linear", "sparse", "topk", "denoising", "contractive", "vae", "iwae")
COLUMNS = 16


def main() -> None:
    """Trains the models on digits and writes docs/zoo.png."""
    rows, names = [], ["original"]
    for name in MODELS:
        run = aezoo.train(name, "digits")
        x = run.splits.test.rows().numpy()[:COLUMNS]
        rows = rows or [x]
        rows.append(run.model.reconstruct(x))
        names.append(name)
        if name == "vae":
            samples = run.model.sample(COLUMNS, seed=3).numpy()
    rows.append(samples)
    names.append("vae, samples")

    figure = Figure(figsize=(COLUMNS * 0.42 + 1.3, len(rows) * 0.42), dpi=130)
    axes = figure.subplots(len(rows), COLUMNS, gridspec_kw={"wspace": 0.08, "hspace": 0.08})
    for line, (name, images) in enumerate(zip(names, rows, strict=True)):
        for axis, image in zip(axes[line], np.asarray(images), strict=True):
            axis.imshow(image[0], cmap="gray_r", vmin=0, vmax=16, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        axes[line, 0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    figure.subplots_adjust(left=0.165, right=0.995, top=0.99, bottom=0.01)
    figure.savefig(Path(__file__).with_name("zoo.png"), metadata={"Software": None})


if __name__ == "__main__":
    main()
