"""The decoder's scale beside the errors that it should match.

Shapes: n rows, D values of one datum.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aezoo.evaluation import DecoderVariance
from aezoo.plots.canvas import BLUE, ORANGE, Array, new_figure, plain_log

MOST_POINTS = 5000


def plot_variance(found: DecoderVariance) -> Figure:
    """The model's scale over the one that fits best, of each value of the datum and of each row, at most 5,000 each.

    Where the scale is right the points lie on the diagonal, as far as noise and one scale for many lets them.

    Examples:
        >>> found = aezoo.evaluation.decoder_variance(run.model, split)
        >>> len(aezoo.plots.plot_variance(found).axes) > 0
        True
    """
    figure = new_figure(10, 4.6)
    for axes, pair, what in zip(
        figure.subplots(1, 2), (found.by_value, found.by_row), ("value of the datum", "row"), strict=True
    ):
        _panel(axes, pair[:, :: -(-pair.shape[1] // MOST_POINTS)], found)
        axes.set_title(f"each {what}", fontsize="medium")
        axes.set_xlabel("scale of its errors")
        axes.set_ylabel("scale in the model")
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=3, frameon=False, markerscale=2
    )
    return figure


def _panel(axes: Axes, pair: Array, found: DecoderVariance) -> None:
    scales, errors = pair
    # values that never vary, such as the corners of images, have no errors to speak of
    least = 1e-3 * max(float(errors.max()), found.scale)
    axes.scatter(errors.clip(min=least), scales, s=9, color=BLUE, linewidths=0, alpha=0.6, label="model")
    ends = [min(least if (errors < least).any() else errors.min(), scales.min()), max(errors.max(), scales.max())]
    ends = [ends[0] / 1.3, ends[1] * 1.3]
    axes.plot(ends, ends, color="black", linewidth=1, label="as large as the errors")
    axes.axhline(found.optimal, color=ORANGE, linewidth=1, label="optimal shared scale")
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
