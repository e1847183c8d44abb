"""Tables as text: what separates the cells, which line names the columns, and the cells by pyarrow's reader."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from aezoo.core.mapped import physical_memory
from aezoo.data.formats.guard import refuse_double
from aezoo.data.formats.table import numbered_header
from aezoo.data.tables.source import Source, arrow, source_of
from aezoo.data.tables.survey import NUMBER
from aezoo.errors import DataError
from aezoo.errors import one_line as shown

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "?", "-")
PACKED = (".gz", ".bz2", ".zst", ".lz4")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
HEAD = 1 << 20
# of a text, unpacked and taken apart
MOST_SHARE = 4


class Head(NamedTuple):
    """How a text table begins."""

    delimiter: str
    names: tuple[str, ...]
    header: bool
    skipped: int
    """Lines before the rows."""
    guessed: str
    """What was taken for granted of line 1 and should be told; else ''."""


def head_of(path: Path, delimiter: str | None, header: bool | None, encoding: str, named: bool) -> Head:
    """The first lines of a text table; ``named`` says that the user knows a column by its name."""
    pa = arrow()
    with pa.input_stream(str(path), compression="detect") as stream:
        content = stream.read(HEAD)
    try:
        text = content.decode(
            "utf-8-sig" if encoding == "utf-8" else encoding, "ignore" if len(content) == HEAD else "strict"
        )
    except (UnicodeDecodeError, LookupError):
        raise DataError(
            f"{path} is no text in {encoding.upper()}: name its encoding (encoding=latin-1, cp1252, utf-16 …), or "
            "save it anew."
        ) from None
    if "\0" in text:
        raise DataError(
            f"{path} holds NUL, which no text does: name its encoding (encoding=utf-16), or save it as text."
        )
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise DataError(f"{path} is empty: give it rows.")
    if delimiter is None:
        delimiter = _delimiter(lines[first])
    rows = list(csv.reader(io.StringIO("\n".join(lines[first : first + 3])), delimiter=delimiter))
    names = tuple(name.strip() for name in rows[0])
    guessed = ""
    if header is None:
        numbers = [_is_number(name, delimiter) for name in names if name]
        header = named or not any(numbers)
        if not header:
            header, guessed = numbered_header(names, [cell.strip() for cell in rows[1]] if len(rows) > 1 else ())
    if not header:
        names = tuple(str(i) for i in range(len(names)))
    return Head(delimiter, names, header, first + int(header), guessed)


def _delimiter(line: str) -> str:
    counts = {mark: line.count(mark) for mark in ",;\t|"}
    if counts["\t"]:
        return "\t"
    # a semicolon beside decimal commas separates; a comma within quoted words does not
    if counts[";"] and (counts[";"] >= counts[","] or DECIMAL_COMMA.search(line)):
        return ";"
    return "," if counts[","] else max(counts, key=lambda mark: counts[mark]) if any(counts.values()) else ","


def _is_number(text: str, delimiter: str) -> bool:
    if delimiter != "," and DECIMAL_COMMA.fullmatch(text):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def read_text(
    path: Path,
    head: Head,
    *,
    decimal: str | None,
    missing: Sequence[str],
    words: Sequence[str],
    encoding: str,
) -> Source:
    """The table of a text file; the columns ``words`` keep the letters of their cells.

    Raises:
        DataError: a line of more or fewer cells, two columns of one name, or more than memory holds.
    """
    pa, text = arrow(), arrow("csv")
    refuse_double(path, head.names)
    if path.stat().st_size > physical_memory() // MOST_SHARE:
        raise DataError(
            f"{path} is {path.stat().st_size / 2**30:.1f} GiB of text: save it as Parquet, which is read in parts."
        )

    def read(mark: str) -> Any:
        try:
            return text.read_csv(
                pa.input_stream(str(path), compression="detect"),
                text.ReadOptions(column_names=list(head.names), skip_rows=head.skipped, encoding=encoding),
                text.ParseOptions(delimiter=head.delimiter, newlines_in_values=True),
                text.ConvertOptions(
                    null_values=[*MISSING, *missing],
                    strings_can_be_null=True,
                    decimal_point=mark,
                    column_types={name: pa.string() for name in words},
                ),
            )
        except pa.ArrowInvalid as error:
            raise DataError(f"{path}: {_told(str(error))}") from None

    table = _trimmed(read(decimal or "."), {*MISSING, *missing}, words)
    if decimal is None and head.delimiter != "," and _has_decimal_commas(table):
        table = _trimmed(read(","), {*MISSING, *missing}, words)
    for name in table.column_names:
        if pa.types.is_binary(table.schema.field(name).type):
            raise DataError(
                f"{path}, column {shown(name)!r} holds bytes that are no UTF-8: name its encoding (encoding=latin-1, "
                "cp1252 …)."
            )
    return source_of(table, str(path), place=lambda row: f"line {_line_of(path, head, encoding, row)}")


def _trimmed(table: Any, missing: set[str], words: Sequence[str]) -> Any:
    """The table without the spaces around its words; what is missing, or a number, without them is one."""
    pa, pc = arrow(), arrow("compute")
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if not pa.types.is_string(column.type):
            continue
        bare = pc.utf8_trim_whitespace(column)
        if pc.all(pc.equal(bare, column)).as_py() is not False:
            continue
        bare = pc.if_else(pc.is_in(bare, pa.array(sorted(missing))), pa.scalar(None, pa.string()), bare)
        numbers = pc.match_substring_regex(bare, NUMBER)
        if name not in words and pc.all(numbers).as_py() and bare.null_count < len(bare):
            bare = bare.cast(pa.float64())
        table = table.set_column(place, name, bare)
    return table


def _line_of(path: Path, head: Head, encoding: str, row: int) -> int:
    """The line of the file in which a row, counted from 0, ends: lines may be empty, and cells hold several."""
    with arrow().input_stream(str(path), compression="detect") as stream:
        lines = io.TextIOWrapper(stream, encoding, "replace", newline="")
        reader = csv.reader(lines, delimiter=head.delimiter)
        records = (reader.line_num for cells in reader if cells and reader.line_num > head.skipped)
        return next(islice(records, row, None), head.skipped + row + 1)


def _has_decimal_commas(table: Any) -> bool:
    pa = arrow()
    for column in table.columns:
        if pa.types.is_string(column.type):
            some = [value for value in column.slice(0, 1000).to_pylist() if value is not None]
            if some and all(DECIMAL_COMMA.fullmatch(value) or value.lstrip("+-").isdigit() for value in some):
                return any("," in value for value in some)
    return False


def _told(message: str) -> str:
    """pyarrow's words, without the parts that speak of its own options."""
    line = shown(message.removeprefix("CSV parse error: "))
    return f"{line.rstrip('.')}: give every line as many cells as the first, or quote those with a separator in them."
