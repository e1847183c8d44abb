"""What it finds, imported only when it is asked for. Shapes: N rows, *X one datum of D values."""

from __future__ import annotations

from typing import Any

import numpy as np
from aezoo.evaluation import some_rows
from aezoo.inspection import Finding, Subject
from matplotlib.figure import Figure

from aezoo_my_model import MyModelOptions

WORST = 0.1


def find(subject: Subject, options: MyModelOptions) -> Finding:
    """The squared errors (N, *X) of the rows, in raw units, as means over rows and as sums over values.

    ``mean_squared_error`` has one figure for each value; ``worst_value`` is the number of the largest, counted row by
    row; ``share_of_worst_rows`` is the share of the whole error in the tenth of the rows that have most of it: 0.1 if
    all rows have the same, 1 if all others have none.

    Hawkins et al. 2002, Outlier detection using replicator neural networks.
    """
    x = some_rows(subject.rows, options.rows, subject.seed).rows()
    errors = (subject.model.reconstruct(x).cpu() - x).square().numpy()
    by_value = errors.mean(0)
    by_row = np.sort(errors.reshape(len(errors), -1).sum(1))[::-1]
    worst = by_row[: max(1, round(WORST * len(by_row)))]
    figures = {
        "rows": len(x),
        "worst_value": int(by_value.argmax()),
        "share_of_worst_rows": float(worst.sum() / by_row.sum()) if by_row.sum() else 0.0,
        "mean_squared_error": by_value.ravel(),
    }
    return Finding(figures, _picture(by_value))


def _picture(by_value: np.ndarray[tuple[int, ...], np.dtype[np.floating[Any]]]) -> Figure:
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot()
    if by_value.ndim == 3:
        figure.colorbar(axes.imshow(by_value.mean(0)), label="mean squared error")
        axes.set_axis_off()
    else:
        axes.bar(np.arange(by_value.size), by_value.ravel())
        axes.set_xlabel("value")
        axes.set_ylabel("mean squared error")
    return figure
