"""The directions along which the code of one datum moves most.

Shapes: C directions, *X one datum.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator
from torch import Tensor

from aezoo.errors import DataError
from aezoo.evaluation import Tangents
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.passes import Rows
from aezoo.plots.canvas import BLUE, GREY, Array, mosaic, new_figure, value_range

COLUMNS = 9
MOST_BARS = 40


def plot_tangents(model: Autoencoder, x: Rows, found: Tangents) -> Figure:
    """One raw datum (*X) and the tangents ``found`` at it, with how far a unit step along each moves the code.

    Images as images: red where the direction is positive, blue where it is negative, and of several channels the one
    that changes most. Other data as bars over the columns, or lines where there are many; the datum as the model
    sees it.

    Raises:
        DataError: there are none, because the code does not move with the data there.

    Examples:
        >>> x = split.rows()[0]
        >>> len(aezoo.plots.plot_tangents(run.model, x, aezoo.evaluation.tangents(run.model, x, count=2)).axes) > 0
        True
    """
    datum = torch.as_tensor(x)
    stretch, directions = (np.asarray(torch.as_tensor(part).double().cpu()) for part in found)
    if len(stretch) == 0:
        raise DataError("the code does not move with the data at this row, so it has no tangents: choose another row.")
    draw = _images if model.spec.is_image else _profiles
    figure = draw(model, datum.view(1, *model.spec.shape), stretch, directions)
    figure.suptitle("tangents, and how far a unit step along each moves the code", fontsize="medium")
    return figure


def _images(model: Autoencoder, datum: Tensor, stretch: Array, directions: Array) -> Figure:
    raw = datum.double().cpu().numpy()
    columns = min(len(stretch) + 1, COLUMNS)
    rows = -(-(len(stretch) + 1) // columns)
    # strips would make a picture too flat to hold a label, or too tall to open: they are stretched
    wanted = directions.shape[2] / directions.shape[3]
    shape = float(np.clip(wanted, 1 / 3, 3))
    aspect: Literal["equal", "auto"] = "equal" if shape == wanted else "auto"
    figure = new_figure(max(4.8, 0.3 + 1.1 * columns), 0.5 + rows * (1.1 * shape + 0.25))
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in panels:
        axes.set_axis_off()
    panels[0].imshow(mosaic(raw, 1, *value_range(model.spec, raw)), aspect=aspect, interpolation="nearest")
    panels[0].set_title("datum", fontsize="small")
    strongest = np.abs(directions).argmax(axis=1, keepdims=True)
    maps = np.take_along_axis(directions, strongest, axis=1)[:, 0]
    for axes, values, length in zip(panels[1:], maps, stretch, strict=False):
        reach = np.abs(values).max()
        axes.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect=aspect, interpolation="nearest")
        axes.set_title(f"{length:.2g}", fontsize="small")
    return figure


def _profiles(model: Autoencoder, datum: Tensor, stretch: Array, directions: Array) -> Figure:
    seen = model.prepare(datum).double().cpu().numpy()
    lines = np.concatenate([seen.reshape(1, -1), directions.reshape(len(stretch), -1)])
    size = lines.shape[1]
    figure = new_figure(7, 0.8 + 0.85 * len(lines))
    panels = figure.subplots(len(lines), 1, sharex=True, squeeze=False)[:, 0]
    names = ["datum", *(f"{length:.2g}" for length in stretch)]
    for axes, values, name, colour in zip(panels, lines, names, [GREY, *[BLUE] * len(stretch)], strict=True):
        if size <= MOST_BARS:
            axes.bar(np.arange(size), values, color=colour)
        else:
            axes.plot(np.arange(size), values, color=colour, linewidth=1)
        axes.axhline(0, color="0.3", linewidth=0.8)
        reach = 1.1 * np.abs(values).max() or 1.0
        axes.set_ylim(-reach, reach)
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.set_yticks([])
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True) if size > 1 else FixedLocator([0]))
    panels[-1].set_xlabel("column")
    return figure
