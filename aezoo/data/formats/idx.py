"""IDX files, MNIST's own format, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np

from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import NDArray, at_most, exactly, reading, refuse_huge
from aezoo.data.infer import from_arrays
from aezoo.errors import DataError

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def idx(path: str | Path, labels: str | Path | None = None) -> Dataset:
    """The rows of an IDX file, gzipped or not, and labels from another; raises DataError for broken files."""
    path = Path(path)
    rows = read_idx(path)
    with reading(path, "an IDX file"):
        return from_arrays(rows, None if labels is None else read_idx(Path(labels)), path.name.split(".")[0])


def read_idx(path: Path) -> NDArray:
    """The array of an IDX file, its header checked against the file's length before anything is allocated."""
    with reading(path, "an IDX file"):
        zipped = path.name.lower().endswith(".gz")
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            zeros, code, axes = struct.unpack(">HBB", exactly(file, 4, path))
            if zeros != 0 or code not in IDX_TYPES or axes == 0:
                raise DataError(f"{path} does not begin as an IDX file does: give one, or another kind of file.")
            shape = struct.unpack(f">{axes}I", exactly(file, 4 * axes, path))
            dtype = np.dtype(IDX_TYPES[code])
            size, start = math.prod(shape) * dtype.itemsize, 4 + 4 * axes
            if size == 0:
                raise DataError(f"{path} has no rows: give it at least one.")
            if zipped:
                refuse_huge(path, size, path.stat().st_size)
                content = at_most(file, size + 1)
                held = len(content)
            else:
                held = path.stat().st_size - start
        if held != size:
            more = "more" if held > size else f"{held}"
            raise DataError(f"{path} announces {size} bytes of values and holds {more}: fetch it again.")
        if zipped:
            return np.frombuffer(content, dtype).reshape(shape)
        return np.memmap(path, dtype, "r", start, shape)
