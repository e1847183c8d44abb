"""The vector field r(x) − x over the plane, and walks along it back to the data.

Shapes: P points of the grid along an axis, S steps.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aezoo.data import Split
from aezoo.errors import DataError
from aezoo.evaluation import displacement, filled, some_rows, walk
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import GREY, ORANGE, Array, new_figure

MOST_ROWS = 2000
STARTS = 6
MARGIN = 0.25
TINY = float(np.finfo(np.float64).tiny)


def plane_grid(split: Split, points: int) -> Array:
    """(P², 2) places over the rows of ``split`` and a quarter of their range around them, evenly, in raw units.

    Raises:
        DataError: the rows are none, or not of two values.

    Examples:
        >>> aezoo.plots.plane_grid(moons.splits.test, 5).shape
        (25, 2)
    """
    if split.dataset.spec.size != 2:
        raise DataError(
            f"a field is drawn over data of two values, and this has {split.dataset.spec.size}: use data such as "
            "moons, or ask aezoo.evaluation.displacement for the vectors."
        )
    low = np.full(2, np.inf)
    high = -low
    for x in filled(split).batches(8192):
        rows = x.flatten(1).double().cpu().numpy()
        low, high = np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))
    margin = MARGIN * np.where(high > low, high - low, 1.0)
    along = [np.linspace(a, b, points) for a, b in zip(low - margin, high + margin, strict=True)]
    return np.stack(np.meshgrid(*along), axis=-1).reshape(-1, 2)


def plot_field(
    model: Autoencoder, split: Split, points: int = 25, steps: int = 30, rate: float = 1.0, seed: int = 0
) -> Figure:
    """Arrows r(x) − x at P by P places, coloured by length, over rows of ``split``, and walks of ``steps`` steps.

    Data of two values, in raw units. An arrow is drawn as long as the square root of what it stands for, or those near
    the data would not be seen, and the longer ones fill a cell of the grid. The walks start at places spread over the
    picture.

    Raises:
        DataError: the rows are none, or not of two values.

    Examples:
        >>> len(aezoo.plots.plot_field(moons.model, moons.splits.test, points=5, steps=2).axes) > 0
        True
    """
    grid = plane_grid(split, points)
    shape = (len(grid), *model.spec.shape)
    arrows = displacement(model, grid.reshape(shape)).reshape(-1, 2)
    low, high = grid.min(0), grid.max(0)
    span = high - low
    # columns of very different range would make a strip of the picture
    equal = 1 / 3 <= span[1] / span[0] <= 3
    figure = new_figure(8, float(np.clip(6.2 * span[1] / span[0], 3.5, 8)) + 0.6 if equal else 6)
    axes = figure.add_subplot(aspect="equal" if equal else "auto")
    rows = some_rows(split, MOST_ROWS, seed).rows().flatten(1).double().cpu().numpy()
    axes.scatter(rows[:, 0], rows[:, 1], s=6, color=GREY, linewidths=0, label="data")
    length = np.hypot(arrows[:, 0], arrows[:, 1])
    cells = np.hypot(*(arrows / (span / (points - 1))).T)
    drawn = arrows / np.sqrt(cells * max(float(np.percentile(cells, 90)), TINY) + TINY)[:, None]
    marks = axes.quiver(
        grid[:, 0],
        grid[:, 1],
        drawn[:, 0],
        drawn[:, 1],
        length,
        cmap="viridis",
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.0022,
    )
    figure.colorbar(marks, ax=axes, label="length of r(x) − x", shrink=0.8)
    _walks(axes, model, low, high, steps, rate)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_xlabel("column 0")
    axes.set_ylabel("column 1")
    axes.set_title(f"the field r(x) − x, and walks of {steps} steps along it", fontsize="medium", loc="left")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _walks(axes: Axes, model: Autoencoder, low: Array, high: Array, steps: int, rate: float) -> None:
    inset = 0.06 * (high - low)
    along = [np.linspace(a, b, STARTS) for a, b in zip(low + inset, high - inset, strict=True)]
    starts = np.stack(np.meshgrid(*along), axis=-1).reshape(-1, 2)
    path = walk(model, starts.reshape(len(starts), *model.spec.shape), steps, rate).reshape(steps + 1, -1, 2)
    axes.plot(path[:, :, 0], path[:, :, 1], color=ORANGE, linewidth=1)
    axes.plot([], [], color=ORANGE, linewidth=1, label="walk")
    axes.scatter(path[-1, :, 0], path[-1, :, 1], s=22, color=ORANGE, zorder=3, linewidths=0, label="its end")
