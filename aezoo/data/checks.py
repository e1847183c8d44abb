"""What the rows of a mixed table must be: numbers or holes where holes were learned, levels by their number."""

from __future__ import annotations

import numpy as np
import torch

from aezoo.core.arrays import CHUNK, check_finite, chunks
from aezoo.core.mapped import Array
from aezoo.core.sparse import SparseRows
from aezoo.core.spec import LEVELLED, DataSpec
from aezoo.errors import DataError


def check_rows(x: Array, spec: DataSpec, what: str = "data", first: int = 0) -> None:
    """Raises DataError that names the first value of rows (B, *X) that no row of ``spec`` has.

    Infinity anywhere, and NaN but in columns with holes; a level that is not one of the column's numbers; a count that
    is no whole number from 0 on. Rows are counted from ``first``.
    """
    if not spec.is_mixed:
        check_finite(x, what, first)
        return
    if isinstance(x, SparseRows):
        _check_counts(x, spec, what, first)
        return
    columns = spec.columns
    holes = np.array([c.holes or (c.kind in LEVELLED and spec.unseen == "missing") for c in columns])
    whole = np.array([c.kind == "count" or c.kind in LEVELLED for c in columns])
    most = np.array([len(c.levels) - 1 if c.levels else np.inf for c in columns])
    for start, part in chunks(x):
        values = (
            (part.detach().cpu() if isinstance(part, torch.Tensor) else torch.from_numpy(np.asarray(part)))
            .double()
            .numpy()
        )
        missing = np.isnan(values)
        with np.errstate(invalid="ignore"):
            no_level = whole & ~missing & ((values < 0) | (values > most) | (values != np.floor(values)))
        bad = (missing & ~holes) | np.isinf(values) | no_level
        if not bad.any():
            continue
        row, place = (int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
        column, value = columns[place], values[row, place]
        where = f"{what}: row {first + start + row} (counted from 0), column {column.name!r}"
        if np.isnan(value):
            raise DataError(f"{where} is missing, and no row to learn from lacked it: fill it in, or remove the row.")
        if column.levels and np.isfinite(value):
            raise DataError(f"{where} is {value:g}, and its {len(column.levels)} levels are numbered from 0.")
        raise DataError(
            f"{where} is {value:g}: "
            f"{'counts are whole numbers from 0 on' if column.kind == 'count' else 'remove such rows'}."
        )


def _check_counts(x: SparseRows, spec: DataSpec, what: str, first: int) -> None:
    """Of sparse rows what is stored is looked at, and all columns are counts."""
    check_finite(x, what, first)
    values = x.values
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        bad = (part < 0) | (part != np.floor(part))
        if not bad.any():
            continue
        place = start + int(bad.argmax())
        row = int(np.searchsorted(x.matrix.indptr, place, side="right")) - 1
        name = spec.columns[int(x.matrix.indices[place])].name
        raise DataError(
            f"{what}: row {first + row} (counted from 0), column {name!r} is {values[place]:g}: counts are whole "
            "numbers from 0 on."
        )
