"""Where training batches come from: a tensor on the device, a mapped file, or a loader over a user's own Dataset.

Shapes: N rows of a split, n of a chunk, B of a batch, *X one datum.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from aezoo.core.arrays import spans
from aezoo.core.mapped import HELD_BYTES, Array, NDArray, at_random
from aezoo.core.sparse import SparseRows
from aezoo.data import Split
from aezoo.errors import DataError, ZooError
from aezoo.model.autoencoder import Autoencoder
from aezoo.training.prefetch import ahead

# gathered in one go and cut into batches: enough to spread the cost of a call, little enough to stay in a cache
GATHERED_BYTES = 2 << 20
GATHERED_BATCHES = 16
# read in one go from a file, in its order: the more at a time, the closer the rows, and the fewer pages to map
READ_BYTES = 64 << 20
# a matrix product may sum in another order where its rows begin off a cache line
LINE = 64


def shuffled(rows: int, size: int, order: torch.Generator) -> Iterator[Tensor]:
    """Row numbers of an epoch's batches, in a fresh order."""
    positions = torch.randperm(rows, generator=order)
    return (positions[start:end] for start, end in spans(rows, size))


class Batches(Protocol):
    """Preprocessed rows, shuffled anew each epoch, or in order without a generator."""

    def __len__(self) -> int:
        """Rows in all."""
        ...

    def epoch(self, batch_size: int, order: torch.Generator | None = None, skip: int = 0) -> Iterator[Tensor]:
        """Batches (B, *X) on the model's device, but the first ``skip``; the last may be smaller, or one row larger."""
        ...


class Resident:
    """Data preprocessed once and kept on the device; some batches are one gather."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def epoch(  # noqa: D102
        self, batch_size: int, order: torch.Generator | None = None, skip: int = 0
    ) -> Iterator[Tensor]:
        return islice(self._epoch(batch_size, order), skip, None)

    def _epoch(self, batch_size: int, order: torch.Generator | None) -> Iterator[Tensor]:
        if order is None:
            yield from self.rows.split(batch_size)
            return
        # to the device once, so that no step waits for a copy
        positions = torch.randperm(len(self), generator=order).to(self.rows.device)
        yield from _cut(
            len(self),
            batch_size,
            _bytes_of(self.rows),
            lambda start, end: self.rows.index_select(0, positions[start:end]),
        )


class _Read(ABC):
    """Rows that are read, and preprocessed, when their batch is due."""

    def __init__(self, split: Split, model: Autoencoder) -> None:
        self.split = split
        self.model = model

    def __len__(self) -> int:
        return len(self.split)

    def epoch(self, batch_size: int, order: torch.Generator | None = None, skip: int = 0) -> Iterator[Tensor]:
        if order is None:
            yield from islice(map(self.model.prepare, self.split.batches(batch_size)), skip, None)
            return
        # what is skipped is not read: reading draws random numbers
        positions = islice(shuffled(len(self), batch_size, order), skip, None)
        yield from map(self.model.prepare, self._batches(positions))

    @abstractmethod
    def _batches(self, positions: Iterator[Tensor]) -> Iterable[Tensor]:
        """Raw batches of the rows at ``positions``."""


class Loaded(_Read):
    """A user's own torch Dataset, read through torch's loader, so that its random transforms stay random."""

    def _batches(self, positions: Iterator[Tensor]) -> DataLoader[Tensor]:
        batches = (index.tolist() for index in positions)
        # a generator of its own, since a loader draws a seed from the global one even when it needs none
        return DataLoader(self.split.subset(), batch_sampler=batches, generator=torch.Generator())


class Redrawn(_Read):
    """Zeros and ones that are drawn afresh, by their rates, whenever they are trained on."""

    def _batches(self, positions: Iterator[Tensor]) -> Iterator[Tensor]:
        return map(self.split.redraw, positions)


class Chunk(NamedTuple):
    """Rows as they were read, and which of them each row of the batches is."""

    raw: Tensor
    """(n, *X), in the file's order."""
    place: Tensor
    """(n,)."""


