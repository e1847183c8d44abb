"""Tables of spreadsheets (.xlsx, .xls, .xlsb, .ods) and of Weka (.arff), as Arrow tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aezoo.core.extras import extra
from aezoo.core.spec import DataSpec
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import reading
from aezoo.data.options import kind_of
from aezoo.data.tables.build import dataset_of
from aezoo.data.tables.read import choices_of
from aezoo.data.tables.source import Source, arrow, source_of
from aezoo.data.tables.text import MISSING
from aezoo.errors import DataError, UsageError, near_misses
from aezoo.errors import one_line as shown

SHEETS = (".xlsx", ".xls", ".xlsb", ".ods")


def spreadsheet(path: str | Path, sheet: str | int = 0, like: DataSpec | None = None, **said: Any) -> Dataset:
    """A sheet, by name or number, of a spreadsheet, whose first line names the columns.

    Raises DataError and UsageError as ``text_table`` does.
    """
    path = Path(path)
    with reading(path, "a spreadsheet"):
        calamine = extra("python_calamine", "sheets", "spreadsheets are")
        arrow()
        book = calamine.CalamineWorkbook.from_path(str(path))
        names = book.sheet_names
        if isinstance(sheet, int):
            if not 0 <= sheet < len(names):
                raise UsageError(f"{path} has no sheet {sheet}: its {len(names)} sheets are counted from 0.")
            sheet = names[sheet]
        if sheet not in names:
            raise UsageError(
                f"{path} has no sheet {sheet!r}{near_misses(str(sheet), names)} Its sheets: {', '.join(names[:20])}."
            )
        rows = book.get_sheet_by_name(sheet).to_python(skip_empty_area=True)
        if not rows:
            raise DataError(f"{path}: sheet {sheet!r} is empty: give it a line of names, and rows.")
        source = _of_cells(f"{path}, sheet {sheet!r}", rows[0], rows[1:])
        return dataset_of(source, path.stem, choices_of(said), like)


def _of_cells(what: str, head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> Source:
    pa = arrow()
    names = [str(name).strip() for name in head]
    columns = []
    for place, name in enumerate(names):
        cells = [_cell(row[place]) for row in rows]
        try:
            columns.append(pa.array(cells))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            kinds: dict[str, int] = {}
            for number, cell in enumerate(cells):
                if cell is not None:
                    kinds.setdefault(type(cell).__name__, number)
            listed = ", ".join(
                f"{kind} (line {number + 2}: {str(cells[number])[:20]!r})" for kind, number in kinds.items()
            )
            raise DataError(
                f"{what}, column {shown(name)!r} holds values of several types, {listed}: give it values of one."
            ) from None
    return source_of(pa.table(columns, names=names), what, place=lambda row: f"line {row + 2}")


def _cell(value: Any) -> Any:
    return None if value is None or (isinstance(value, str) and value.strip() in MISSING) else value


def weka(path: str | Path, like: DataSpec | None = None, **said: Any) -> Dataset:
    """An ARFF file, dense or with sparse rows; nominal columns are categories of the levels that it declares.

    What a sparse row leaves out is zero, of a nominal column its first level, as the format says. Raises DataError and
    UsageError as ``text_table`` does.
    """
    path = Path(path)
    with reading(path, "an ARFF file"):
        arff = extra("arff", "arff", "ARFF files are")
        pa = arrow()
        text = path.read_text(encoding="utf-8")
        form = arff.LOD if _is_sparse(text) else arff.DENSE
        found = arff.loads(text, return_type=form)
        attributes = found["attributes"]
        rows = found["data"]
        columns = []
        for place, (_, kind) in enumerate(attributes):
            nothing = kind[0] if isinstance(kind, list) else 0.0 if kind.upper() != "STRING" else None
            cells = [row.get(place, nothing) for row in rows] if form == arff.LOD else [row[place] for row in rows]
            columns.append(
                pa.array(cells, pa.string() if isinstance(kind, list) or kind.upper() == "STRING" else pa.float64())
            )
        names = [str(name) for name, _ in attributes]
        source = source_of(pa.table(columns, names=names), str(path), place=lambda row: f"data row {row + 1}")
        chosen = choices_of(said)
        declared = {
            name: kind_of(f"category:{'<'.join(kind)}")
            for name, kind in attributes
            if isinstance(kind, list)
            and name != chosen.label
            and name not in chosen.drop
            and len(kind) > 1
            and not any("<" in k for k in kind)
            and (not chosen.columns or name in chosen.columns)
        }
        chosen = type(chosen)(**{**vars(chosen), "kinds": {**declared, **chosen.kinds}})
        return dataset_of(source, path.stem, chosen, like)


def _is_sparse(text: str) -> bool:
    body = text.lower().partition("@data")[2].lstrip()
    while body.startswith("%"):
        body = body.partition("\n")[2].lstrip()
    return body.startswith("{")
