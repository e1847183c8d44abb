"""The .ts files of the UCR and UEA archives of time series.

Shapes: N series, T steps, C channels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aezoo.core.spec import DataSpec
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import NDArray, reading
from aezoo.data.infer import from_arrays
from aezoo.errors import DataError


def ts(path: str | Path, like: DataSpec | None = None) -> Dataset:
    """Series (N, T, C) with their class, where the file has one.

    Series of unlike length, or with values missing (``?``), become a table of a column for each step and channel, whose
    last ones are missing where a series ends earlier. Raises DataError that names the line of what is no series.
    """
    path = Path(path)
    with reading(path, "a .ts file"):
        series, labels = _parsed(path)
        longest = max(one.shape[0] for one in series)
        if like is not None:
            longest = like.shape[0] if like.series else like.size // series[0].shape[1]
            if any(one.shape[0] > longest for one in series):
                raise DataError(f"{path} has series of more than the {longest} steps that the model learned.")
        rows = np.full((len(series), longest, series[0].shape[1]), np.nan)
        for place, one in enumerate(series):
            rows[place, : len(one)] = one
        if np.isnan(rows).any() or (like is not None and not like.series):
            flat = rows.reshape(len(rows), -1)
            if like is not None:
                return Dataset(flat, labels, spec=like.model_copy(update={"name": path.stem}))
            dataset = from_arrays(flat, labels, path.stem, holes=True)
            names = [
                f"step {t}" if rows.shape[2] == 1 else f"step {t}, channel {c}"
                for t in range(longest)
                for c in range(rows.shape[2])
            ]
            columns = tuple(
                column.model_copy(update={"name": name})
                for column, name in zip(dataset.spec.columns, names, strict=True)
            )
            dataset.spec = dataset.spec.model_copy(update={"columns": columns})
            dataset.notes.append(
                f"{path.stem} has series of unlike length or with holes: a table, where those values are missing."
            )
            return dataset
        return from_arrays(rows, labels, path.stem, layout="series")


def _parsed(path: Path) -> tuple[list[NDArray], list[str] | None]:
    series: list[NDArray] = []
    labels: list[str] = []
    classes, stamped, begun = False, False, False
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if not begun:
            key, _, value = line.lower().partition(" ")
            classes = value.split()[:1] == ["true"] if key == "@classlabel" else classes
            stamped = value == "true" if key == "@timestamps" else stamped
            begun = key == "@data"
            continue
        if stamped:
            raise DataError(f"{path} has time stamps for each value, which are not read: write it without.")
        parts = line.split(":")
        if classes:
            labels.append(parts.pop().strip())
        try:
            channels = [[np.nan if cell.strip() == "?" else float(cell) for cell in part.split(",")] for part in parts]
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}: give numbers, separated by commas.") from None
        if len({len(channel) for channel in channels}) != 1 or (series and series[0].shape[1] != len(channels)):
            raise DataError(f"{path}, line {number}: its channels are not as many, or not as long, as those of others.")
        series.append(np.array(channels).T)
    if not series:
        raise DataError(f"{path} has no series after @data: fetch it again.")
    return series, labels if classes else None
