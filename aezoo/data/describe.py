"""What was understood of data: its rows, the columns of a table with kinds and ranges, and what to use for it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from aezoo.core.arrays import as_tensor
from aezoo.core.mapped import rows_at
from aezoo.core.spec import LEVELLED, Column, DataSpec
from aezoo.data.tables.decode import decoded

# rows that figures are taken from, spread over all
ROWS = 200_000
FIRST = 5
# whole numbers of so few values may be counts, or names of something
FEW = 50
MOST_LEVELS_SHOWN = 8
# deviations: of 10,000 rows a Gaussian's largest is 4
HEAVY = 20.0


class ColumnFacts(NamedTuple):
    """What one column of a table holds."""

    name: str
    kind: str
    missing: float
    """Share of the rows."""
    low: float | None
    mean: float | None
    high: float | None
    """Of numbers, dates (seconds since 1970) and counts."""
    levels: dict[str, int]
    """How often each level stands there."""
    remark: str
    """What else it may be, or ''."""


class Description(NamedTuple):
    """What was understood of a dataset.

    Examples:
        >>> found = aezoo.data.open_data("moons").describe()
        >>> found.rows, [column.name for column in found.columns], found.likelihood
        (2000, ['0', '1'], 'gaussian')
    """

    name: str
    rows: int
    shape: tuple[int, ...]
    columns: list[ColumnFacts]
    """Of a table; of other data none."""
    aside: tuple[str, ...]
    """Columns of the file that are no part of a datum."""
    range: tuple[float, float] | None
    """Of all values to come, where that is known."""
    labels: dict[str, int]
    """How many rows have each label, at most 1,000 of them."""
    test: int
    """Rows of the test split."""
    likelihood: str
    preprocess: str
    """What a model takes for this data, unless it is told otherwise."""
    first: dict[str, list[Any]]
    """The first rows of a table, by column, as words, dates and numbers."""
    notes: list[str]


class Described(Protocol):
    """What there is to say of a dataset."""

    spec: DataSpec
    x: Any
    labels: Any
    label_names: tuple[str, ...] | None
    test: Any
    notes: list[str]

    def __len__(self) -> int: ...


def describe(dataset: Described) -> Description:
    """What was understood of ``dataset``; of more than 200,000 rows, figures are of as many spread over all."""
    spec = dataset.spec
    columns: list[ColumnFacts] = []
    first: dict[str, list[Any]] = {}
    if len(spec.shape) == 1 and not isinstance(dataset.x, torch.utils.data.Dataset):
        index = np.unique(np.linspace(0, len(dataset) - 1, min(ROWS, len(dataset))).astype(np.int64))
        known = spec.columns or tuple(Column(name=str(i)) for i in range(spec.size))
        rows = as_tensor(rows_at(dataset.x, index)).double().numpy()
        columns = [_facts(rows[:, i], column) for i, column in enumerate(known)]
        head = as_tensor(rows_at(dataset.x, np.arange(min(FIRST, len(dataset))))).double().numpy()
        first = decoded(head, spec.model_copy(update={"columns": known}))
    return Description(
        spec.name,
        len(dataset),
        spec.shape,
        columns,
        spec.aside,
        None if spec.low is None or spec.high is None else (spec.low, spec.high),
        _labels(dataset),
        len(dataset.test),
        "table" if spec.is_mixed else "gaussian",
        spec.scaling,
        first,
        list(dataset.notes),
    )


def _labels(dataset: Described) -> dict[str, int]:
    if dataset.labels is None:
        return {}
    values, counts = np.unique(dataset.labels, return_counts=True)
    names = dataset.label_names
    return {str(v) if names is None else names[v]: int(n) for v, n in zip(values[:1000], counts[:1000], strict=True)}


def _facts(values: np.ndarray[Any, Any], column: Column) -> ColumnFacts:
    there = values[~np.isnan(values)]
    missing = 1 - len(there) / len(values)
    if column.kind in LEVELLED:
        counts = np.bincount(there.astype(np.int64), minlength=len(column.levels))
        levels = {level: int(n) for level, n in zip(column.levels, counts, strict=True)}
        return ColumnFacts(column.name, column.kind, missing, None, None, None, levels, "")
    if not len(there):
        return ColumnFacts(column.name, column.kind, missing, None, None, None, {}, "empty")
    low, mean, high = float(there.min()), float(there.mean()), float(there.max())
    return ColumnFacts(column.name, column.kind, missing, low, mean, high, {}, _remark(there, column, low, mean, high))


def _remark(there: np.ndarray[Any, Any], column: Column, low: float, mean: float, high: float) -> str:
    if low == high:
        return "the same in all rows"
    if column.kind != "number":
        return ""
    if bool((there == np.floor(there)).all()):
        count = len(np.unique(there))
        if count == 2:
            return "two values: kinds=…:binary?"
        if count <= FEW:
            return (
                f"{count} whole numbers: kinds=…:category, ordinal or count?" if low >= 0 else f"{count} whole numbers"
            )
        return "whole numbers: kinds=…:count?" if low >= 0 else "whole numbers"
    if max(high - mean, mean - low) > HEAVY * float(there.std()):
        return "heavy in the tails: likelihood table,numbers=student?"
    return ""
