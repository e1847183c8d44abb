"""The loss over the epochs, and each of its terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aezoo.plots.canvas import BLUE, ORANGE, new_figure, plain

COLUMNS = 3
HELD_OUT = "validation_"
NO_TERMS = ("epoch", "step", "parameter_norm")
UNITS = "nats per example"


def plot_loss(history: Sequence[Mapping[str, float]]) -> Figure | None:
    """Training and validation loss, and below them each term before its weight, in nats per example.

    ``history`` holds the metrics of each epoch, as ``Trainer.fit`` returns them. An axis is logarithmic where its
    values are positive and span more than a factor of ten. None for no epochs. A lone term is the loss itself, and
    gets no panel of its own.

    Examples:
        >>> aezoo.plots.plot_loss([{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}]) is not None
        True
    """
    if not history:
        return None
    names = list(dict.fromkeys(name.removeprefix(HELD_OUT) for epoch in history for name in epoch))
    terms = [name for name in names if name not in (*NO_TERMS, "loss")]
    terms = terms if len(terms) > 1 else []
    columns = min(COLUMNS, max(1, len(terms)))
    below = -(-len(terms) // columns)
    figure = new_figure(8, 3.6 + 2.2 * below)
    grid = figure.add_gridspec(1 + below, columns, height_ratios=[1.6] + [1.0] * below)
    axes = figure.add_subplot(grid[0, :])
    _curves(axes, history, "loss")
    axes.set_ylabel(UNITS)
    axes.legend(frameon=False)
    for index, term in enumerate(terms):
        row, column = divmod(index, columns)
        axes = figure.add_subplot(grid[1 + row, column])
        _curves(axes, history, term)
        if column == 0:
            axes.set_ylabel(UNITS)
    return figure


def _curves(axes: Axes, history: Sequence[Mapping[str, float]], name: str) -> None:
    epochs = np.array([metrics.get("epoch", index + 1) for index, metrics in enumerate(history)], dtype=float)
    drawn = []
    for key, label, colour in ((name, "training", BLUE), (HELD_OUT + name, "validation", ORANGE)):
        values = np.array([metrics.get(key, np.nan) for metrics in history], dtype=float)
        seen = np.isfinite(values)
        if seen.any():
            mark = "o" if seen.sum() <= 25 else ""
            axes.plot(epochs[seen], values[seen], color=colour, marker=mark, markersize=4, label=label)
            drawn.append(values[seen])
    axes.set_title(plain(name), fontsize="medium")
    axes.set_xlabel("epoch")
    axes.grid(color="0.9")
    if len(epochs) == 1:
        axes.set_xticks(epochs)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    together = np.concatenate(drawn) if drawn else np.ones(1)
    if together.min() > 0 and together.max() > 10 * together.min():
        axes.set_yscale("log")
