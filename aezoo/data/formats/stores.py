"""Arrays in files of many arrays: HDF5, Zarr, NetCDF and MATLAB; read chunk by chunk.

Shapes: N rows, *X one datum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aezoo.core.extras import extra
from aezoo.core.mapped import HELD_BYTES
from aezoo.core.progress import Progress
from aezoo.core.spec import DataSpec
from aezoo.data.cache import kept
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import LABELS, NDArray, data_among, reading
from aezoo.data.infer import Layout, from_arrays
from aezoo.errors import DataError, near_misses
from aezoo.errors import one_line as shown

BLOCK = 64 << 20


class Stored:
    """An array in a file: its shape and type, and its rows a few at a time.

    Args:
        array: with ``shape``, ``dtype`` and slices of rows.
        chunk: how many rows lie together.
        turned: whether the file's axes run the other way round, so that rows are its last one.
        decode: what makes numbers of the values that are stored.
    """

    def __init__(
        self, array: Any, chunk: int = 1, turned: bool = False, decode: Callable[[Any], NDArray] = np.asarray
    ) -> None:
        self.array, self.chunk, self.turned, self._decode = array, max(1, chunk), turned, decode
        self.shape = tuple(array.shape[::-1] if turned else array.shape)

    def blocks(self) -> Iterator[NDArray]:
        """The rows in order, as many at once as lie together and fit in 64 MiB."""
        rows = self.shape[0]
        size = max(1, int(np.prod(self.shape[1:]))) * 8
        step = (
            max(self.chunk, BLOCK // size // self.chunk * self.chunk)
            if size * self.chunk <= BLOCK
            else max(1, BLOCK // size)
        )
        for start in range(0, rows, step):
            part = self.array[..., start : start + step] if self.turned else self.array[start : start + step]
            values = self._decode(part)
            yield np.ascontiguousarray(values.transpose()) if self.turned else values

    def read(self, path: Path) -> NDArray:
        """All of it, in memory, or mapped from a file of the user's cache."""
        first = next(self.blocks(), None)
        if first is None:
            raise DataError(f"{path} has no rows: give it at least one.")
        if first.dtype.kind not in "buif":
            raise DataError(f"{path} holds {first.dtype}, no numbers: name another array (key=…).")
        size = first.dtype.itemsize * int(np.prod(self.shape))

        def fill(out: NDArray) -> None:
            progress, place = Progress(), 0
            with progress.of(1, self.shape[0], "reading"):
                for block in self.blocks():
                    out[place : place + len(block)] = block
                    place += len(block)
                    progress.advance(len(block))

        if size <= HELD_BYTES:
            out = np.empty(self.shape, first.dtype)
            fill(out)
            return out
        state = path.stat()
        return kept(
            f"{path.absolute()} {state.st_size} {state.st_mtime_ns} {self.shape}", self.shape, first.dtype, fill
        )


def stored(
    path: str | Path,
    key: str | None = None,
    layout: Layout = "auto",
    holes: bool = False,
    like: DataSpec | None = None,
) -> Dataset:
    """The array ``key`` (else x, X, data, or the only one) of an HDF5, Zarr, NetCDF or MATLAB file, with its labels.

    Raises:
        DataError: the file is missing, broken, or holds no such array.
    """
    path = Path(path)
    with reading(path, "a file of arrays"):
        held = _opened(path)
        if key is None:
            key = data_among(held, path, ", or name one (key=…)")
        elif key not in held:
            raise DataError(f"{path} holds no array {key!r}{near_misses(key, list(held))}")
        x = held[key].read(path)
        labels = next((held[name] for name in LABELS if name in held and name != key), None)
        y = None if labels is None else labels.read(path)
        if y is not None and y.ndim == 2 and 1 in y.shape:
            # MATLAB has no vectors
            y = y.reshape(-1)
        return from_arrays(x, y, path.name.split(".")[0], layout=layout, holes=holes)


def _opened(path: Path) -> Mapping[str, Stored]:
    end = path.suffix.lower()
    if end == ".mat":
        return _matlab(path)
    if end == ".zarr" or path.is_dir():
        return _zarr(path)
    if end in (".nc", ".nc4", ".cdf"):
        return _netcdf(path)
    return _hdf5(path, turned=False)


def _hdf5(path: Path, turned: bool) -> dict[str, Stored]:
    h5py = extra("h5py", "arrays", "HDF5 files are")
    file = h5py.File(path, "r")
    found: dict[str, Stored] = {}

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim and item.dtype.kind in "buif" and item.size:
            if item.external or item.is_virtual:
                raise DataError(
                    f"{path}, array {shown(name)!r} lies in other files, which are not opened: copy it into one."
                )
            chunks = item.chunks[-1 if turned else 0] if item.chunks else 1
            found[name] = Stored(item, chunks, turned)

    # links to other files are not followed
    file.visititems(add)
    return found


def _matlab(path: Path) -> dict[str, Stored]:
    with path.open("rb") as file:
        head = file.read(128)
    if head.startswith(b"\x89HDF") or b"MATLAB 7.3" in head:
        # columns are stored together there
        return _hdf5(path, turned=True)
    from scipy.io import loadmat, whosmat

    names = [name for name, shape, kind in whosmat(path) if kind in NUMERIC and len(shape) >= 2]
    arrays = loadmat(path, variable_names=names)
    found = {}
    for name in names:
        array = arrays[name]
        if hasattr(array, "toarray"):
            array = array.toarray()
        found[name] = Stored(np.asarray(array))
    return found


NUMERIC = (
    *("double", "single", "logical", "sparse"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)


def _zarr(path: Path) -> dict[str, Stored]:
    zarr = extra("zarr", "arrays", "Zarr stores are")
    root = zarr.open(str(path), mode="r")
    if isinstance(root, zarr.Array):
        return {path.stem: Stored(root, root.chunks[0])}
    found = {}
    for name, item in root.members(max_depth=None):
        if isinstance(item, zarr.Array) and item.ndim and item.dtype.kind in "buif" and item.size:
            found[name] = Stored(item, item.chunks[0])
    return found


def _netcdf(path: Path) -> dict[str, Stored]:
    netcdf = extra("netCDF4", "arrays", "NetCDF files are")
    file = netcdf.Dataset(path)

    def numbers(values: Any) -> NDArray:
        # masked values are missing ones, which no number stands for
        return (
            np.ma.filled(values.astype(np.float64), np.nan)
            if np.ma.isMaskedArray(values) and values.mask.any()
            else np.ma.getdata(values)
        )

    coordinates = set(file.dimensions)
    return {
        name: Stored(variable, 1, decode=numbers)
        for name, variable in file.variables.items()
        if variable.ndim and variable.dtype != str and variable.dtype.kind in "buif" and name not in coordinates
    }
