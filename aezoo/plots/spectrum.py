"""The singular values of the encoder's Jacobian, and how distances shrink on their way to the code.

Shapes: n rows, R singular values of each.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aezoo.evaluation import ContractionRatios
from aezoo.plots.canvas import BLUE, GREY, ORANGE, Array, new_figure, plain_log

# values that float32's rounding alone keeps from zero would stretch the axis until nothing else is seen
LEAST = 1e-5


def plot_spectrum(spectrum: Array) -> Figure:
    """Singular values (n, R) in falling order: their median over the rows and the middle half around it.

    On a logarithmic axis, unless all are 0; values below 10⁻⁵ of the greatest count as 0 and are left out.

    Examples:
        >>> len(aezoo.plots.plot_spectrum(np.array([[2.0, 1.0], [3.0, 0.5]])).axes)
        1
    """
    shown = np.where(spectrum > LEAST * spectrum.max(initial=0.0), spectrum, 0.0)
    quarters = np.percentile(shown, [25, 50, 75], axis=0)
    index = np.arange(1, spectrum.shape[1] + 1)
    figure = new_figure(6.5, 4.2)
    axes = figure.add_subplot()
    if shown.any():
        plain_log(axes.yaxis)
        quarters = np.where(quarters > 0, quarters, np.nan)
        floor = np.where(np.isnan(quarters[0]), np.nanmin(quarters, initial=np.inf), quarters[0])
        axes.fill_between(
            index, floor, quarters[2], color=BLUE, alpha=0.2, linewidth=0, label="middle half of the rows"
        )
    axes.plot(index, quarters[1], color=BLUE, marker="o" if len(index) <= 64 else "", markersize=4, label="median")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, len(index) + 0.5)
    axes.set_xlabel("number, by size")
    axes.set_ylabel("singular value: how far a unit step moves the code")
    axes.set_title("spectrum of the encoder's Jacobian", fontsize="medium", loc="left")
    axes.grid(color="0.9")
    axes.legend(frameon=False)
    return figure


def plot_contraction(found: ContractionRatios) -> Figure:
    """The distance of codes over that of data, by how far from a row: local on the left, and between rows as a line.

    Examples:
        >>> found = aezoo.evaluation.contraction_ratios(contractive.model, split, distances=4)
        >>> len(aezoo.plots.plot_contraction(found).axes)
        1
    """
    figure = new_figure(6.5, 4.2)
    axes = figure.add_subplot()
    plain_log(axes.xaxis)
    axes.plot(found.distances, found.ratios, color=BLUE, marker="o", markersize=4, label="in random directions")
    axes.axhline(found.between, color=ORANGE, linewidth=1, label="between rows")
    axes.axvline(found.apart, color=GREY, linewidth=1, linestyle="--", label="mean distance of rows")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("distance from a row, in scaled units")
    axes.set_ylabel("distance of codes / distance of data")
    axes.set_title("contraction by distance", fontsize="medium", loc="left")
    axes.grid(color="0.9")
    axes.legend(frameon=False)
    return figure
