"""Text tables: a fast path for the numbers, and a slow one that finds what is wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from aezoo.core.arrays import check_finite
from aezoo.core.mapped import physical_memory
from aezoo.data.formats.guard import reading
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
    note: str = ""

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


class NoNumberError(DataError):
    """A cell of a table is no number."""


class Numbers(NamedTuple):
    """A text table of numbers alone."""

    x: np.ndarray[Any, Any]
    """(N, D) float64."""
    labels: list[str] | np.ndarray[Any, Any] | None
    """(N,), texts or numbers."""
    names: tuple[str, ...]
    """Of the D columns; () where line 1 names none."""
    label: str | None
    """The name of the column of labels."""
    note: str
    """What was taken for granted of line 1, or ''."""


def read_numbers(path: Path, label: str | int | None, delimiter: str | None, header: bool | None) -> Numbers:
    """The numbers of a text table; raises NoNumberError for a cell that is none, and DataError for what is no table."""
    with reading(path, "a table of numbers as UTF-8 text"):
        found = _read(path, label, delimiter, header)
        check_finite(found.x, str(path))
        return found


def _read(path: Path, label: str | int | None, delimiter: str | None, header: bool | None) -> Numbers:
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
    names = tuple(layout.names[i] for i in features) if layout.header else ()
    named = layout.names[layout.label] if layout.header and layout.label is not None else None
    return Numbers(x, labels, names, named, layout.note)


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
    first_rows = islice((cells for cells in csv.reader(file, delimiter=delimiter) if cells), 2)
    names, second = (tuple(name.strip() for name in cells) for cells in [*first_rows, [], []][:2])
    if not names:
        raise DataError(f"{path} is empty: give it rows of numbers.")
    if len(names) > MOST_COLUMNS + 1:
        raise DataError(
            f"{path}, line 1: {len(names):,} cells, and a row has at most {MOST_COLUMNS:,}: leave some out."
        )
    column = _column(path, names, label)
    note = ""
    if header is None:
        numeric = [_is_number(name) for i, name in enumerate(names) if i != column]
        header = isinstance(label, str) or not any(numeric)
        if not header:
            header, note = numbered_header(names, second)
    return Layout(path, delimiter, names, header, column, note)


def numbered_header(first: Sequence[str], second: Sequence[str]) -> tuple[bool, str]:
    """Whether a line 1 of numbers names the columns all the same, and what to tell of it."""
    if _counts_up(first) and second and not _counts_up(second):
        start = next(cell for cell in first if cell)
        return True, f"line 1 counts up from {start}: taken for the names of the columns (header=false if it is a row)."
    cells = [cell for cell in first if cell]
    if len(set(cells)) == len(cells) > 2 and all(cell.isdecimal() for cell in cells):
        return False, "line 1 holds whole numbers: taken for a row (header=true if it names the columns)."
    return False, ""


def _counts_up(cells: Sequence[str]) -> bool:
    """Whether three or more cells are whole numbers, each one more than the one before; the first may be empty."""
    found = list(cells[1:] if cells and not cells[0] else cells)
    if len(found) < 3 or not all(cell.isdecimal() and len(cell) < 10 for cell in found):
        return False
    return all(int(b) == int(a) + 1 for a, b in pairwise(found))


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
                    raise NoNumberError(
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
