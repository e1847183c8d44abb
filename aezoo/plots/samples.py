"""What a model makes up."""

from __future__ import annotations

from matplotlib.figure import Figure

from aezoo.autoencoder import Autoencoder
from aezoo.data import Split
from aezoo.evaluation import some_rows
from aezoo.plots.canvas import mosaic, pair_panels, sheet_figure, value_range

SIDE = 8
POINTS = 1000


def plot_samples(model: Autoencoder, split: Split, seed: int = 0) -> Figure | None:
    """Samples from the prior: 8 by 8 images, or points over the data where a table has two or three columns.

    Images are the likelihood's mean; points take its noise too, since they are compared with noisy data. Images of
    unknown range have the range of the rows of ``split``. None for other data, and for a model without samples.
    """
    if "samples" not in model.capabilities:
        return None
    if model.spec.is_image:
        return _images(model, split, seed)
    return _points(model, split, seed) if model.spec.size in (2, 3) and len(model.spec.shape) == 1 else None


def _images(model: Autoencoder, split: Split, seed: int) -> Figure:
    images = model.sample(SIDE * SIDE, seed=seed).float().cpu().numpy()
    real = next(split.batches(SIDE * SIDE)).float().cpu().numpy() if len(split) else images
    sheet = mosaic(images, SIDE, *value_range(model.spec, real))
    return sheet_figure(sheet, 6.0)[0]


def _points(model: Autoencoder, split: Split, seed: int) -> Figure:
    drawn = model.sample(POINTS, seed=seed, noise=True).float().cpu().numpy()
    some = some_rows(split, POINTS)
    real = some.rows().float().cpu().numpy() if len(some) else drawn[:0]
    return pair_panels(real, drawn, ("data", "samples"))
