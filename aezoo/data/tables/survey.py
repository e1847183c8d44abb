"""What the columns of a table hold: kinds, levels, holes and ranges, found in one pass over its rows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aezoo.core.spec import LEVELLED, MOST_LEVELS, Column, Kind
from aezoo.data.tables.source import Source, arrow
from aezoo.errors import DataError, UsageError, near_misses
from aezoo.errors import one_line as shown

# a text with more levels than this, or with one for each of so many rows, names rows
FEW_LEVELS, NAMES_OF_ROWS = 256, 20
# whole numbers beyond are not told apart by a float
WHOLE = 2**53
# what words are that would be dates or numbers, were they written otherwise
LOOKS = {
    r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}([ T].*)?": "what seem to be dates: write them as 2026-01-31",
    r"[^\w\s]?\s?-?\d{1,3}([,.' ]\d{3})+([.,]\d+)?\s?[^\w\s]?": "what seem to be numbers with marks "
    "between thousands: leave those out",
    r"[$€£¥]\s?-?[\d.,]+|-?[\d.,]+\s?[%$€£¥]": "what seem to be numbers with a unit: leave that out",
}
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
# what people write for a missing number, when it is far from the others
CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0)


@dataclass
class Found:
    """What one column of a file holds."""

    name: str
    type: str
    rows: int = 0
    missing: int = 0
    low: float = math.inf
    high: float = -math.inf
    whole: bool = True
    # what people write for a missing number, how often, and the range of all other values
    codes: dict[float, int] = field(default_factory=dict)
    inner: tuple[float, float] = (math.inf, -math.inf)
    # of a column of words: how many of them are numbers
    numbers: int = 0
    # how often each value stands there, while there are few
    values: dict[Any, int] | None = field(default_factory=dict)


def survey(source: Source, columns: Sequence[str], missing: Sequence[str] = ()) -> dict[str, Found]:
    """What the named columns of a table hold; raises DataError for a column that is no values of one cell."""
    pa, pc = arrow(), arrow("compute")
    found = {name: Found(name, str(source.schema.field(name).type)) for name in columns}
    for name in columns:
        kind = source.schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise DataError(
                f"{source.what}, column {shown(name)!r} holds {kind}, no values: leave it out (drop={name})."
            )
    for batch in source.batches():
        for name in columns:
            _add(found[name], cleared(batch.column(name), missing), pa, pc)
    return found


def cleared(column: Any, missing: Sequence[str]) -> Any:
    """A column with null where one of the texts or numbers for ``missing`` stands."""
    pa, pc = arrow(), arrow("compute")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string_view(column.type):
        # pyarrow counts nulls of this type as empty texts
        column = column.cast(pa.large_string())
    if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    texts = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    numbers = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    tokens = [token if texts else float(token) for token in missing if texts or _is_number(token)]
    if not tokens or not (texts or numbers):
        return column
    compared = column if texts else column.cast(pa.float64(), safe=False)
    is_token = pc.is_in(compared, pa.array(tokens, compared.type))
    return pc.if_else(is_token, pa.scalar(None, column.type), column)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _add(found: Found, column: Any, pa: Any, pc: Any) -> None:
    found.rows += len(column)
    found.missing += column.null_count
    kind = column.type
    if pa.types.is_null(kind):
        return
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        _add_numbers(found, column, pa, pc)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found.numbers += pc.sum(pc.match_substring_regex(column, NUMBER)).as_py() or 0
    # measurements have no levels
    most = FEW_LEVELS if pa.types.is_floating(kind) and not found.whole else MOST_LEVELS
    if found.values is not None and pc.count_distinct(column).as_py() > most:
        found.values = None
    if found.values is not None:
        for entry in pc.value_counts(column).to_pylist():
            value = entry["values"]
            if value is not None:
                found.values[value] = found.values.get(value, 0) + entry["counts"]
        if len(found.values) > MOST_LEVELS:
            found.values = None


def _add_numbers(found: Found, column: Any, pa: Any, pc: Any) -> None:
    ends = pc.min_max(column).as_py()
    if ends["min"] is None:
        return
    low, high = float(ends["min"]), float(ends["max"])
    found.low, found.high = min(found.low, low), max(found.high, high)
    if low in CODES or high in CODES:
        # the one is looked for among all values only where it is at an end of them
        values = column.cast(pa.float64(), safe=False)
        is_code = pc.is_in(values, pa.array(CODES))
        for entry in pc.value_counts(values.filter(is_code)).to_pylist():
            found.codes[entry["values"]] = found.codes.get(entry["values"], 0) + entry["counts"]
        rest = pc.min_max(values.filter(pc.invert(is_code))).as_py()
        low, high = (math.inf, -math.inf) if rest["min"] is None else (rest["min"], rest["max"])
    found.inner = min(found.inner[0], low), max(found.inner[1], high)
    if not pa.types.is_integer(column.type) and found.whole:
        values = column.cast(pa.float64(), safe=False)
        found.whole = bool(pc.all(pc.equal(pc.floor(values), values)).as_py())


def is_text(found: Found) -> bool:
    """Whether a column holds words."""
    return "string" in found.type


def is_time(found: Found) -> bool:
    """Whether a column holds dates, times or durations."""
    return found.type.startswith(("timestamp", "date", "time", "duration"))


class Understood:
    """The columns of a table that a model learns from, and what was decided on the way.

    Attributes:
        columns: in the order of the file.
        aside: names of columns that are no part of a datum.
        notes: what a user should know of, a line each.
    """

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.aside: list[str] = []
        self.notes: list[str] = []


def understand(
    source: Source, found: Mapping[str, Found], kinds: Mapping[str, tuple[Kind, tuple[str, ...]]], levels: int
) -> Understood:
    """Decides on the kinds of columns; those in ``kinds``, with levels in their order or none, are as asked.

    Raises:
        DataError: a column that cannot be what was asked, or none is left.
    """
    out = Understood()
    for name in kinds:
        if name not in found:
            raise UsageError(f"{source.what} has no column {name!r}{near_misses(name, list(found))}")
    is_mixed = any(one.missing or is_text(one) or is_time(one) or one.type == "bool" for one in found.values())
    for name, one in found.items():
        holes = 0 < one.missing < one.rows
        if one.missing == one.rows:
            _set_aside(out, name, "is empty")
        elif name in kinds:
            out.columns.append(_asked(source, one, *kinds[name], holes=holes))
        elif is_text(one):
            texts = sorted(one.values or ())
            known = one.rows - one.missing
            if known > one.numbers >= known / 2:
                _refuse_changed(source, one)
            if one.values is None or len(texts) > levels or (len(texts) == known > NAMES_OF_ROWS):
                many = f"more than {MOST_LEVELS:,}" if one.values is None else f"{len(texts):,}"
                said = _looks_like(texts)
                _set_aside(
                    out, name, f"holds {said or f'{many} texts in {known:,} rows'}", f"kinds={name}:category keeps it"
                )
            elif len(texts) == 1:
                _set_aside(out, name, f"is {shown(texts[0])[:40]!r} in all rows")
            else:
                kind: Kind = "binary" if len(texts) == 2 else "category"
                if said := _looks_like(texts):
                    out.notes.append(f"column {shown(name)!r} holds {said} (it is taken for {len(texts):,} words).")
                out.columns.append(Column(name=name, kind=kind, levels=tuple(texts), holes=holes))
        elif one.type == "bool":
            out.columns.append(Column(name=name, kind="binary", levels=("false", "true"), holes=holes))
        elif is_time(one):
            out.columns.append(Column(name=name, kind="date", holes=holes))
        else:
            _refuse_beyond_floats(source, one)
            # of a table of numbers alone nothing is made that was not asked for
            zeros_and_ones = is_mixed and one.values is not None and set(one.values) == {0, 1}
            binary: dict[str, Any] = {"kind": "binary", "levels": ("0", "1")} if zeros_and_ones else {}
            out.columns.append(Column(name=name, holes=holes, **binary))
            out.notes += notes_of_codes(repr(shown(name)), one.codes, *one.inner)
    if not out.columns:
        raise DataError(
            f"{source.what} has no column to learn from: {'; '.join(out.notes) or 'give it numbers or words'}"
        )
    return out


def _looks_like(texts: Sequence[str]) -> str:
    """What words are that would be dates or numbers, were they written otherwise; '' of others."""
    for pattern, said in LOOKS.items():
        if len(texts) > 2 and sum(bool(re.fullmatch(pattern, text)) for text in texts) > 0.9 * len(texts):
            return said
    return ""


def _refuse_changed(source: Source, one: Found) -> None:
    """Raises DataError that names the first word in a column of numbers."""
    pc, row = arrow("compute"), 0
    for batch in source.batches():
        column = batch.column(one.name)
        words = pc.fill_null(pc.invert(pc.match_substring_regex(column, NUMBER)), False).to_numpy(zero_copy_only=False)
        if words.any():
            place = int(words.argmax())
            text = str(column[place].as_py())
            raise DataError(
                f"{source.what}, {source.place(row + place)}, column {shown(one.name)!r}: {text[:40]!r} is no number, "
                f"and {one.numbers:,} of the others are: correct it, let it stand for a missing value "
                f"(missing={text[:40]}), or take them all for words (kinds={one.name}:category)."
            )
        row += len(words)


def _set_aside(out: Understood, name: str, reason: str, remedy: str = "") -> None:
    out.aside.append(name)
    out.notes.append(f"column {shown(name)!r} {reason}: set aside{f' ({remedy})' if remedy else ''}.")


def _refuse_beyond_floats(source: Source, one: Found) -> None:
    if ("int" in one.type or "decimal" in one.type) and max(-one.low, one.high) > WHOLE:
        raise DataError(
            f"{source.what}, column {shown(one.name)!r} holds whole numbers beyond 2⁵³, which no float tells apart: "
            f"leave it out (drop={one.name}), or take them for names (kinds={one.name}:category)."
        )


def _asked(source: Source, one: Found, kind: Kind, order: tuple[str, ...], holes: bool) -> Column:
    where = f"{source.what}, column {shown(one.name)!r}"
    if kind in ("number", "count") and is_text(one):
        odd = next((text for text in one.values or () if not _is_number(text)), "")
        raise DataError(
            f"{where} is to be a {kind}, and holds {shown(str(odd))[:40]!r}: correct it, or set missing={odd}."
        )
    if kind == "count" and not (one.whole and one.low >= 0 and not is_time(one)):
        raise DataError(f"{where} is to be a count, and holds {one.low:g}: counts are whole numbers from 0 on.")
    if kind == "date" and not is_time(one):
        raise DataError(
            f"{where} is to be a date, and holds {one.type}: write dates as 2026-01-31 or 2026-01-31T12:30:00."
        )
    if kind not in LEVELLED:
        if kind == "number":
            _refuse_beyond_floats(source, one)
        return Column(name=one.name, kind=kind, holes=holes)
    if one.values is None:
        raise DataError(f"{where} has more than {MOST_LEVELS:,} levels: leave it out (drop={one.name}).")
    levels = order or level_names(one)
    if kind == "ordinal" and not order and is_text(one):
        raise UsageError(
            f"{where}: the order of its levels must be said, such as "
            f"kinds={one.name}:ordinal:{'<'.join(map(str, levels[:4]))}."
        )
    unknown = sorted(set(level_names(one)) - set(levels))
    if unknown:
        raise DataError(f"{where} holds {unknown[0]!r}, which is none of the levels given: {', '.join(levels[:10])}.")
    if kind == "binary" and len(levels) != 2:
        raise DataError(f"{where} is to be binary, and has {len(levels)} levels: make it a category.")
    if kind == "ordinal" and len(levels) < 2:
        raise DataError(f"{where} has one level: leave it out (drop={one.name}).")
    return Column(name=one.name, kind=kind, levels=levels, holes=holes)


def level_names(one: Found) -> tuple[str, ...]:
    """The values of a column as texts, in order."""
    return tuple(level_name(value) for value in sorted(one.values or ()))


def level_name(value: Any) -> str:
    """A value as the name of a level: whole numbers are written alike, whatever type a hole made of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def notes_of_codes(name: str, codes: Mapping[float, int], low: float, high: float) -> list[str]:
    """What to tell of a number in several rows, as far from all others as those reach, ``low`` to ``high``."""
    for code, count in codes.items():
        if code in CODES and count > 1 and max(low - code, code - high) > max(high - low, 1.0):
            return [
                f"column {name} is {code:g} in {count:,} rows, far from all else: if that stands for a missing value, "
                f"say so (missing={code:g})."
            ]
    return []
