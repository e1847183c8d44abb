"""Pictures of the evidence and its bounds.

Shapes: n rows, K draws, R repeats.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aezoo.evaluation import Evidence, Gap, Spread, standard_error
from aezoo.plots.canvas import BLUE, GREY, ORANGE, Array, new_figure, plain_log

COLOURS = (BLUE, ORANGE, GREY)
BINS = 40
MOST_BARS = 500


def plot_spreads(spreads: Mapping[str, Array]) -> Figure:
    """How much one draw's estimate of each row's bound varies: standard deviations (n,), nats, by estimator.

    Examples:
        >>> figure = aezoo.plots.plot_spreads({"analytic": np.ones(20), "sampled": np.full(20, 2.0)})
        >>> len(figure.axes)
        1
    """
    figure = new_figure(6.5, 4.2)
    axes = figure.add_subplot()
    shown = np.concatenate(list(spreads.values()))
    positive = shown[shown > 0]
    if positive.size and shown.max() > 10 * positive.min():
        # an exact posterior leaves rounding errors, which a logarithmic axis would stretch over most of the picture
        plain_log(axes.xaxis)
        low = max(positive.min(), 1e-6 * shown.max())
        edges = np.geomspace(low, shown.max() * 1.001, BINS + 1)
    else:
        edges = np.linspace(0, max(float(shown.max()), 1e-3), BINS + 1)
    for (name, values), colour in zip(spreads.items(), COLOURS, strict=False):
        label = {"sampled": "by draws alone", "analytic": "with the KL in closed form"}.get(name, name)
        axes.hist(np.clip(values, edges[0], edges[-1]), bins=list(edges), color=colour, alpha=0.6, label=label)
    axes.set_xlabel("standard deviation of one draw's estimate, nats")
    axes.set_ylabel("rows")
    axes.set_title("spread of the estimates of the bound", fontsize="medium")
    axes.legend(frameon=False)
    return figure


def plot_gradients(spreads: Mapping[str, Spread]) -> Figure:
    """Components of stochastic gradients along their mean, by the way they were estimated: one centre, other widths.

    Examples:
        >>> rows = aezoo.evaluation.some_rows(split, 5)
        >>> spreads = aezoo.evaluation.gradient_spreads(run.model, rows, repeats=5)
        >>> len(aezoo.plots.plot_gradients(spreads).axes) > 0
        True
    """
    figure = new_figure(6.5, 1.2 + 1.5 * len(spreads))
    panels = figure.subplots(len(spreads), 1, sharex=True, squeeze=False)[:, 0]
    together = np.concatenate([spread.along for spread in spreads.values()])
    edges = np.linspace(*_apart(float(together.min()), float(together.max())), 2 * BINS + 1)
    for axes, (name, spread), colour in zip(panels, spreads.items(), COLOURS, strict=False):
        axes.hist(spread.along, bins=list(edges), color=colour)
        axes.axvline(spread.along.mean(), color="black", linewidth=1)
        axes.set_title(f"{name}: variance {spread.variance:.3g}", fontsize="medium", loc="left")
        axes.set_ylabel("repeats")
    panels[-1].set_xlabel("component along the mean gradient; the line is the mean")
    return figure


def plot_bounds(evidence: Evidence) -> Figure:
    """The mean importance-weighted bound over the number of draws, and each row's log-likelihood.

    Examples:
        >>> evidence = aezoo.evaluation.importance_sampling(run.model, split, draws=8)
        >>> len(aezoo.plots.plot_bounds(evidence).axes)
        2
    """
    figure = new_figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    sizes = list(evidence.bounds)
    means = np.array([bound.mean() for bound in evidence.bounds.values()])
    left.plot(sizes, means, color=BLUE, marker="o", markersize=4)
    plain_log(left.xaxis)
    left.set_xlabel("draws in the bound, k")
    left.set_ylabel("nats per example")
    left.set_title(f"from the ELBO (k = 1) to log p(x) (k = {sizes[-1]})", fontsize="medium")
    left.grid(color="0.9")
    values = evidence.log_likelihood
    edges = np.linspace(*_apart(float(values.min()), float(values.max())), BINS + 1)
    right.hist(values, bins=list(edges), color=BLUE)
    right.axvline(values.mean(), color=ORANGE)
    right.set_xlabel("log p(x), nats")
    right.set_ylabel("rows")
    error = f" ± {standard_error(values):.2g}" if len(values) > 1 else ""
    right.set_title(f"mean {values.mean():.4g}{error}", fontsize="medium")
    return figure


def plot_gap(gap: Gap) -> Figure:
    """Each row's two gaps, one on the other, the rows in the order of their sum; at most 500, evenly chosen.

    Examples:
        >>> rows = aezoo.evaluation.some_rows(split, 5)
        >>> gap = aezoo.evaluation.inference_gap(run.model, rows, draws=10, steps=3)
        >>> len(aezoo.plots.plot_gap(gap).axes) > 0
        True
    """
    order = np.argsort(gap.amortisation + gap.approximation, kind="stable")
    order = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST_BARS)).astype(int))]
    figure = new_figure(7, 4.2)
    axes = figure.add_subplot()
    _stack(axes, {"approximation": gap.approximation[order], "amortisation": gap.amortisation[order]})
    axes.set_xlabel("rows, by the sum of both gaps")
    axes.set_ylabel("log p(x) − ELBO, nats")
    axes.set_xticks([])
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    axes.set_title(
        f"on average {gap.amortisation.mean():.3g} nats of amortisation, {gap.approximation.mean():.3g} of the family",
        fontsize="medium",
    )
    return figure


def _stack(axes: Axes, parts: Mapping[str, Array]) -> None:
    """Bars on each other; noise can take a part below zero, and its bar then hangs from zero."""
    above = below = np.zeros(())
    for (name, values), colour in zip(parts.items(), COLOURS, strict=False):
        places = np.arange(len(values))
        axes.bar(places, values, bottom=np.where(values >= 0, above, below), width=1.0, color=colour, label=name)
        above, below = above + values.clip(min=0), below + values.clip(max=0)


def _apart(low: float, high: float) -> tuple[float, float]:
    """Ends of an axis that differ, however close the values are."""
    least = max(1e-3 * max(abs(low), abs(high)), 1e-6)
    return (low, high) if high - low > least else (low - least, high + least)
