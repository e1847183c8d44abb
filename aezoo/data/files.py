"""Readers of data files. Whatever is wrong with a file ends as one DataError that names it; nothing is unpickled."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import struct
import warnings
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import torch
from safetensors import safe_open

from aezoo.data.dataset import Dataset
from aezoo.data.infer import from_arrays
from aezoo.data.table import read_table
from aezoo.errors import DataError, ZooError
from aezoo.pages import Array, bfloat16, physical_memory
from aezoo.rows import check_finite

NDArray: TypeAlias = np.ndarray[Any, Any]
ByteStream: TypeAlias = IO[bytes] | io.BufferedIOBase
IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
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
LABELS = ("y", "Y", "labels")
BLOCK = 1 << 22


def npy(path: str | Path) -> Dataset:
    """The rows of a .npy file, which stay on disk; raises DataError for a file that is missing, broken or pickled."""
    path = Path(path)
    with reading(path, "a .npy array"):
        with path.open("rb") as file:
            shape, _, dtype = _npy_header(file, path)
        if math.prod(shape) * dtype.itemsize == 0:
            raise DataError(f"{path} has no rows: give it at least one.")
        return from_arrays(np.load(path, mmap_mode="r", allow_pickle=False), name=path.stem)


def npz(path: str | Path) -> Dataset:
    """The array x (or X, data, or the only one) of a .npz file, and its labels y (or Y, labels) where it has them.

    With x_train and x_test (and y_train, y_test) the test rows are the file's own. Raises DataError for a file that
    is missing, broken, pickled, or holds other names.
    """
    path = Path(path)
    with reading(path, "a .npz archive"), zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

        def first(*names: str) -> NDArray | None:
            found = next((members[name] for name in names if name in members), None)
            return None if found is None else _npz_member(archive, found, path)

        train, test = first("x_train", "X_train"), first("x_test", "X_test")
        if train is not None and test is not None:
            y, y_test = first("y_train", "Y_train"), first("y_test", "Y_test")
            labels = None if y is None or y_test is None else np.concatenate([y, y_test])
            own = np.arange(len(train), len(train) + len(test))
            return from_arrays(np.concatenate([train, test]), labels, path.stem, own)
        x = train if train is not None else first(_data_among(members, path, ", or x_train and x_test"))
        return from_arrays(x, first(*LABELS, "y_train"), path.stem)


def safetensors(path: str | Path) -> Dataset:
    """The tensor x (or X, data, or the only one) of a .safetensors file, which stays on disk, and its labels y.

    Labels may be named Y or labels too. Values of bfloat16 stay what they are. Raises DataError for a file that is
    missing, broken, or holds other names or types.
    """
    path = Path(path)
    with reading(path, "a .safetensors file"):
        # checks that the header is well-formed and fits the file
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
        with path.open("rb") as raw:
            (length,) = struct.unpack("<Q", _exactly(raw, 8, path))
            header = json.loads(_exactly(raw, length, path))

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

        x = tensor(_data_among(names, path))
        labels = next((tensor(name) for name in LABELS if name in names), None)
        if isinstance(labels, torch.Tensor):
            labels = labels.float()
        return from_arrays(x, labels, path.stem)


def _data_among(names: Collection[str], path: Path, further: str = "") -> str:
    """Which of the named arrays of a file is the data: x, X, data, or the only one that is not labels."""
    others = [name for name in names if name not in LABELS]
    found = next((name for name in ("x", "X", "data") if name in names), others[0] if len(others) == 1 else None)
    if found is None:
        held = ", ".join(map(repr, list(names)[:10])) or "nothing"
        raise DataError(f"{path} holds {held}: name the data x and its labels y{further}.")
    return found


def csv(
    path: str | Path, label: str | int | None = None, delimiter: str | None = None, header: bool | None = None
) -> Dataset:
    """The numbers of a text table as (N, D) float64, and the column ``label`` (a name or an index) as labels.

    ``delimiter`` is a comma, or else a semicolon or tab where line 1 has one. Line 1 is a header when none of its
    cells is a number, when ``label`` is a name, or when ``header`` says so. Raises DataError that names line and column
    of a cell that is no number, or the line that has more or fewer cells than the first.
    """
    path = Path(path)
    with reading(path, "a table of numbers as UTF-8 text"):
        x, labels = read_table(path, label, delimiter, header)
        check_finite(x, str(path))
        return from_arrays(x, labels, path.stem)


def read_labels(path: str | Path) -> NDArray:
    """Labels (N,) of a .npy file, or of a text file with one a line; raises DataError."""
    path = Path(path)
    with reading(path, "labels"):
        if path.name.lower().endswith(("ubyte", ".idx", ".gz")):
            return read_idx(path)
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        lines = path.read_text(encoding="utf-8").split("\n")
        words = [line.strip() for line in lines if line.strip()]
        try:
            return np.array([int(word) for word in words])
        except ValueError:
            return np.array(words)


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
            zeros, code, axes = struct.unpack(">HBB", _exactly(file, 4, path))
            if zeros != 0 or code not in IDX_TYPES or axes == 0:
                raise DataError(f"{path} does not begin as an IDX file does: give one, or another kind of file.")
            shape = struct.unpack(f">{axes}I", _exactly(file, 4 * axes, path))
            dtype = np.dtype(IDX_TYPES[code])
            size, start = math.prod(shape) * dtype.itemsize, 4 + 4 * axes
            if size == 0:
                raise DataError(f"{path} has no rows: give it at least one.")
            if zipped:
                refuse_huge(path, size)
                content = _at_most(file, size + 1)
                held = len(content)
            else:
                held = path.stat().st_size - start
        if held != size:
            more = "more" if held > size else f"{held}"
            raise DataError(f"{path} announces {size} bytes of values and holds {more}: fetch it again.")
        if zipped:
            return np.frombuffer(content, dtype).reshape(shape)
        return np.memmap(path, dtype, "r", start, shape)


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turns whatever goes wrong with the file into a DataError that names it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ZooError:
        raise
    except FileNotFoundError:
        raise DataError(f"no file {str(path)!r}: check the path.") from None
    except MemoryError:
        raise DataError(f"{path} does not fit in memory: save it as .npy, which is read from disk.") from None
    # damaged bytes surface as almost any exception of zipfile, zlib, gzip, ast and numpy
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(
            f"{path} cannot be read as {kind} ({reason}): check that it is one, or make it again."
        ) from error


def refuse_huge(path: Path, size: int) -> None:
    """Raises DataError when ``size`` bytes cannot fit in this machine's memory, before trying."""
    memory = physical_memory()
    if size > memory:
        raise DataError(
            f"{path} unpacks to {size / 2**30:.1f} GiB and this machine has {memory / 2**30:.1f} GiB: "
            "save it as .npy, which is read from disk."
        )


def _npy_header(file: ByteStream, path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise DataError(f"{path} holds pickled Python objects, which are never loaded: save it as numbers.")
    if any(length < 0 for length in shape):
        raise ValueError(f"negative shape {shape}")
    return shape, fortran, dtype


def _npz_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray:
    """One array, read without trusting its header: no more is allocated than the archive really holds."""
    with archive.open(info) as file:
        shape, fortran, dtype = _npy_header(file, path)
        size = math.prod(shape) * dtype.itemsize
        refuse_huge(path, size)
        content = _at_most(file, size + 1)
    if len(content) != size:
        raise DataError(f"{path}: array {info.filename!r} announces {size} bytes and holds others: make it again.")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _exactly(file: ByteStream, size: int, path: Path) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise DataError(f"{path} ends within its header: fetch it again.")
    return content


def _at_most(file: ByteStream, size: int) -> bytearray:
    content = bytearray()
    while len(content) < size and (block := file.read(min(BLOCK, size - len(content)))):
        content += block
    return content
