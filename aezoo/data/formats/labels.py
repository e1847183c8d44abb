"""Labels that stand in a file of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aezoo.data.formats.arrays import mapped_npy
from aezoo.data.formats.guard import NDArray, reading
from aezoo.data.formats.idx import read_idx
from aezoo.errors import DataError

MOST_LABELS = 1 << 28


def read_labels(path: str | Path) -> NDArray | list[str]:
    """Labels (N,) of a .npy or IDX file, or of a text file with one a line; raises DataError."""
    path = Path(path)
    with reading(path, "labels"):
        if path.name.lower().endswith(("ubyte", ".idx", ".gz")):
            return read_idx(path)
        if path.suffix == ".npy":
            return np.asarray(mapped_npy(path))
        if path.stat().st_size > MOST_LABELS:
            raise DataError(f"{path} is too large for a text of labels: save them as .npy.")
        lines = path.read_text(encoding="utf-8").split("\n")
        words = [line.strip() for line in lines if line.strip()]
        try:
            return np.array([int(word) for word in words])
        except ValueError:
            return words
