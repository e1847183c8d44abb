"""Readers of tables: a path and what a user says of it become a Dataset."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from aezoo.core.spec import Column, DataSpec
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import reading, refuse_double
from aezoo.data.formats.table import NoNumberError, Numbers, read_numbers
from aezoo.data.infer import from_arrays
from aezoo.data.options import TableOptions, kind_of
from aezoo.data.tables.build import INDEX, Choices, dataset_of
from aezoo.data.tables.encode import matched
from aezoo.data.tables.files import frame, ipc, parquet
from aezoo.data.tables.source import Source, arrow
from aezoo.data.tables.survey import CODES, notes_of_codes
from aezoo.data.tables.text import PACKED, head_of, read_text
from aezoo.errors import DataError

# beyond so many, names are more than a checkpoint's header should hold
MOST_NAMES = 100_000


def choices_of(options: TableOptions | Mapping[str, Any]) -> Choices:
    """What a user says of a table, in the form that it is read by."""
    known = {one.name for one in fields(Choices)}
    given = options.chosen() if isinstance(options, TableOptions) else options
    values = {key: value for key, value in given.items() if key in known}
    return Choices(**{**values, "kinds": {name: kind_of(word) for name, word in (values.get("kinds") or {}).items()}})


def text_table(
    path: str | Path,
    delimiter: str | None = None,
    header: bool | None = None,
    decimal: str | None = None,
    encoding: str = "utf-8",
    like: DataSpec | None = None,
    **said: Any,
) -> Dataset:
    """A table as text: numbers alone without further libraries, all else by pyarrow.

    Raises:
        DataError: by line and column, a cell that does not fit, or a line of more or fewer cells than the first.
        UsageError: a column is named that is not there.
    """
    path = Path(path)
    chosen = choices_of(said)
    plain = replace(chosen, label=None, levels=256, unseen="error") == Choices() and decimal is None
    plain = plain and not (like is not None and like.series)
    plain = plain and encoding == "utf-8" and path.suffix not in PACKED and not (like is not None and like.is_mixed)
    problem: NoNumberError | None = None
    if plain:
        try:
            return _of_numbers(path, read_numbers(path, chosen.label, delimiter, header), like)
        except NoNumberError as error:
            problem = error
        except DataError as error:
            if isinstance(error.__cause__, UnicodeDecodeError):
                raise DataError(
                    f"{path} is no text in UTF-8: name its encoding (encoding=latin-1, cp1252, utf-16 …), or save it "
                    "anew."
                ) from None
            raise
    with reading(path, "a table as text"):
        try:
            arrow()
        except DataError as lacking:
            if problem is None:
                raise
            raise DataError(f"{str(problem).rstrip('.')}; {lacking}") from None
        named = isinstance(chosen.label, str) or bool(
            chosen.columns or chosen.drop or chosen.kinds or (like and like.columns)
        )
        head = head_of(path, delimiter, header, encoding, named or isinstance(chosen.index, str))
        learned = like.columns if like is not None else ()
        words = [c.name for c in learned if c.levels and c.name in head.names]
        words += [name for name, (kind, _) in chosen.kinds.items() if kind in ("category", "binary", "ordinal")]
        source = read_text(
            path,
            head,
            decimal=decimal,
            missing=chosen.missing,
            words=[w for w in words if w in head.names],
            encoding=encoding,
        )
        dataset = dataset_of(source, _stem(path), chosen, like)
    dataset.notes[:0] = [head.guessed] if head.guessed else []
    return dataset


def table_file(path: str | Path, like: DataSpec | None = None, **said: Any) -> Dataset:
    """A Parquet, Arrow or Feather file, or a folder of Parquet; raises DataError and UsageError as ``text_table``."""
    path = Path(path)
    with reading(path, "a table"):
        source = parquet(path) if path.is_dir() or path.suffix in (".parquet", ".pq") else ipc(path)
        return dataset_of(source, _stem(path), choices_of(said), like)


def table_frame(x: Any, options: TableOptions, like: DataSpec | None = None) -> Dataset:
    """A data frame or Arrow table; raises DataError and UsageError as ``text_table``."""
    plain = _of_frame_alone(x, like) if options == type(options)() else None
    return dataset_of(_source(x), "data", choices_of(options), like) if plain is None else plain


def rows_of_frame(x: Any, spec: DataSpec) -> np.ndarray[Any, Any]:
    """The rows (B, D) of a data frame as a model of ``spec`` takes them: by name, in any order; raises DataError."""
    if not spec.columns:
        return np.asarray(x)
    plain = _of_frame_alone(x, spec)
    return np.asarray(dataset_of(_source(x), spec.name, Choices(), spec).x if plain is None else plain.x)


def _of_frame_alone(x: Any, like: DataSpec | None) -> Dataset | None:
    """A data frame of numbers alone where pyarrow is not installed, which it then needs not be; else None."""
    if importlib.util.find_spec("pyarrow") is not None or not hasattr(x, "columns"):
        return None
    array = np.asarray(x)
    if array.dtype.kind not in "buif" or (like is not None and like.is_mixed):
        return None
    return _of_numbers(Path("data"), Numbers(array, None, tuple(str(name) for name in x.columns), None, ""), like)


def _source(x: Any) -> Source:
    return frame(x, "data")


def _stem(path: Path) -> str:
    return path.name.removesuffix(path.suffix) if path.suffix not in PACKED else path.name.split(".")[0]


def _of_numbers(path: Path, found: Numbers, like: DataSpec | None) -> Dataset:
    names, x = found.names, found.x
    refuse_double(path, names)
    notes = [found.note] if found.note else []
    aside = [found.label] if found.label is not None else []
    if names and len(names) > 1 and names[0] in INDEX and like is None and _numbers_rows(x[:, 0]):
        notes.append(f"column {names[0]!r} numbers the rows: set aside (columns=… keeps it).")
        aside.append(names[0])
        names, x = names[1:], x[:, 1:]
    if like is not None and like.columns and names:
        own = [name for name in names if name not in like.aside]
        matched(str(path), like, own)
        x = x[:, [names.index(column.name) for column in like.columns]]
        dataset = Dataset(x, found.labels, spec=like.model_copy(update={"name": _stem(path)}))
    else:
        dataset = from_arrays(x, found.labels, _stem(path))
        if names and len(names) <= MOST_NAMES:
            columns = tuple(Column(name=name) for name in names)
            dataset.spec = dataset.spec.model_copy(update={"columns": columns, "aside": tuple(aside)})
        notes += [] if like is not None else _codes(x, names)
    dataset.notes += notes
    return dataset


def _numbers_rows(column: np.ndarray[Any, Any]) -> bool:
    return len(column) > 1 and column[0] in (0, 1) and bool((column == column[0] + np.arange(len(column))).all())


def _codes(x: np.ndarray[Any, Any], names: tuple[str, ...]) -> list[str]:
    """What to tell of numbers that seem to stand for missing values."""
    notes: list[str] = []
    for place in np.flatnonzero(np.isin(x.min(0), CODES) | np.isin(x.max(0), CODES)):
        column = x[:, place]
        for code in (float(column.min()), float(column.max())):
            rest = column[column != code]
            if len(rest):
                name = repr(names[place]) if names else f"{place} (counted from 0)"
                notes += notes_of_codes(name, {code: len(column) - len(rest)}, float(rest.min()), float(rest.max()))
    return notes
