"""The rows of a table as numbers, column by column as a description says, and matched to it by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aezoo.core.mapped import HELD_BYTES
from aezoo.core.progress import Progress
from aezoo.core.spec import LEVELLED, Column, DataSpec
from aezoo.data.cache import kept
from aezoo.data.formats.guard import NDArray
from aezoo.data.tables.source import Source, arrow
from aezoo.data.tables.survey import cleared, level_name
from aezoo.errors import DataError
from aezoo.errors import one_line as shown

# floats that hold these types exactly
NARROW = ("bool", "int8", "int16", "uint8", "uint16", "halffloat", "float16", "float", "float32")
MOST_NAMED = 5


def matched(what: str, spec: DataSpec, own: Sequence[str]) -> None:
    """Raises DataError where the columns ``own`` of a table are not, by name, those that a model was trained on."""
    known = {column.name for column in spec.columns}
    lacking = [column.name for column in spec.columns if column.name not in own]
    further = [name for name in own if name not in known]
    if lacking:
        raise DataError(f"{what} lacks {_named(lacking)}, which the model was trained on: add what is missing.")
    if further:
        raise DataError(
            f"{what} has {_named(further)}, which the model knows nothing of: leave it out (drop={further[0]})."
        )


def _named(names: Sequence[str]) -> str:
    listed = ", ".join(repr(shown(name)) for name in names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"column {listed}{more}" if len(names) == 1 else f"columns {listed}{more}"


def encoded(source: Source, spec: DataSpec, rows: int, missing: Sequence[str] = ()) -> NDArray:
    """The columns of ``spec`` (rows, D): numbers as they are, dates as seconds since 1970, levels by their number.

    A missing value is NaN. Values of float32 where all columns fit, else of float64.

    Raises:
        DataError: a value that the column cannot have, by its row and column; or more rows than memory holds.
    """
    names = source.schema
    narrow = all(column.kind in LEVELLED or str(names.field(column.name).type) in NARROW for column in spec.columns)
    dtype = np.float32 if narrow else np.float64
    shape = (rows, len(spec.columns))
    size = rows * len(spec.columns) * np.dtype(dtype).itemsize

    def fill(x: NDArray) -> None:
        progress, start = Progress(), 0
        with progress.of(1, rows, "reading"):
            for batch in source.batches():
                # columns together first: a file that is mapped is written row by row
                block = np.empty((batch.num_rows, shape[1]), dtype)
                for place, column in enumerate(spec.columns):
                    values = cleared(batch.column(column.name), missing)
                    block[:, place] = _values(values, column, spec, source, start)
                x[start : start + len(block)] = block
                start += len(block)
                progress.advance(len(block))

    if size > HELD_BYTES and source.stamp:
        return kept(f"{source.stamp}\0{spec.model_dump_json()}\0{missing}\0{dtype}", shape, dtype, fill)
    if size > 4 * HELD_BYTES:
        raise DataError(f"{source.what} holds {size / 2**30:.1f} GiB of numbers, more than memory: save it as Parquet.")
    x = np.empty(shape, dtype)
    fill(x)
    return x


def _values(values: Any, column: Column, spec: DataSpec, source: Source, start: int) -> NDArray:
    pa = arrow()
    if column.kind in LEVELLED:
        return _levels(values, column, spec, source, start)
    kind = values.type
    if column.kind == "date":
        if not pa.types.is_temporal(kind):
            _refuse(source, column, f"holds {kind}, and dates were learned")
        return _seconds(values, pa)
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    ):
        odd = next(
            (
                f"{shown(str(v))[:40]!r} in {source.place(start + i)}"
                for i, v in enumerate(values.to_pylist())
                if v is not None
            ),
            str(kind),
        )
        _refuse(source, column, f"holds {odd}, and numbers were learned")
    numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if column.kind == "count":
        bad = (numbers < 0) | (numbers != np.floor(numbers))
        bad &= ~np.isnan(numbers)
        if bad.any():
            row = int(bad.argmax())
            _refuse(source, column, f"is {numbers[row]:g} in {source.place(start + row)}, which is no count")
    infinite = np.isinf(numbers)
    if infinite.any():
        _refuse(source, column, f"is infinite in {source.place(start + int(infinite.argmax()))}")
    return np.asarray(numbers)


def _seconds(values: Any, pa: Any) -> NDArray:
    kind = values.type
    if pa.types.is_date(kind):
        values, unit = values.cast(pa.timestamp("ms")), "ms"
    else:
        unit = kind.unit
    ticks = values.cast(pa.int32() if pa.types.is_time32(values.type) else pa.int64())
    per = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    return np.asarray(ticks.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)) / per


def _levels(values: Any, column: Column, spec: DataSpec, source: Source, start: int) -> NDArray:
    coded = values.dictionary_encode()
    places = {level: float(number) for number, level in enumerate(column.levels)}
    names = [level_name(value) for value in coded.dictionary.to_pylist()]
    unknown = [name for name in names if name not in places]
    if unknown and spec.unseen == "error":
        number = names.index(unknown[0])
        row = int(np.argmax(coded.indices.to_numpy(zero_copy_only=False) == number))
        _refuse(
            source,
            column,
            f"is {shown(unknown[0])[:40]!r} in {source.place(start + row)}, which no row to learn from was: train "
            "with unseen=missing, and new levels are missing values",
        )
    table = np.array([*(places.get(name, np.nan) for name in names), np.nan])
    index = coded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    return np.asarray(table[index.astype(np.int64)])


def _refuse(source: Source, column: Column, reason: str) -> None:
    raise DataError(f"{source.what}, column {shown(column.name)!r} {reason}.")
