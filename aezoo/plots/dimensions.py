"""How much each value of the code is used."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from aezoo.plots.canvas import BLUE, GREY, Array, new_figure

# bars that have room for the number of their value
MOST_NAMED = 40


def plot_dimensions(divergences: Array, active: Array) -> Figure:
    """The KL of each value of the code (Z,), nats, the largest first; values that are not ``active`` (Z,) in grey.

    Examples:
        >>> figure = aezoo.plots.plot_dimensions(np.array([2.0, 0.001]), np.array([True, False]))
        >>> len(figure.axes[0].patches)
        2
    """
    order = np.argsort(-divergences, kind="stable")
    figure = new_figure(max(4.0, min(10.0, 1.5 + 0.3 * len(order))), 3.6)
    axes = figure.add_subplot()
    places = np.arange(len(order))
    axes.bar(places, divergences[order], color=np.where(active[order], BLUE, GREY), width=0.8)
    if len(order) <= MOST_NAMED:
        axes.set_xticks(places, [str(j) for j in order], fontsize="small")
        axes.set_xlabel("value of the code")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("values of the code, sorted")
    axes.set_ylabel("KL to the prior, nats")
    axes.set_title(f"sum: {divergences.sum():.3g} nats", fontsize="medium")
    kinds = [(BLUE, f"active ({active.sum()})"), (GREY, f"not active ({(~active).sum()})")]
    marks = [Line2D([], [], linestyle="", marker="s", color=colour) for colour, _ in kinds]
    figure.legend(marks, [name for _, name in kinds], loc="outside upper right", ncols=2, frameon=False)
    return figure
