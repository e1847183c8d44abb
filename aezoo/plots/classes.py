"""The mean reconstruction of each class."""

from __future__ import annotations

from matplotlib.figure import Figure

from aezoo.data import Split
from aezoo.evaluation import class_means
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import Array, class_names, mosaic, new_figure, value_range
from aezoo.plots.grids import Strips, scaled, strip_panels

COLUMNS = 10
# of a name above an image an inch wide
LETTERS = 14
TITLE = "mean reconstruction of each class"


def plot_class_means(model: Autoencoder, split: Split) -> Figure:
    """The mean over each class's rows of the reconstruction: images, or strips of a table's scaled columns.

    Raises:
        DataError: the split has no rows or no labels, or more than 100 classes.

    Examples:
        >>> len(aezoo.plots.plot_class_means(run.model, split).axes)
        10
    """
    found = class_means(model, split)
    names = class_names(found.classes, split.dataset.label_names, LETTERS)
    if model.spec.is_image:
        return _images(found.means, names, value_range(model.spec, found.means))
    return strip_panels([Strips("", scaled(model, found.means), names)], TITLE, "class")


def _images(means: Array, names: list[str], reach: tuple[float, float]) -> Figure:
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(max(3.5, columns), 0.5 + 1.25 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, image, name in zip(panels, means, names, strict=False):
        axes.imshow(mosaic(image[None], 1, *reach), interpolation="nearest")
        axes.set_title(name, fontsize="small")
    figure.suptitle(TITLE, fontsize="medium")
    return figure
