"""Data decoded on the way between two rows' codes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from aezoo.evaluation import Interpolation
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import value_range
from aezoo.plots.grids import Strips, image_rows, scaled, strip_panels

NAMES = {"straight": "straight", "sphere": "on the sphere"}


def plot_interpolation(model: Autoencoder, found: Interpolation) -> Figure:
    """Each way as a row of images, or a panel of strips, with the data themselves at both ends.

    Examples:
        >>> found = aezoo.evaluation.latent_interpolation(run.model, split)
        >>> len(aezoo.plots.plot_interpolation(run.model, found).axes) > 0
        True
    """
    steps = len(found.ways["straight"])
    ends = [f"row {number}" for number in found.between]
    labels = [ends[0], *(f"{t:.3g}" for t in np.linspace(0, 1, steps)), ends[1]]
    first, last = found.originals[:1], found.originals[1:]
    ways = [np.concatenate([first, way, last]) for way in found.ways.values()]
    names = [NAMES[how] for how in found.ways]
    title = "on the way between two codes"
    if model.spec.is_image:
        images = np.stack(ways)
        return image_rows(images, value_range(model.spec, images), names, labels, title)
    groups = [Strips(name, scaled(model, way), labels) for name, way in zip(names, ways, strict=True)]
    return strip_panels(groups, title, "share of the way")
