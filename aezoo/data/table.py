"""Text tables: a fast path for the numbers, and a slow one that finds what is wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from aezoo.errors import DataError, UsageError, near_misses


@dataclass(frozen=True)
class Layout:
    """How a table is written: its columns, and which of them holds the label."""

    path: Path
    delimiter: str
    names: tuple[str, ...]
    header: bool
    label: int | None

    def lines(self, file: IO[str]) -> Iterator[tuple[int, list[str]]]:
        """Line numbers and cells of the rows of numbers; raises DataError for one of another length."""
        reader = csv.reader(file, delimiter=self.delimiter)
        skip = self.header
        for cells in reader:
            if not cells:
                continue
            if skip:
                skip = False
                continue
            if len(cells) != len(self.names):
                raise DataError(
                    f"{self.path}, line {reader.line_num}: {len(cells)} cells where line 1 has {len(self.names)}: "
                    "give every line as many."
                )
            yield reader.line_num, cells


def read_table(
    path: Path, label: str | int | None, delimiter: str | None, header: bool | None
) -> tuple[np.ndarray[Any, Any], list[str] | np.ndarray[Any, Any] | None]:
    """The numbers (N, D) float64 of a table, and its labels (N,), text or numbers; raises DataError for bad cells."""
    with _opened(path) as file:
        layout = _layout(path, file, label, delimiter, header)
    features = [i for i in range(len(layout.names)) if i != layout.label]
    if not features:
        raise DataError(f"{path} has no column beside the label: give it numbers.")
    labels = None if layout.label is None else _labels(layout, layout.label)
    with _opened(path) as file:
        if layout.header:
            _first_row(file, layout.delimiter)
        try:
            x = np.loadtxt(
                file,
                delimiter=layout.delimiter,
                comments=None,
                quotechar='"',
                ndmin=2,
                usecols=None if layout.label is None else features,
            )
        except ValueError:
            _blame(layout, features)
            raise
    if x.size == 0:
        raise DataError(f"{path} has no rows: give it at least one.")
    if x.shape[1] != len(features):
        _blame(layout, features)
    return x, labels


def _opened(path: Path) -> IO[str]:
    return path.open(encoding="utf-8-sig", newline="")


def _first_row(file: IO[str], delimiter: str) -> list[str]:
    return next((cells for cells in csv.reader(file, delimiter=delimiter) if cells), [])


def _layout(path: Path, file: IO[str], label: str | int | None, delimiter: str | None, header: bool | None) -> Layout:
    if delimiter is None:
        line = next((line for line in file if line.strip()), "")
        delimiter = next((mark for mark in ",;\t" if mark in line), ",")
        file.seek(0)
    names = tuple(name.strip() for name in _first_row(file, delimiter))
    if not names:
        raise DataError(f"{path} is empty: give it rows of numbers.")
    column = _column(path, names, label)
    if header is None:
        numeric = [_is_number(name) for i, name in enumerate(names) if i != column]
        header = isinstance(label, str) or not any(numeric)
    return Layout(path, delimiter, names, header, column)


def _column(path: Path, names: tuple[str, ...], label: str | int | None) -> int | None:
    if label is None:
        return None
    if isinstance(label, str):
        if label not in names:
            shown = ", ".join(names[:20])
            raise UsageError(f"{path} has no column {label!r}{near_misses(label, names)} Its columns: {shown}.")
        return names.index(label)
    if not -len(names) <= label < len(names):
        raise UsageError(f"{path} has no column {label}: its {len(names)} columns are counted from 0.")
    return label % len(names)


def _labels(layout: Layout, column: int) -> list[str] | np.ndarray[Any, Any]:
    cells = []
    with _opened(layout.path) as file:
        for line, row in layout.lines(file):
            cells.append(row[column].strip())
            if not cells[-1]:
                raise DataError(f"{layout.path}, line {line}: the label is empty: fill it in or remove the line.")
    return np.array([float(cell) for cell in cells]) if all(_is_number(cell) for cell in cells) else cells


def _blame(layout: Layout, features: list[int]) -> None:
    """Raises DataError that names the first cell that is no number, or the first line of another length."""
    with _opened(layout.path) as file:
        for line, cells in layout.lines(file):
            for column in features:
                if not _is_number(cells[column]):
                    name = f" ({layout.names[column]!r})" if layout.header else ""
                    shown = repr(cells[column][:40]) if cells[column].strip() else "an empty cell"
                    raise DataError(
                        f"{layout.path}, line {line}, column {column}{name}: {shown} is no number: give numbers, or "
                        "name the column of labels with the option label (columns are counted from 0)."
                    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    # Python reads 1_000, the table reader does not
    return "_" not in text