class Mapped:
    """Rows of a file mapped into memory, too many to hold as floats; a thread reads them ahead of their use."""

    def __init__(self, split: Split, model: Autoencoder) -> None:
        self.split = split
        self.model = model

    def __len__(self) -> int:
        return len(self.split)

    def epoch(  # noqa: D102
        self, batch_size: int, order: torch.Generator | None = None, skip: int = 0
    ) -> Iterator[Tensor]:
        positions = None if order is None else torch.randperm(len(self), generator=order).numpy()
        # what is skipped is not read, but for the rest of a chunk
        chunks, batches = divmod(skip, self._together(batch_size))
        for chunk in ahead(self._chunks(positions, batch_size, chunks)):
            yield from islice(self._batches(chunk, batch_size, join=order is not None), batches, None)
            batches = 0

    def _together(self, batch_size: int) -> int:
        """How many batches are read in one go."""
        return max(1, READ_BYTES // (batch_size * _bytes_of(self.split.dataset.x)))

    def _batches(self, chunk: Chunk, batch_size: int, join: bool) -> Iterator[Tensor]:
        raw, place = (t.to(self.model.device, non_blocking=True) for t in chunk)
        yield from _cut(
            len(place),
            batch_size,
            self.model.spec.size * self.model.dtype.itemsize,
            lambda start, end: self.model.prepare(raw.index_select(0, place[start:end])),
            join=join,
        )

    def _chunks(self, positions: NDArray | None, batch_size: int, skip: int) -> Iterator[Chunk]:
        """Chunks of whole batches; NumPy's functions, since each thread that calls torch's would bring a pool."""
        x, pinned = self.split.dataset.x, self.model.device.type == "cuda"
        size = batch_size * self._together(batch_size)
        at_random(x, positions is not None)
        try:
            for start, end in islice(spans(len(self), size, join=positions is not None), skip, None):
                wanted = np.arange(start, end) if positions is None else positions[start:end]
                order = np.argsort(self.split.index[wanted])
                place = np.empty_like(order)
                place[order] = np.arange(len(order))
                chunk = Chunk(self.split.take(torch.from_numpy(wanted[order])), torch.from_numpy(place))
                yield Chunk(*(t.pin_memory() for t in chunk)) if pinned else chunk
        except ZooError:
            raise
        except Exception as error:
            raise DataError(
                f"{self.split.dataset.spec.name} cannot be read on ({type(error).__name__}: {error}): check its file."
            ) from error
        finally:
            at_random(x, False)


def _cut(
    rows: int, batch_size: int, row_bytes: int, gather: Callable[[int, int], Tensor], *, join: bool = True
) -> Iterator[Tensor]:
    """Batches of ``gather(start, end)``, some to a call."""
    batch = batch_size * row_bytes
    together = min(GATHERED_BATCHES, max(1, GATHERED_BYTES // batch)) if batch % LINE == 0 else 1
    for start, end in spans(rows, batch_size * together, join=join):
        gathered = gather(start, end)
        for first, last in spans(end - start, batch_size, join=join):
            yield gathered[first:last]


def _bytes_of(rows: Array) -> int:
    """Of one row."""
    return math.prod(rows.shape[1:]) * rows.dtype.itemsize


def make_batches(split: Split, model: Autoencoder) -> Batches:
    """Batches of ``split`` as ``model`` takes them."""
    if split.streams:
        return Loaded(split, model)
    if split.dataset.rates is not None:
        return Redrawn(split, model)
    if split.noisy is not None:
        return Resident(torch.stack([_held(split, model), _held(split.noisy, model)], dim=1))
    row = model.spec.size * model.dtype.itemsize
    # of what cannot be held as a whole, only small splits are
    small = len(split.dataset) * row <= HELD_BYTES and not isinstance(split.dataset.x, SparseRows)
    held = HELD_BYTES if small else HELD_BYTES // 16
    if split.mapped and len(split) * row > held:
        return Mapped(split, model)
    return Resident(_held(split, model))


def _held(split: Split, model: Autoencoder) -> Tensor:
    """All rows (N, *X), preprocessed, on the model's device."""
    rows = torch.empty((len(split), *model.spec.shape), dtype=model.dtype, device=model.device)
    start = 0
    for piece in split.batches(model.rows_a_pass()):
        rows[start : start + len(piece)] = model.prepare(piece)
        start += len(piece)
    return rows
