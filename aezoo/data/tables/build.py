"""From a table to a Dataset: which columns are learned from, as what, and which stand aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from aezoo.core.spec import Column, DataSpec, Kind
from aezoo.data.dataset import Dataset
from aezoo.data.infer import infer_spec, told_classes
from aezoo.data.tables.encode import encoded, matched
from aezoo.data.tables.source import Source
from aezoo.data.tables.survey import Found, cleared, survey, understand
from aezoo.data.windows import windowed
from aezoo.errors import DataError, UsageError, near_misses

# what a library calls the column of row numbers that it saves beside the others
INDEX = ("", "Unnamed: 0", "__index_level_0__", "index", "rownames")
OWN_INDEX = "__index_level_"


@dataclass(frozen=True)
class Choices:
    """What a user says of a table."""

    label: str | int | None = None
    columns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    index: str | int | None = None
    missing: tuple[str, ...] = ()
    kinds: dict[str, tuple[Kind, tuple[str, ...]]] = field(default_factory=dict)
    levels: int = 256
    unseen: Literal["error", "missing"] = "error"
    time: str | None = None
    window: int | None = None
    stride: int = 1


def dataset_of(source: Source, name: str, chosen: Choices, like: DataSpec | None = None) -> Dataset:
    """The rows of a table as a Dataset, by the columns of ``like`` where a model has learned some.

    Raises:
        UsageError: a column is named that is not there.
        DataError: columns or values that do not fit.
    """
    names = source.names
    if chosen.window is not None or (like is not None and like.series):
        return _series(source, name, chosen, like)
    label = _column(source, chosen.label)
    aside = {column for column in (label, _column(source, chosen.index)) if column is not None}
    aside |= {_known(source, column) for column in chosen.drop}
    aside |= {column for column in names if column.startswith(OWN_INDEX)}
    if chosen.columns:
        wanted = {_known(source, column) for column in chosen.columns}
        aside |= {column for column in names if column not in wanted}
    notes: list[str] = []
    if like is not None and like.columns:
        own = [column for column in names if column not in aside and column not in like.aside]
        matched(source.what, like, own)
        spec = like.model_copy(update={"name": name})
        rows = sum(batch.num_rows for batch in source.batches())
    else:
        own = [column for column in names if column not in aside]
        if not own:
            raise DataError(f"{source.what} has no column beside those left out: keep one.")
        found = survey(source, own, chosen.missing)
        rows = next(iter(found.values())).rows
        if chosen.index is None and (index := _index(found, rows)) is not None:
            aside.add(index)
            notes.append(f"column {index!r} numbers the rows: set aside (columns=… keeps it).")
            del found[index]
        understood = understand(source, found, chosen.kinds, chosen.levels)
        notes += understood.notes
        aside |= set(understood.aside)
        spec = DataSpec(
            name=name,
            shape=(len(understood.columns),),
            columns=tuple(understood.columns),
            aside=tuple(column for column in names if column in aside),
            unseen=chosen.unseen,
        )
    if not rows:
        raise DataError(f"{source.what} has no rows: give it at least one.")
    x = encoded(source, spec, rows, chosen.missing)
    if like is None and not spec.is_mixed:
        # of numbers alone what is known of any array of them
        plain = infer_spec(x, name)
        spec = plain.model_copy(update={"columns": spec.columns, "aside": spec.aside, "unseen": spec.unseen})
    labels = None if label is None else labels_of(source, label, chosen.missing)
    dataset = Dataset(x, labels, spec=spec)
    if like is None:
        dataset = told_classes(dataset)
    dataset.notes += notes
    return dataset


def _series(source: Source, name: str, chosen: Choices, like: DataSpec | None) -> Dataset:
    """Windows of a series whose steps are the rows of the table."""
    window = like.shape[0] if like is not None and like.series else chosen.window
    assert window is not None
    if like is not None and not like.series:
        raise DataError(
            f"{source.what} was to be windows, and the model learned rows of shape {like.shape}: leave window out."
        )
    drop = (*chosen.drop, *([chosen.time] if chosen.time is not None else []))
    flat = None if like is None else like.model_copy(update={"shape": like.shape[1:], "series": False})
    table = dataset_of(source, name, replace(chosen, window=None, drop=drop), flat)
    times = None
    if chosen.time is not None:
        column = Column(name=_known(source, chosen.time), kind=_time_kind(source, chosen.time))
        spec = DataSpec(name=name, shape=(1,), columns=(column,))
        times = encoded(source, spec, len(table))[:, 0]
        if np.isnan(times).any():
            raise DataError(
                f"{source.what}, column {chosen.time!r} lacks a time in row {int(np.isnan(times).argmax())}: fill it "
                "in."
            )
    return windowed(table, window, chosen.stride, times)


def _time_kind(source: Source, name: str) -> Literal["number", "date"]:
    return (
        "date"
        if str(source.schema.field(name).type).startswith(("timestamp", "date", "time", "duration"))
        else "number"
    )


def _index(found: dict[str, Found], rows: int) -> str | None:
    """A first column that counts the rows, under a name that libraries give it."""
    name, one = next(iter(found.items()))
    numbers = "int" in one.type and not one.missing and one.low in (0, 1) and one.high - one.low + 1 == rows
    differ = one.values is None or len(one.values) == rows
    return name if name in INDEX and numbers and differ and rows > 1 and len(found) > 1 else None


def labels_of(source: Source, column: str, missing: Sequence[str]) -> Any:
    """The labels (N,) in a column: texts, or whole numbers."""
    found: list[Any] = []
    for batch in source.batches():
        values = cleared(batch.column(column), missing)
        if values.null_count:
            row = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
            raise DataError(
                f"{source.what}: the label {column!r} is missing in {source.place(len(found) + row)}: fill it in, or "
                "leave the row out."
            )
        found += values.to_pylist()
    if all(isinstance(value, bool | int | float) for value in found):
        return np.array([float(value) for value in found])
    return [str(value) for value in found]


def _column(source: Source, given: str | int | None) -> str | None:
    if given is None:
        return None
    if isinstance(given, str):
        return _known(source, given)
    if not -len(source.names) <= given < len(source.names):
        raise UsageError(f"{source.what} has no column {given}: its {len(source.names)} columns are counted from 0.")
    return source.names[given]


def _known(source: Source, name: str) -> str:
    if name in source.names:
        return name
    listed = ", ".join(column[:40] for column in source.names[:20])
    raise UsageError(f"{source.what} has no column {name!r}{near_misses(name, source.names)} Its columns: {listed}.")
