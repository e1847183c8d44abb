"""Draws the README's picture, ``python docs/pictures.py``: what a model of each family sees, and makes of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

import aezoo

Images = np.ndarray[Any, Any]
COLUMNS = 4
WIDEST = 16.0
mpl.rcParams["font.size"] = 11


def trained(name: str, **options: Any) -> aezoo.Run:
    """A model of the bundled digits."""
    print(f"training {name} …", file=sys.stderr, flush=True)
    return aezoo.train(name, "digits", progress=False, **options)


def undercomplete() -> tuple[list[Images], str]:
    """Beside PCA of the same size."""
    run = trained("undercomplete", latent_dim=8)
    x, rows = _rows(run), run.splits.train.rows().numpy().reshape(-1, 64)
    pca = PCA(8).fit(rows)
    again = pca.inverse_transform(pca.transform(x.reshape(-1, 64))).reshape(x.shape)
    return [x, run.model.reconstruct(x), again], "PCA of 8"


def sparse() -> tuple[list[Images], str]:
    """What the units add that are most at work in each digit."""
    run = trained("topk")
    x = _rows(run)
    z = torch.from_numpy(run.model.encode(x))
    with torch.no_grad():
        rest = z.scatter(1, z.argmax(1, keepdim=True), 0.0)
        change = (run.model.decoder(z[None]).mean - run.model.decoder(rest[None]).mean)[0].numpy()
    return [x, run.model.reconstruct(x), _centred(change)], "strongest unit"


def denoising() -> tuple[list[Images], str]:
    """Digits under noise, restored."""
    run = trained("denoising", corruption="gaussian=0.4")
    x = _rows(run)
    noise = np.random.default_rng(0).normal(size=x.shape) * 0.4 * WIDEST
    seen = x + noise
    return [seen, run.model.reconstruct(seen), x], "clean"


def contractive() -> tuple[list[Images], str]:
    """The direction of each digit's input along which its code moves most."""
    run = trained("contractive")
    x = _rows(run)
    directions = []
    for u in run.model.prepare(torch.from_numpy(x).float()):
        jacobian = torch.func.jacrev(lambda v: run.model.code(v[None])[0])(u).flatten(1)
        directions.append(torch.linalg.svd(jacobian).Vh[0].detach().numpy().reshape(x.shape[1:]))
    return [x, run.model.reconstruct(x), _centred(np.stack(directions))], "code moves most"


def variational() -> tuple[list[Images], str]:
    """New digits, from the prior."""
    run = trained("vae")
    x = _rows(run)
    return [x, run.model.reconstruct(x), run.model.sample(COLUMNS, seed=3).numpy()], "samples"


def _rows(run: aezoo.Run) -> Images:
    found: Images = run.splits.test.rows().numpy()[:COLUMNS].astype(np.float32)
    return found


def _centred(change: Images) -> Images:
    """Changes as grey values: none in the middle."""
    return WIDEST / 2 * (1 + change / np.abs(change).max(axis=(1, 2, 3), keepdims=True))


def main() -> None:
    """Trains five models and writes docs/zoo.png."""
    families = (undercomplete, sparse, denoising, contractive, variational)
    figure = Figure(figsize=(14, 3.9), dpi=110, facecolor="white")
    panels = figure.subfigures(1, len(families), wspace=0.03)
    for panel, family in zip(panels, families, strict=True):
        rows, own = family()
        panel.suptitle(family.__name__, fontsize=15, y=0.98)
        axes = panel.subplots(3, COLUMNS, gridspec_kw={"wspace": 0.06, "hspace": 0.34})
        for line, (images, label) in enumerate(zip(rows, ("sees", "gives back", own), strict=True)):
            for axis, image in zip(axes[line], images, strict=True):
                axis.imshow(image[0], cmap="gray_r", vmin=0, vmax=WIDEST, interpolation="nearest")
                axis.axis("off")
            axes[line, 0].set_title(label, loc="left", fontsize=12, pad=3)
        panel.subplots_adjust(left=0.02, right=0.98, top=0.82, bottom=0.02)
    path = Path(__file__).with_name("zoo.png")
    figure.savefig(path, metadata={"Software": None})
    print(f"wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
