"""Data decoded while one value of the code moves at a time."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from aezoo.evaluation import Traversal
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import value_range
from aezoo.plots.grids import Strips, image_rows, scaled, strip_panels


def plot_traversal(model: Autoencoder, traversal: Traversal) -> Figure:
    """A row of images a dimension, the datum itself in front; of a table, a panel of strips a dimension.

    Examples:
        >>> found = aezoo.evaluation.latent_traversal(run.model, split)
        >>> len(aezoo.plots.plot_traversal(run.model, found).axes) > 0
        True
    """
    title = f"one value of the code at a time, at quantiles of {traversal.source}"
    names = [traversal.activity.label(j) for j in traversal.dims]
    count, steps = traversal.values.shape
    if model.spec.is_image:
        rows = np.broadcast_to(traversal.row, (count, 1, *model.spec.shape))
        images = np.concatenate([rows, traversal.data], axis=1)
        shares = [f"{(i + 0.5) / steps:.0%}" for i in range(steps)]
        return image_rows(images, value_range(model.spec, images), names, ["the row", *shares], title)
    groups = [
        Strips(name, scaled(model, data), [f"{value:.2g}" for value in values])
        for name, data, values in zip(names, traversal.data, traversal.values, strict=True)
    ]
    return strip_panels(groups, title, "code value")
