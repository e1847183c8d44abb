"""What a model makes up."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from aezoo.data import Split
from aezoo.evaluation import seen_by, some_rows, value_names
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import mosaic, pair_panels, plain, sheet_figure, value_range

SIDE = 8
POINTS = 1000


def plot_samples(model: Autoencoder, split: Split, seed: int = 0) -> Figure | None:
    """Samples from the prior: 8 by 8 images, or points over a table's data, in its plane of largest variance where it
    has more than three columns.

    Images are the likelihood's mean; points take its noise too, since they are compared with noisy data. Images of
    unknown range have the range of the rows of ``split``. None for other data, and for a model without samples.

    Examples:
        >>> aezoo.plots.plot_samples(run.model, split, seed=1) is not None
        True
        >>> aezoo.plots.plot_samples(linear.model, split) is None
        True
    """
    if "samples" not in model.capabilities:
        return None
    if model.spec.is_image:
        return _images(model, split, seed)
    if len(model.spec.shape) > 1:
        return None
    return (
        _points(model, split, seed)
        if model.spec.size in (2, 3) and not model.spec.is_mixed
        else _plane(model, split, seed)
    )


def _images(model: Autoencoder, split: Split, seed: int) -> Figure:
    images = model.sample(SIDE * SIDE, seed=seed).float().cpu().numpy()
    real = next(split.batches(SIDE * SIDE)).float().cpu().numpy() if len(split) else images
    sheet = mosaic(images, SIDE, *value_range(model.spec, real))
    return sheet_figure(sheet, 6.0)[0]


def _points(model: Autoencoder, split: Split, seed: int) -> Figure:
    drawn = model.sample(POINTS, seed=seed, noise=True).float().cpu().numpy()
    some = some_rows(split, POINTS)
    real = some.rows().float().cpu().numpy() if len(some) else drawn[:0]
    return pair_panels((real, drawn), ("data", "samples"), columns=[plain(name) for name in value_names(model)])


def _plane(model: Autoencoder, split: Split, seed: int) -> Figure | None:
    """Data and samples, as the model sees them, in the plane of the data's first two principal components."""
    some = some_rows(split, POINTS)
    if len(some) < 3 or model.spec.size < 2:
        return None
    drawn_rows = model.prepare(model.sample(POINTS, seed=seed, noise=True))
    real, drawn = (seen_by(model, rows).double().cpu() for rows in (model.prepare(some.rows()), drawn_rows))
    _, _, axes = torch.linalg.svd(real - real.mean(0), full_matrices=False)
    plane = axes[:2].T
    return pair_panels(
        [((rows - real.mean(0)) @ plane).numpy() for rows in (real, drawn)],
        ("data", "samples"),
        "component",
    )
