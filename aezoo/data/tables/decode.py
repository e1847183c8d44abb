"""Rows of numbers as the table that they stand for: levels by their words, dates, and holes."""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aezoo.core.spec import LEVELLED, Column, DataSpec
from aezoo.data.formats.guard import NDArray


def decoded(x: NDArray, spec: DataSpec) -> dict[str, list[Any]]:
    """The columns of rows (N, D), by name: words of levels, ISO dates, numbers, and None for a missing value.

    Numbers of levels and counts are rounded, so that means of them are read too.
    """
    return {column.name: [_value(float(v), column) for v in x[:, i]] for i, column in enumerate(spec.columns)}


def _value(value: float, column: Column) -> Any:
    if math.isnan(value):
        return None
    if column.kind in LEVELLED:
        return column.levels[min(max(round(value), 0), len(column.levels) - 1)]
    if column.kind == "count":
        return max(round(value), 0)
    if column.kind == "date":
        try:
            moment = dt.datetime.fromtimestamp(value, dt.UTC)
        except (OverflowError, ValueError, OSError):
            return value
        return moment.isoformat(timespec="seconds").removesuffix("+00:00")
    return value


def write_csv(path: Path, columns: dict[str, Sequence[Any]]) -> None:
    """A text table of the columns, with a line of their names; numbers keep nine digits, holes are empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if v is None else f"{v:.9g}" if isinstance(v, float | np.floating) else v for v in row])
