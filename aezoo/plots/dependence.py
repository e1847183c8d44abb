"""The parts of the KL to the prior.

Shapes: Z values of one code.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aezoo.evaluation import Dependence
from aezoo.plots.canvas import BLUE, GREY, ORANGE, new_figure

# bars that have room for the number of their value
MOST_NAMED = 20


def plot_dependence(found: Dependence) -> Figure:
    """The mean KL beside its three parts with their standard errors, the margins' own KL, and codes beside the prior.

    The codes are drawn from q(z) over the rows, and shown by the two values that are furthest from the prior.

    Examples:
        >>> figure = aezoo.plots.plot_dependence(aezoo.evaluation.code_dependence(run.model, split))
        >>> len(figure.axes) > 0
        True
    """
    codes, prior = found.drawn
    many = codes.shape[1] > 1
    figure = new_figure(14 if many else 10, 4.2)
    left, right, *beside = figure.subplots(1, 2 + many, width_ratios=[1.0, 1.2, 1.0][: 2 + many])
    names = ["mean KL", "mutual\ninformation", "total\ncorrelation", "dimension-\nwise KL"]
    parts = [found.kl, found.mutual_information, found.total_correlation, found.dimension_wise_kl]
    means, errors = np.array(parts).T
    # the three parts hang on each other, from the top of the whole down to zero
    bottoms = [0.0, means[2] + means[3], means[3], 0.0]
    left.bar(names, means, bottom=bottoms, yerr=errors, color=[GREY, BLUE, ORANGE, BLUE], ecolor="black", capsize=3)
    left.axhline(0, color="black", linewidth=0.8)
    left.set_ylabel("nats per example")
    left.set_title("  ".join(f"{mean:+.3g}" for mean in means[1:]) + f"  =  {means[0]:.3g}", fontsize="medium")
    places = np.arange(len(found.margins))
    right.bar(places, found.margins, color=BLUE)
    right.axhline(0, color="black", linewidth=0.8)
    right.set_xlim(-1, len(places))
    if len(places) <= MOST_NAMED:
        right.set_xticks(places)
    else:
        right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_xlabel("value of the code")
    right.set_ylabel("nats")
    right.set_title("KL of each value's distribution over all rows", fontsize="medium")
    for axes in beside:
        a, b = np.sort(np.argsort(found.margins, kind="stable")[::-1][:2])
        axes.scatter(prior[:, a], prior[:, b], s=9, color=GREY, linewidths=0, label="prior p(z)")
        axes.scatter(codes[:, a], codes[:, b], s=9, color=BLUE, linewidths=0, alpha=0.5, label="codes q(z)")
        axes.set_xlabel(f"value {a} of the code")
        axes.set_ylabel(f"value {b} of the code")
        axes.set_title(f"KL(q(z) ‖ p(z)) = {found.aggregate_kl.mean:.3g} nats", fontsize="medium")
        axes.legend(frameon=False, markerscale=2)
    return figure
