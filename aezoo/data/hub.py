"""Data sets of the library ``datasets``: in memory, saved to a folder, by name, or read as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aezoo.core.extras import extra
from aezoo.core.spec import DataSpec
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import reading
from aezoo.data.tables.build import dataset_of
from aezoo.data.tables.read import choices_of
from aezoo.data.tables.source import arrow, source_of
from aezoo.errors import DataError, UsageError

PREFIX = "hf:"
SAVED = ("dataset_dict.json", "state.json")
BATCH = 1000


def is_hub(x: Any) -> bool:
    """Whether ``x`` is one of the library's data sets."""
    return type(x).__module__.partition(".")[0] == "datasets" and (hasattr(x, "features") or hasattr(x, "column_names"))


def is_saved(path: Path) -> bool:
    """Whether a folder holds a data set that the library has saved."""
    return any((path / name).is_file() for name in SAVED)


def saved(path: str | Path, like: DataSpec | None = None, **said: Any) -> Dataset:
    """A folder that ``save_to_disk`` wrote."""
    path = Path(path)
    with reading(path, "a data set of the library datasets"):
        found = extra("datasets", "datasets", "such folders are").load_from_disk(str(path))
        return of_hub(found, path.resolve().name, like, **said)


def named(
    name: str, like: DataSpec | None = None, *, config: str | None = None, stream: bool = False, **said: Any
) -> Dataset:
    """A data set of the hub, by its name there, or a local folder that the library reads."""
    library = extra("datasets", "datasets", "data sets by hf:NAME are")
    try:
        found = library.load_dataset(name, config, streaming=stream)
    except Exception as error:
        raise DataError(f"{PREFIX}{name} cannot be loaded ({type(error).__name__}: {error}): check the name.") from None
    return of_hub(found, name.rpartition("/")[2], like, **said)


def of_hub(
    x: Any,
    name: str = "data",
    like: DataSpec | None = None,
    *,
    split: str | None = None,
    rows: int | None = None,
    size: tuple[int, ...] = (),
    **said: Any,
) -> Dataset:
    """A data set of images, or a table; a column of classes is the label, and a split called test is measured on.

    Raises:
        UsageError: a split that is not there.
        DataError: rows that are no table and no images.
    """
    datasets = extra("datasets", "datasets", "such data sets are")
    test: Any = None
    if hasattr(x, "keys"):
        if split is not None and split not in x:
            raise UsageError(f"the data set {name!r} has no split {split!r}: its splits are {', '.join(x)}.")
        parts = [split] if split is not None else [part for part in ("train", "test") if part in x] or list(x)[:1]
        tables = [_table(datasets, x[part], rows) for part in parts]
        features = x[parts[0]].features
        if len(tables) == 2:
            test = np.arange(len(tables[0]), len(tables[0]) + len(tables[1]))
        table = arrow().concat_tables(tables)
    else:
        table, features = _table(datasets, x, rows), x.features
    features = features or {}
    classes = [key for key, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    images = [key for key, kind in features.items() if isinstance(kind, datasets.Image)]
    label = said.get("label") or (classes[0] if len(classes) == 1 else None)
    if images:
        dataset = _images(table, images[0], label, features, name, size, like)
    else:
        dataset = dataset_of(source_of(table, name), name, choices_of({**said, "label": label}), like)
    if label in classes and dataset.labels is not None:
        names = features[label].names
        known = dataset.label_names
        texts = [names[int(known[n]) if known else int(n)] for n in dataset.labels]
        notes = dataset.notes
        dataset = Dataset(dataset.x, texts, spec=dataset.spec)
        dataset.notes += notes
    if test is not None:
        dataset.test = test
    return dataset


def _table(datasets: Any, x: Any, rows: int | None) -> Any:
    """All rows as an Arrow table, images as their bytes; of a stream those that are asked for."""
    for key, kind in (x.features or {}).items():
        if isinstance(kind, datasets.Image):
            x = x.cast_column(key, datasets.Image(decode=False))
    if hasattr(x, "__len__"):
        return (x if rows is None else x.select(range(min(rows, len(x))))).with_format("arrow")[:]
    x = x if rows is None else x.take(rows)
    parts = list(x.with_format("arrow").iter(BATCH))
    if not parts:
        raise DataError("a stream without rows: give one with some.")
    return arrow().concat_tables(parts)


class _Cells:
    """The images in a column, as files have them."""

    def __init__(self, what: str, cells: list[Any], labels: list[Any] | None) -> None:
        self.what = what
        self.names = [f"row {place}" for place in range(len(cells))]
        self.labels = {} if labels is None else {f"row {place}": str(label) for place, label in enumerate(labels)}
        self.notes: list[str] = []
        self._cells = dict(zip(self.names, cells, strict=True))

    def content(self, name: str) -> Any:
        cell = self._cells[name]
        if cell is None:
            raise ValueError("there is none")
        return cell["bytes"] if cell["bytes"] is not None else Path(cell["path"])

    def stamp(self) -> Iterator[str]:
        for name in self.names:
            content = self.content(name)
            yield f"{name} {content if isinstance(content, Path) else hash(content)}"


def _images(
    table: Any, column: str, label: str | None, features: Any, name: str, size: tuple[int, ...], like: DataSpec | None
) -> Dataset:
    from aezoo.data.images.read import images_of

    labels = None if label is None else table.column(label).to_pylist()
    return images_of(_Cells(name, table.column(column).to_pylist(), labels), name, size, like=like)
