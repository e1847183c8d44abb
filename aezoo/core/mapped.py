"""Arrays that lie in a file: their rows are read a few at a time, and what was read is not held.

A touched page of a mapped file counts as this process's memory until it is given back, and one touch may bring in
2 MiB. So whoever goes through such an array gives its pages back on the way; the system's cache keeps what it can.

Shapes: N rows of the array, n of those wanted, *X one datum.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from aezoo.errors import DataError

NDArray: TypeAlias = np.ndarray[Any, Any]
Array: TypeAlias = NDArray | torch.Tensor

# what one touch brings in at most, and how much may be brought in before it is given back
BLOCK = 2 << 20
KEPT = 128 << 20


# where Linux says how much memory the processes of a container may take together
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def physical_memory() -> int:
    """Bytes of memory that this process can have: the machine's, or fewer where a container or ``ulimit`` allows fewer.

    Where the system does not say, as many as there could be.
    """
    bounds = [1 << 62, *_allowed()]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        bounds.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(bounds)


def _allowed() -> Iterator[int]:
    for path in LIMITS:
        # "max" is no limit
        with contextlib.suppress(OSError, ValueError):
            yield int(path.read_text("ascii"))
    with contextlib.suppress(ImportError, AttributeError):
        import resource

        for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
            soft, _ = resource.getrlimit(kind)
            if soft != resource.RLIM_INFINITY:
                yield soft


# beyond this, data in a file is read as it is needed instead of being held
HELD_BYTES = min(4 << 30, physical_memory() // 4)

# the maps under tensors of types that NumPy lacks, by where their values begin
_under_tensors: weakref.WeakValueDictionary[int, NDArray] = weakref.WeakValueDictionary()


def bfloat16(bits: np.memmap[Any, Any]) -> torch.Tensor:
    """The values of a map of 16-bit integers, which NumPy has no type for, as a tensor on the same pages."""
    tensor = torch.from_numpy(bits)
    _under_tensors[tensor.untyped_storage().data_ptr()] = bits
    return tensor.view(torch.bfloat16)


def mapped(x: Any) -> np.memmap[Any, Any] | None:
    """The map of a file whose pages ``x`` is a view of, or None where it is no such view."""
    if isinstance(x, torch.Tensor):
        known = _under_tensors and x.layout == torch.strided
        x = _under_tensors.get(x.untyped_storage().data_ptr()) if known else None
    while isinstance(x, np.ndarray) and not isinstance(x.base, mmap.mmap):
        x = x.base
    return x if isinstance(x, np.memmap) else None


def release(x: Array) -> None:
    """Gives the pages of a mapped ``x`` back, unless the file is small; whatever is read again is mapped again."""
    file = mapped(x)
    # a copy-on-write map that was not made here may hold changes, which would be lost
    if file is not None and _large(file) and (file.mode != "c" or isinstance(x, torch.Tensor)):
        _advise(file, "MADV_DONTNEED")


def rows_at(x: Array, index: NDArray) -> Array:
    """A copy of the rows (n, *X) of ``x`` (N, *X) at ``index`` (n,), in that order.

    Of a large file at most about ``KEPT`` bytes are mapped on the way, and a rising ``index`` reads each part once.

    Raises:
        DataError: the file has become shorter, so that reading on would end the process.
    """
    file = mapped(x)
    if file is not None:
        _refuse_shortened(file)
    if file is None or not _large(file) or not len(index) or not 0 <= index.min() <= index.max() < len(x):
        return x[torch.from_numpy(index).to(x.device)] if isinstance(x, torch.Tensor) else x[index]
    if isinstance(x, torch.Tensor):
        rows = _rows_of_bytes(x.view(torch.int16).numpy(), index, lambda: release(x))
        return torch.from_numpy(rows).view(x.dtype)
    return _rows_of_bytes(x, index, lambda: release(x))


def _rows_of_bytes(x: NDArray, index: NDArray, give_back: Callable[[], None]) -> NDArray:
    """``rows_at`` of an array of a large file, as blocks of bytes: no type or alignment of it makes NumPy copy it."""
    axes = sorted(range(1, x.ndim), key=lambda axis: -x.strides[axis])
    stored = x.transpose(0, *axes)
    if not stored.flags.c_contiguous:
        rows = x[index]
        give_back()
        return rows
    values = stored.reshape(len(x), -1).view(np.uint8)
    width = values.shape[1]
    entered = np.diff(index * width // BLOCK, prepend=-1) != 0
    share = np.cumsum(entered) * (1 + width // BLOCK) // (KEPT // BLOCK)
    out = np.empty((len(index), width), np.uint8)
    start = 0
    for end in [*(np.flatnonzero(np.diff(share)) + 1).tolist(), len(index)]:
        # nothing is out of bounds; to clip is the mode that writes to its place at once
        np.take(values, index[start:end], axis=0, out=out[start:end], mode="clip")
        give_back()
        start = end
    rows = out.view(x.dtype).reshape(len(index), *stored.shape[1:])
    return rows.transpose(0, *(1 + axes.index(axis) for axis in range(1, x.ndim)))


def in_large_pages(x: Array) -> None:
    """Asks the system to read a mapped ``x`` in its largest pages, so that few have to be found for many rows.

    Of a file that memory cannot hold, that would read much for the sake of little, and is not asked.
    """
    file = mapped(x)
    if file is not None and _large(file) and not _beyond_memory(file):
        # a kernel without large pages refuses
        with contextlib.suppress(OSError):
            _advise(file, "MADV_HUGEPAGE")


def at_random(x: Array, yes: bool) -> None:
    """Tells the system whether rows of ``x`` are about to be read here and there, or one after the other.

    Of a file that memory can hold, what lies around a row is read with it all the same: it will be wanted soon.
    """
    file = mapped(x)
    if file is not None and _beyond_memory(file):
        _advise(file, "MADV_RANDOM" if yes else "MADV_NORMAL")


def _advise(file: NDArray, advice: str) -> None:
    assert isinstance(file.base, mmap.mmap)
    # Windows has no advice to give
    if hasattr(mmap, advice):
        file.base.madvise(getattr(mmap, advice))


def _large(file: NDArray) -> bool:
    return file.nbytes > KEPT


def _beyond_memory(file: NDArray) -> bool:
    return file.nbytes > physical_memory() // 4 * 3


def _refuse_shortened(file: np.memmap[Any, Any]) -> None:
    try:
        held = None if file.filename is None else Path(file.filename).stat().st_size
    except OSError:
        # its name is gone; the file itself stays until it is closed
        return
    if held is not None and held < file.offset + file.nbytes:
        raise DataError(
            f"{file.filename} has become shorter since it was opened: leave it alone until training ends, and start "
            "again."
        )
