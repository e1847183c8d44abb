"""A linear model's subspace beside that of the principal components.

Shapes: k components.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aezoo.plots.canvas import BLUE, GREY, ORANGE, Array, new_figure


def plot_pca(angles: Array, pca: Array, model: Array, noise: float | None = None) -> Figure:
    """Principal angles (k,) as bars, in degrees; beside them the variances of the components, and the model's.

    Args:
        angles: between the decoder's column space and the span of as many principal components.
        pca: the leading variances of the data, more than k where there are, in falling order.
        model: the variances (k,) that the model gives the data, in falling order.
        noise: that of its noise, in all other directions.

    Examples:
        >>> figure = aezoo.plots.plot_pca(np.array([0.5, 3.0]), np.array([4.0, 2.0, 1.0]), np.array([3.9, 1.9]))
        >>> len(figure.axes)
        2
    """
    figure = new_figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    _bars(left, angles)
    right.plot(np.arange(1, len(pca) + 1), pca, color=GREY, marker="o", markersize=6, label="principal components")
    right.plot(np.arange(1, len(model) + 1), model, color=BLUE, marker="x", linestyle="", markersize=6, label="model")
    if noise is not None:
        right.axhline(noise, color=ORANGE, linestyle="--", linewidth=1, label="the model's noise")
    positive = np.concatenate([pca, model, [] if noise is None else [noise]])
    if (positive > 0).any():
        right.set_yscale("log")
        floor = 1e-7 * positive.max()
        right.set_ylim(bottom=max(floor, 0.5 * positive[positive > floor].min()))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_xlabel("direction, by variance")
    right.set_ylabel("variance, in preprocessed units")
    right.set_title("variance", fontsize="medium", loc="left")
    right.grid(color="0.9")
    right.legend(frameon=False)
    return figure


def _bars(axes: Axes, angles: Array) -> None:
    axes.bar(np.arange(1, len(angles) + 1), angles, color=BLUE)
    # an axis fitted to rounding errors would make them look like a difference
    axes.set_ylim(0, min(90.0, max(1.0, 1.1 * angles.max(initial=0.0))))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("principal angle")
    axes.set_ylabel("degrees")
    axes.set_title("angles to the span of the principal components", fontsize="medium", loc="left")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
