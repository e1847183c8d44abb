"""Text tables: a fast path for the numbers, and a slow one that finds what is wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from aezoo.core.arrays import check_finite
from aezoo.core.mapped import physical_memory
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import reading
from aezoo.data.infer import from_arrays
from aezoo.errors import DataError, UsageError, near_misses

BLOCK = 1 << 22
MOST_COLUMNS = 1_000_000
# of so many columns, at the 32 characters that a number of 64 bits may take
MOST_LINE = 32 << 20
# what ends a line, and what quotes a cell
REFUSED = ("\n", "\r", '"')


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


def csv_table(
    path: str | Path, label: str | int | None = None, delimiter: str | None = None, header: bool | None = None
) -> Dataset:
    """The numbers of a text table as (N, D) float64, and the column ``label`` (a name or an index) as labels.

    ``delimiter`` is a comma, or else a semicolon or tab where line 1 has one. Line 1 is a header when none of its
    cells is a number, when ``label`` is a name, or when ``header`` says so. Raises DataError that names line and column
    of a cell that is no number, or the line that has more or fewer cells than the first.
    """
    path = Path(path)
    with reading(path, "a table of numbers as UTF-8 text"):
        x, labels = read_table(path, label, delimiter, header)
        check_finite(x, str(path))
        return from_arrays(x, labels, path.stem)


def read_table(
    path: Path, label: str | int | None, delimiter: str | None, header: bool | None
) -> tuple[np.ndarray[Any, Any], list[str] | np.ndarray[Any, Any] | None]:
    """The numbers (N, D) float64 of a table, and its labels (N,), text or numbers; raises DataError for bad cells."""
    _refuse_endless(path)
    with _opened(path) as file:
        layout = _layout(path, file, label, delimiter, header)
    quoted = _refuse_huge(layout)
    features = [i for i in range(len(layout.names)) if i != layout.label]
    if not features:
        raise DataError(f"{path} has no column beside the label: give it numbers.")
    labels = None if layout.label is None else _labels(layout, layout.label)
    with _opened(path) as file:
        if layout.header:
            _first_row(file, layout.delimiter)
        try:
            x = np.loadtxt(
                _unquoted(file, layout.delimiter) if quoted else file,
                delimiter=layout.delimiter,
                comments=None,
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


def _refuse_endless(path: Path) -> None:
    """Raises DataError for a line that is longer than a row of as many columns as a datum may have."""
    run = 0
    for block in _blocks(path):
        ends = [end for end in (block.find(b"\n"), block.find(b"\r")) if end >= 0]
        if run + min(ends, default=len(block)) > MOST_LINE:
            raise DataError(f"{path} has a line of more than {MOST_LINE >> 20} MiB: give a row a line.")
        last = max(block.rfind(b"\n"), block.rfind(b"\r"))
        run = len(block) - 1 - last if ends else run + len(block)


def _refuse_huge(layout: Layout) -> bool:
    """Raises DataError when the numbers would fill the memory; else says whether there are quotes."""
    mark, cells, quoted = layout.delimiter.encode("utf-8", "replace"), 0, False
    for block in _blocks(layout.path):
        cells += block.count(mark) + block.count(b"\n")
        quoted = quoted or b'"' in block
    if 8 * cells > physical_memory() // 4:
        raise DataError(
            f"{layout.path} holds {8 * cells / 2**30:.1f} GiB of numbers: save it as .npy, which is read from disk."
        )
    return quoted


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _unquoted(file: IO[str], delimiter: str) -> Iterator[str]:
    """The lines without their quotes; csv's reader gives up where a quote is not closed, and NumPy's reads on."""
    return (delimiter.join(cells) for cells in csv.reader(file, delimiter=delimiter))


def _opened(path: Path) -> IO[str]:
    return path.open(encoding="utf-8-sig", newline="")


def _first_row(file: IO[str], delimiter: str) -> list[str]:
    return next((cells for cells in csv.reader(file, delimiter=delimiter) if cells), [])


def _layout(path: Path, file: IO[str], label: str | int | None, delimiter: str | None, header: bool | None) -> Layout:
    if delimiter is None:
        line = next((line for line in file if line.strip()), "")
        delimiter = next((mark for mark in ",;\t" if mark in line), ",")
        file.seek(0)
    elif delimiter in REFUSED:
        raise UsageError(f"delimiter {delimiter!r} cannot stand between cells: give such as ';'.")
    names = tuple(name.strip() for name in _first_row(file, delimiter))
    if not names:
        raise DataError(f"{path} is empty: give it rows of numbers.")
    if len(names) > MOST_COLUMNS + 1:
        raise DataError(
            f"{path}, line 1: {len(names):,} cells, and a row has at most {MOST_COLUMNS:,}: leave some out."
        )
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
            shown = ", ".join(name[:40] for name in names[:20])
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
                    name = f" ({layout.names[column][:40]!r})" if layout.header else ""
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
