"""NumPy's files: .npy, which stays on disk, and .npz."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import LABELS, ByteStream, NDArray, at_most, data_among, reading, refuse_huge
from aezoo.data.infer import Layout, from_arrays
from aezoo.errors import DataError

# what NumPy writes; Python unpacks other kinds without a bound
PLAIN_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# more than any header of data needs: a text this long takes a hundred times its size to read
MOST_NPY_HEADER = 10_000
MOST_DIRECTORY = 4 << 20


def npy(path: str | Path, layout: Layout = "auto", holes: bool = False) -> Dataset:
    """The rows of a .npy file, which stay on disk; raises DataError for a file that is missing, broken or pickled."""
    path = Path(path)
    with reading(path, "a .npy array"):
        return from_arrays(mapped_npy(path), name=path.stem, layout=layout, holes=holes)


def npz(path: str | Path, layout: Layout = "auto", holes: bool = False) -> Dataset:
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
            return from_arrays(np.concatenate([train, test]), labels, path.stem, own, layout, holes)
        x = train if train is not None else first(data_among(members, path, ", or x_train and x_test"))
        return from_arrays(x, first(*LABELS, "y_train"), path.stem, layout=layout, holes=holes)


def mapped_npy(path: Path) -> NDArray:
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
        content = at_most(file, size + 1)
    if len(content) != size:
        raise DataError(f"{path}: array {info.filename!r} announces {size} bytes and holds others: make it again.")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
