"""How the vectors of a codebook are used.

Shapes: K vectors in the codebook.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from aezoo.plots.canvas import BLUE, GREY, Array, new_figure


def plot_code_use(share: Array) -> Figure:
    """The share of all choices that each vector (K,) gets, the most used first, beside an even share.

    Examples:
        >>> figure = aezoo.plots.plot_code_use(np.array([0.7, 0.2, 0.1]))
        >>> figure.axes[0].get_ylabel()
        'share of the choices'
    """
    figure = new_figure(7, 4)
    axes = figure.add_subplot()
    axes.bar(np.arange(len(share)), np.sort(share)[::-1], width=1.0, color=BLUE)
    axes.axhline(1 / len(share), color=GREY, linewidth=1.5, label="all alike")
    axes.set_xlabel("vectors, the most used first")
    axes.set_ylabel("share of the choices")
    axes.set_xlim(-0.5, len(share) - 0.5)
    axes.legend(frameon=False)
    return figure
