"""A .safetensors file of rows and labels, which stays on disk."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from aezoo.core.mapped import Array, bfloat16
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import LABELS, data_among, exactly, reading
from aezoo.data.infer import Layout, from_arrays
from aezoo.errors import DataError

SAFETENSORS_TYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "<i2",
    "U16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "I64": "<i8",
    "U64": "<u8",
    "F16": "<f2",
    "BF16": "<i2",
    "F32": "<f4",
    "F64": "<f8",
}
MOST_HEADER = 8 << 20


def safetensors(path: str | Path, layout: Layout = "auto", holes: bool = False) -> Dataset:
    """The tensor x (or X, data, or the only one) of a .safetensors file, which stays on disk, and its labels y.

    Labels may be named Y or labels too. Values of bfloat16 stay what they are. Raises DataError for a file that is
    missing, broken, or holds other names or types.
    """
    path = Path(path)
    with reading(path, "a .safetensors file"):
        with path.open("rb") as raw:
            (length,) = struct.unpack("<Q", exactly(raw, 8, path))
        if length > MOST_HEADER:
            raise DataError(f"{path} announces a header of {length} bytes, as no data have: make it again.")
        # checks that the header is well-formed and fits the file
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
        with path.open("rb") as raw:
            raw.seek(8)
            header = json.loads(exactly(raw, length, path))

        def tensor(name: str) -> Array:
            entry = header[name]
            dtype = SAFETENSORS_TYPES.get(entry["dtype"])
            if dtype is None:
                raise DataError(
                    f"{path}: tensor {name!r} is of type {entry['dtype']}: give it real numbers, such as F32 or BF16."
                )
            if math.prod(entry["shape"]) == 0:
                raise DataError(f"{path}: tensor {name!r} has no rows: give it at least one.")
            start = 8 + length + entry["data_offsets"][0]
            values = np.memmap(path, dtype, "c" if entry["dtype"] == "BF16" else "r", start, tuple(entry["shape"]))
            return bfloat16(values) if entry["dtype"] == "BF16" else values

        x = tensor(data_among(names, path))
        labels = next((tensor(name) for name in LABELS if name in names), None)
        if isinstance(labels, torch.Tensor):
            labels = labels.float()
        return from_arrays(x, labels, path.stem, layout=layout, holes=holes)
