"""Readers of data files. Whatever is wrong with a file ends as one DataError that names it; nothing is unpickled."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import stat
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
# what NumPy writes; Python unpacks other kinds without a bound
PLAIN_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# more than any header of data needs: a text this long takes a hundred times its size to read
MOST_NPY_HEADER = 10_000
MOST_HEADER = 8 << 20
MOST_DIRECTORY = 4 << 20
MOST_LABELS = 1 << 28
# packed data that grow so much beyond so many bytes were made to fill a memory
GROWTH, HARMLESS = 200, 256 << 20


def npy(path: str | Path) -> Dataset:
    """The rows of a .npy file, which stay on disk; raises DataError for a file that is missing, broken or pickled."""
    path = Path(path)
    with reading(path, "a .npy array"):
        return from_arrays(_mapped_npy(path), name=path.stem)


def npz(path: str | Path) -> Dataset:
    """The array x (or X, data, or the only one) of a .npz file, and its labels y (or Y, labels) where it has them.

    With x_train and x_test (and y_train, y_test) the test rows are the file's own. Raises DataError for a file that
    is missing, broken, pickled, or holds other names.
    """
    path = Path(path)
    with reading(path, "a .npz archive"), _opened_zip(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        held = 0

        def first(*names: str) -> NDArray | None:
            nonlocal held
            found = next((members[name] for name in names if name in members), None)
            array = None if found is None else _npz_member(archive, found, path, held)
            held += 0 if array is None else array.nbytes
            return array

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
        with path.open("rb") as raw:
            (length,) = struct.unpack("<Q", _exactly(raw, 8, path))
        if length > MOST_HEADER:
            raise DataError(f"{path} announces a header of {length} bytes, as no data have: make it again.")
        # checks that the header is well-formed and fits the file
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
        with path.open("rb") as raw:
            raw.seek(8)
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


def read_labels(path: str | Path) -> NDArray | list[str]:
    """Labels (N,) of a .npy or IDX file, or of a text file with one a line; raises DataError."""
    path = Path(path)
    with reading(path, "labels"):
        if path.name.lower().endswith(("ubyte", ".idx", ".gz")):
            return read_idx(path)
        if path.suffix == ".npy":
            return np.asarray(_mapped_npy(path))
        if path.stat().st_size > MOST_LABELS:
            raise DataError(f"{path} is too large for a text of labels: save them as .npy.")
        lines = path.read_text(encoding="utf-8").split("\n")
        words = [line.strip() for line in lines if line.strip()]
        try:
            return np.array([int(word) for word in words])
        except ValueError:
            return words


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
                refuse_huge(path, size, path.stat().st_size)
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
        _refuse_special(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ZooError:
        raise
    except FileNotFoundError:
        raise DataError(f"no file {str(path)!r}: check the path.") from None
    except MemoryError:
        raise DataError(f"{path} does not fit in memory: save it as .npy, which is read from disk.") from None
    except RecursionError:
        raise DataError(f"{path} cannot be read as {kind} (values within values without end): make it again.") from None
    # damaged bytes surface as almost any exception of zipfile, zlib, gzip, ast and numpy
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(
            f"{path} cannot be read as {kind} ({reason}): check that it is one, or make it again."
        ) from error


def refuse_huge(path: Path, size: int, packed: int) -> None:
    """Raises DataError when ``size`` bytes, unpacked from ``packed``, are more than should be held, before trying."""
    memory = physical_memory()
    if size > memory // 4:
        raise DataError(
            f"{path} unpacks to {size / 2**30:.1f} GiB and this machine has {memory / 2**30:.1f} GiB, of which "
            "data may hold a quarter: save it as .npy, which is read from disk."
        )
    if size > HARMLESS and size > GROWTH * packed:
        raise DataError(
            f"{path} unpacks to {size / 2**20:.0f} MiB, {size // max(1, packed):,} times its size, as no data do: save "
            "it as .npy if that is meant."
        )


def _refuse_special(path: Path) -> None:
    """Refuses a pipe or a device, which may have no end, and no beginning either."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DataError(f"{path} is no file but a pipe or a device: save what comes out of it, and give that.")


def _mapped_npy(path: Path) -> NDArray:
    """The array of a .npy file, on disk."""
    with path.open("rb") as file:
        shape, fortran, dtype = _npy_header(file)
        start = file.tell()
    _refuse_objects(path, dtype)
    if math.prod(shape) * dtype.itemsize == 0:
        raise DataError(f"{path} has no rows: give it at least one.")
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


def _npy_header(file: ByteStream) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type; raises ValueError. No more is read than a header of numbers can take."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"version {version} of the format")
    width = 2 if version == (1, 0) else 4
    size = file.read(width)
    length = int.from_bytes(size, "little")
    if length > MOST_NPY_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header = io.BytesIO(size + file.read(length))
    read = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(header)
    except MemoryError:
        # of Python's parser, which says so of brackets within brackets
        raise ValueError("a header of values within values") from None
    if any(length < 0 for length in shape):
        raise ValueError(f"negative shape {shape}")
    return shape, fortran, dtype


def _refuse_objects(path: Path, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise DataError(f"{path} holds pickled Python objects, which are never loaded: save it as numbers.")


def _opened_zip(path: Path) -> zipfile.ZipFile:
    """An archive whose list of members is no longer than that of an archive of arrays: all of it is read at once."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 65557))
        tail = file.read()
    end = tail[tail.rfind(b"PK\5\6") :]
    if len(end) >= 22 and end.startswith(b"PK") and int.from_bytes(end[12:16], "little") > MOST_DIRECTORY:
        raise DataError(f"{path} lists too many members for an archive of arrays: make it again.")
    return zipfile.ZipFile(path)


def _npz_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, held: int) -> NDArray:
    """One array, read without trusting its header: no more is allocated than the archive really holds.

    ``held`` bytes of other arrays are in memory already.
    """
    if info.compress_type not in PLAIN_ZIP:
        raise DataError(
            f"{path}: array {info.filename!r} is packed in a way that NumPy does not: use numpy.savez_compressed."
        )
    with archive.open(info) as file:
        shape, fortran, dtype = _npy_header(file)
        _refuse_objects(path, dtype)
        size = math.prod(shape) * dtype.itemsize
        refuse_huge(path, size + held, path.stat().st_size)
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
