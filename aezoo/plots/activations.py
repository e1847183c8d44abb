"""Histogram of activations, and how often each unit fires."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from aezoo.evaluation import firing_rates
from aezoo.evaluation.codes import ZERO
from aezoo.plots.canvas import BLUE, Array, new_figure

BINS = 60


def plot_activations(codes: Array) -> Figure:
    """Activations other than zero of codes (n, Z), counted on a logarithmic axis, and each unit's firing rate, sorted.

    Where fewer than 1 % are zero, as with a sigmoid, all rates are near 1: the mean size of each unit is shown instead.

    Examples:
        >>> figure = aezoo.plots.plot_activations(aezoo.evaluation.encode_split(topk.model, split))
        >>> len(figure.axes)
        2
    """
    figure = new_figure(9.5, 3.8)
    left, right = figure.subplots(1, 2)
    fires = np.abs(codes) > ZERO
    values = codes[fires].astype(np.float64)
    left.hist(values, bins=BINS, color=BLUE, log=bool(len(values)))
    left.set_xlabel("activation")
    left.set_ylabel("count")
    left.set_title(f"{1 - fires.mean():.1%} of all activations are zero and left out", fontsize="small")
    rates = firing_rates(codes)
    always = bool(fires.mean() > 0.99)
    heights = np.abs(codes).mean(axis=0, dtype=np.float64) if always else rates
    right.plot(np.arange(1, len(rates) + 1), np.sort(heights)[::-1], color=BLUE, marker="o", markersize=3, linewidth=1)
    right.set_ylim(bottom=0)
    right.set_xlabel("units, sorted")
    right.set_ylabel("mean size of the activation" if always else "share of rows on which the unit fires")
    right.set_title(
        "hardly an activation is zero" if always else f"dead units: {int((rates == 0).sum())}", fontsize="small"
    )
    for axes in (left, right):
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
    return figure
