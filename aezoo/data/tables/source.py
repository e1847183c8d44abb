"""Where the rows of a table come from: record batches, one in memory at a time, as often as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from aezoo.core.extras import extra
from aezoo.data.formats.guard import refuse_double
from aezoo.errors import DataError


def arrow(name: str = "", what: str = "words, dates and missing cells are") -> Any:
    """A module of pyarrow; raises DataError that says how to install it."""
    return extra(f"pyarrow.{name}" if name else "pyarrow", "tables", what)


class Source:
    """A table: its columns by name, and its rows in batches.

    Args:
        what: the file, for messages.
        schema: a ``pyarrow.Schema``, flat and with names that differ.
        batches: gives the record batches, anew each time.
        place: says where a row is, counted from 0, in the words of the file.
        stamp: what its rows follow from, of files that can be read again; else ''.
    """

    def __init__(
        self,
        what: str,
        schema: Any,
        batches: Callable[[], Iterator[Any]],
        place: Callable[[int], str] = "row {} (counted from 0)".format,
        stamp: str = "",
    ) -> None:
        self.what, self.schema, self.batches, self.place, self.stamp = what, schema, batches, place, stamp
        self.names: list[str] = list(schema.names)
        refuse_double(what, self.names)


def source_of(table: Any, what: str, **more: Any) -> Source:
    """The source of a ``pyarrow.Table`` in memory, its structs and lists of fixed size spread over columns."""
    flat = spread(table, what)
    return Source(what, flat.schema, lambda: iter(flat.to_batches()), **more)


def spread(table: Any, what: str) -> Any:
    """A table or record batch whose structs and lists of fixed size are columns of their own; rows stay in place."""
    pa, pc = arrow(), arrow("compute")
    names: list[str] = []
    columns: list[Any] = []

    def add(name: str, column: Any) -> None:
        kind = column.type
        if pa.types.is_struct(kind):
            for i in range(kind.num_fields):
                add(f"{name}.{kind.field(i).name}", pc.struct_field(column, [i]))
        elif pa.types.is_fixed_size_list(kind):
            # flatten() leaves null rows out, so that all values after them would move up
            for i in range(kind.list_size):
                add(f"{name}[{i}]", pc.list_element(column, i))
        else:
            names.append(name)
            columns.append(column)

    for name, column in zip(table.schema.names, table.columns, strict=True):
        add(name, column)
    if len(names) == len(table.schema.names):
        return table
    made = pa.table if isinstance(table, pa.Table) else pa.record_batch
    if not columns:
        raise DataError(f"{what} has no columns: give it some.")
    return made(columns, names=names)
