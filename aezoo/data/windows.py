"""Series as rows: windows of so many steps, none of them across a gap in time or a split.

Shapes: S steps, C channels, N windows of T steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aezoo.core.arrays import as_tensor
from aezoo.core.spec import DataSpec
from aezoo.data.dataset import Dataset
from aezoo.errors import DataError, UsageError

# of the usual distance between steps: what is longer is a gap
GAP = 1.5
TEST = 0.2


def windowed(table: Dataset, window: int, stride: int = 1, times: Any = None) -> Dataset:
    """Windows (N, T, C) of a series whose steps (S, C) are the rows of ``table``, in the order of time.

    The test split is the last fifth of the steps, and no window lies across its beginning; nor does a window of
    validation share a step with one of training, see ``Dataset.span``. ``starts`` (N,) holds each window's first step.

    Args:
        table: of numbers alone.
        window: T.
        stride: steps from one window to the next.
        times: (S,) of the steps; they are put in order, and no window lies across a gap, a distance of more than one
            and a half times the usual one.

    Raises:
        DataError: columns that are no numbers, two steps at one time, or a series shorter than a window.
        UsageError: no window.
    """
    spec = table.spec
    if window < 2 or stride < 1:
        raise UsageError(
            f"a window has at least 2 steps, and the next begins at least one later (got {window}, {stride})."
        )
    odd = next((column.name for column in spec.columns if column.kind != "number" or column.holes), None)
    if len(spec.shape) != 1 or odd is not None:
        what = f"column {odd!r} is none, or has holes" if odd is not None else f"rows of shape {spec.shape}"
        raise DataError(f"{spec.name}: windows are of a series of numbers without holes, and this has {what}: drop it.")
    x = as_tensor(table.x).numpy()
    notes = list(table.notes)
    breaks = np.zeros(0, dtype=np.int64)
    if times is not None:
        moments = np.asarray(times, dtype=np.float64)
        order = np.argsort(moments, kind="stable")
        if not np.array_equal(order, np.arange(len(order))):
            notes.append(f"the steps of {spec.name} are put in the order of time.")
        x, moments = x[order], moments[order]
        steps = np.diff(moments)
        if len(steps) and steps.min() <= 0:
            raise DataError(f"{spec.name} has two steps at one time: give one series, with a time for each step.")
        breaks = np.flatnonzero(steps > GAP * np.median(steps)) + 1 if len(steps) else breaks
        if len(breaks):
            notes.append(f"{spec.name} has {len(breaks):,} gaps in time, and no window lies across one.")
    cut = len(x) - round(TEST * len(x))
    starts = np.arange(0, len(x) - window + 1, stride)
    for border in (*breaks.tolist(), cut):
        starts = starts[(starts + window <= border) | (starts >= border)]
    if not len(starts):
        raise DataError(
            f"{spec.name} has {len(x)} steps, and none of its stretches holds a window of {window}: choose fewer."
        )
    windows = np.lib.stride_tricks.sliding_window_view(x, window, axis=0).transpose(0, 2, 1)[starts]
    made = DataSpec(
        name=spec.name,
        shape=(window, spec.size),
        series=True,
        columns=spec.columns,
        aside=spec.aside,
        scaling="standardize",
    )
    dataset = Dataset(
        np.ascontiguousarray(windows),
        spec=made,
        test=np.flatnonzero(starts >= cut),
        source=table.source,
        span=-(-window // stride) - 1,
    )
    dataset.starts = starts
    dataset.notes += notes
    return dataset


def by_step(values: Any, starts: Any) -> tuple[Any, Any]:
    """Of values (N, T) for the steps of windows the mean for each step of the series, over all windows that hold it.

    Returns:
        The numbers of the steps that some window holds, in order, and their means.
    """
    values, starts = np.asarray(values, dtype=np.float64), np.asarray(starts)
    steps = (starts[:, None] + np.arange(values.shape[1])).ravel()
    total, count = np.bincount(steps, values.ravel()), np.bincount(steps)
    held = np.flatnonzero(count)
    return held, total[held] / count[held]
