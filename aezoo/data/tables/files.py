"""Tables in Arrow's own formats: Parquet, Arrow, Feather, and folders of Parquet; read a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aezoo.data.tables.source import Source, arrow, spread
from aezoo.errors import DataError

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
# values of a batch
VALUES = 1 << 22


def parquet(path: Path) -> Source:
    """A Parquet file, or a folder of them in the order of their names, which have the same columns."""
    pq = arrow("parquet", "Parquet is")
    files = sorted(p for p in path.rglob("*") if p.suffix in PARQUET) if path.is_dir() else [path]
    first: Any = None
    for file in files:
        schema = _of(file, lambda file=file: pq.ParquetFile(file).schema_arrow)
        first = schema if first is None else first
        if schema.names != first.names:
            odd = sorted(set(schema.names) ^ set(first.names)) or [*schema.names]
            raise DataError(
                f"{file} has other columns than {files[0].name}, such as {odd[0]!r}: give one kind of table."
            )

    def batches() -> Iterator[Any]:
        for file in files:
            opened = _of(file, lambda file=file: pq.ParquetFile(file, memory_map=True))
            found = opened.iter_batches(max(1024, min(65_536, VALUES // max(1, len(first.names)))))
            while (batch := _of(file, lambda found=found: next(found, None))) is not None:
                yield spread(batch, str(path))

    empty = spread(first.empty_table(), str(path))
    state = "\0".join(f"{file.absolute()} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)
    return Source(str(path), empty.schema, batches, stamp=state)


def ipc(path: Path) -> Source:
    """An Arrow or Feather file, mapped into memory."""
    pa = arrow("", "Arrow files are")
    ipc_module = arrow("ipc")

    def opened() -> Any:
        return ipc_module.open_file(pa.memory_map(str(path)))

    schema = _of(path, lambda: opened().schema)

    def batches() -> Iterator[Any]:
        reader = _of(path, opened)
        for number in range(reader.num_record_batches):
            yield spread(_of(path, lambda number=number: reader.get_batch(number)), str(path))

    return Source(str(path), spread(schema.empty_table(), str(path)).schema, batches)


def _of(path: Path, read: Any) -> Any:
    pa = arrow()
    try:
        return read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({error}): it is cut short or damaged; fetch or write it again."
        ) from None


def frame(x: Any, what: str) -> Source:
    """A data frame or Arrow table in memory (anything with Arrow's stream interface)."""
    pa = arrow("", f"{type(x).__module__.partition('.')[0]}'s data frames are")
    from aezoo.data.tables.source import source_of

    try:
        table = x if isinstance(x, pa.Table) else pa.table(x)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"{what}: a {type(x).__name__} cannot be read as a table ({error}): give each column values of one type."
        ) from None
    return source_of(table, what)


def is_frame(x: Any) -> bool:
    """Whether ``x`` is a table in memory."""
    return hasattr(x, "__arrow_c_stream__") and not hasattr(x, "__array_interface__")


__all__: Sequence[str] = ("ARROW", "PARQUET", "frame", "ipc", "is_frame", "parquet")
