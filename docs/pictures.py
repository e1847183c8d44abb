"""Draws the pictures of the README and of the models' pages: ``python docs/pictures.py [zoo|MODEL …]``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

import aezoo

Images = np.ndarray[Any, Any]
Rows = tuple[list[Images], str, str]
Look = Callable[[aezoo.Run, Images], Rows]
WIDEST = 16.0
mpl.rcParams["font.size"] = 11


def trained(name: str, **options: Any) -> aezoo.Run:
    """A model of the bundled digits."""
    print(f"training {name} …", file=sys.stderr, flush=True)
    return aezoo.train(name, "digits", progress=False, **options)


# each of these gives the rows of images of a trained model, what the first shows, and what the last shows


def beside_pca(run: aezoo.Run, x: Images) -> Rows:
    """Beside PCA of the same size."""
    rows = run.splits.train.rows().numpy().reshape(-1, 64)
    size = run.model.encode(x).shape[1]
    pca = PCA(size).fit(rows)
    again = pca.inverse_transform(pca.transform(x.reshape(-1, 64))).reshape(x.shape)
    return [x, run.model.reconstruct(x), again], "sees", f"PCA of {size}"


def strongest_unit(run: aezoo.Run, x: Images) -> Rows:
    """What the units add that are most at work in each digit."""
    z = torch.from_numpy(run.model.encode(x))
    rest = z.scatter(1, z.argmax(1, keepdim=True), 0.0)
    return [x, run.model.reconstruct(x), _difference(run.model, z, rest)], "sees", "strongest unit"


def restored(run: aezoo.Run, x: Images) -> Rows:
    """Digits under noise, restored."""
    noise = np.random.default_rng(0).normal(size=x.shape) * 0.4 * WIDEST
    seen = x + noise
    return [seen, run.model.reconstruct(seen), x], "sees", "clean"


def moved_most(run: aezoo.Run, x: Images) -> Rows:
    """The direction of each digit's input along which its code moves most."""
    directions = []
    for u in run.model.prepare(torch.from_numpy(x).float()):
        jacobian = torch.func.jacrev(lambda v: run.model.code(v[None])[0])(u).flatten(1)
        directions.append(torch.linalg.svd(jacobian).Vh[0].detach().numpy().reshape(x.shape[1:]))
    return [x, run.model.reconstruct(x), _centred(np.stack(directions))], "sees", "code moves most"


def samples(run: aezoo.Run, x: Images) -> Rows:
    """New digits, from the prior."""
    return [x, run.model.reconstruct(x), run.model.sample(len(x), seed=3).numpy()], "sees", "samples"


def exchanged(run: aezoo.Run, x: Images) -> Rows:
    """What changes where the first vector of a code is that of the next digit."""
    z = torch.from_numpy(run.model.encode(x))
    other = z.clone()
    other[:, 0] = z.roll(1, 0)[:, 0]
    return [x, run.model.reconstruct(x), _difference(run.model, other, z)], "sees", "first vector of the next"


def _difference(model: aezoo.Autoencoder, z: torch.Tensor, rest: torch.Tensor) -> Images:
    with torch.no_grad():
        found = (model.decoder(z[None]).mean - model.decoder(rest[None]).mean)[0].numpy()
    return _centred(found)


README: dict[str, tuple[str, dict[str, Any], Look]] = {
    "undercomplete": ("undercomplete", {"latent_dim": 8}, beside_pca),
    "sparse": ("topk", {}, strongest_unit),
    "denoising": ("denoising", {"corruption": "gaussian=0.4"}, restored),
    "contractive": ("contractive", {}, moved_most),
    "variational": ("vae", {}, samples),
}
PAGES: dict[str, tuple[dict[str, Any], Look]] = {
    "undercomplete": ({"latent_dim": 8}, beside_pca),
    "linear": ({"latent_dim": 8}, beside_pca),
    "sparse": ({}, strongest_unit),
    "sparse-l1": ({}, strongest_unit),
    "sparse-kl": ({}, strongest_unit),
    "topk": ({}, strongest_unit),
    "batch-topk": ({}, strongest_unit),
    "jumprelu": ({}, strongest_unit),
    "denoising": ({"corruption": "gaussian=0.4"}, restored),
    "contractive": ({}, moved_most),
    "vae": ({}, samples),
    "beta-vae": ({}, samples),
    "iwae": ({}, samples),
    "bernoulli-vae": ({}, samples),
    "categorical-vae": ({}, samples),
    "vq-vae": ({}, exchanged),
}


def _digits(run: aezoo.Run, count: int) -> Images:
    found: Images = run.splits.test.rows().numpy()[:count].astype(np.float32)
    return found


def _centred(change: Images) -> Images:
    """Changes as grey values: none in the middle."""
    grey: Images = WIDEST / 2 * (1 + change / np.maximum(np.abs(change).max(axis=(1, 2, 3), keepdims=True), 1e-9))
    return grey


def _draw(panel: Any, found: Rows, spread: float) -> None:
    """Three rows of digits into a figure, or into a part of one."""
    rows, first, last = found
    axes = panel.subplots(3, len(rows[0]), gridspec_kw={"wspace": 0.06, "hspace": spread})
    for line, (images, label) in enumerate(zip(rows, (first, "gives back", last), strict=True)):
        for axis, image in zip(axes[line], images, strict=True):
            axis.imshow(image[0], cmap="gray_r", vmin=0, vmax=WIDEST, interpolation="nearest")
            axis.axis("off")
        axes[line, 0].set_title(label, loc="left", fontsize=12, pad=3)


def readme() -> Figure:
    """The families side by side."""
    figure = Figure(figsize=(14, 3.9), dpi=110, facecolor="white")
    panels = figure.subfigures(1, len(README), wspace=0.03)
    for panel, (family, (name, options, look)) in zip(panels, README.items(), strict=True):
        run = trained(name, **options)
        panel.suptitle(family, fontsize=15, y=0.98)
        _draw(panel, look(run, _digits(run, 4)), 0.34)
        panel.subplots_adjust(left=0.02, right=0.98, top=0.82, bottom=0.02)
    return figure


def page(name: str) -> Figure:
    """One model's own, for its page."""
    options, look = PAGES[name]
    run = trained(name, **options)
    figure = Figure(figsize=(7, 3.4), dpi=110, facecolor="white")
    _draw(figure, look(run, _digits(run, 8)), 0.3)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.01)
    return figure


def main() -> None:
    """Trains the models and writes docs/zoo.png and docs/models/NAME.png."""
    folder = Path(__file__).parent
    drawn: dict[str, Callable[[], Figure]] = {"zoo.png": readme}
    drawn |= {f"models/{name}.png": functools.partial(page, name) for name in PAGES}
    wanted = sys.argv[1:]
    for name, draw in drawn.items():
        if wanted and Path(name).stem not in wanted:
            continue
        draw().savefig(folder / name, metadata={"Software": None})
        print(f"wrote {folder / name}", file=sys.stderr)


if __name__ == "__main__":
    main()
