"""Where training batches come from: a tensor on the device, a mapped file, or a loader over a user's own Dataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from aezoo.autoencoder import Autoencoder
from aezoo.data import Split


def shuffled(rows: int, batch_size: int, order: torch.Generator) -> list[Tensor]:
    """Row numbers of an epoch's batches, in a fresh order.

    A row left over at the end joins the batch before it: batch normalisation has no statistics of one row.
    """
    batches = list(torch.randperm(rows, generator=order).split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1 < batch_size:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


class Batches(Protocol):
    """Preprocessed rows, shuffled anew each epoch, or in order without a generator."""

    def __len__(self) -> int:
        """Rows in all."""
        ...

    def epoch(self, batch_size: int, order: torch.Generator | None = None) -> Iterator[Tensor]:
        """Batches (B, *X) on the model's device; the last may be smaller."""
        ...


class Resident:
    """Data preprocessed once and kept on the device; a batch is one gather."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def epoch(self, batch_size: int, order: torch.Generator | None = None) -> Iterator[Tensor]:  # noqa: D102
        if order is None:
            yield from self.rows.split(batch_size)
            return
        for index in shuffled(len(self.rows), batch_size, order):
            yield self.rows.index_select(0, index.to(self.rows.device))


class _Read(ABC):
    """Rows that are read, and preprocessed, when their batch is due."""

    def __init__(self, split: Split, model: Autoencoder) -> None:
        self.split = split
        self.model = model

    def __len__(self) -> int:
        return len(self.split)

    def epoch(self, batch_size: int, order: torch.Generator | None = None) -> Iterator[Tensor]:
        in_order = self.split.batches(batch_size)
        read = in_order if order is None else self._batches(shuffled(len(self), batch_size, order))
        yield from map(self.model.prepare, read)

    @abstractmethod
    def _batches(self, positions: list[Tensor]) -> Iterable[Tensor]:
        """Raw batches of the rows at ``positions``."""


class Loaded(_Read):
    """A user's own torch Dataset, read through torch's loader, so that its random transforms stay random."""

    def _batches(self, positions: list[Tensor]) -> DataLoader[Tensor]:
        batches = [index.tolist() for index in positions]
        # a generator of its own, since a loader draws a seed from the global one even when it needs none
        return DataLoader(self.split.subset(), batch_sampler=batches, generator=torch.Generator())


class Redrawn(_Read):
    """Zeros and ones that are drawn afresh, by their rates, whenever they are trained on."""

    def _batches(self, positions: list[Tensor]) -> Iterator[Tensor]:
        return map(self.split.redraw, positions)


class Mapped(_Read):
    """Rows of a file mapped into memory, too many to hold as floats."""

    def _batches(self, positions: list[Tensor]) -> Iterator[Tensor]:
        # in the file's order, which disks and page caches like; the rows of a batch are summed over anyway
        return (self.split.take(index.sort().values) for index in positions)


# beyond this, a mapped file is read batch by batch instead of being held
HELD_BYTES = 4 << 30


def make_batches(split: Split, model: Autoencoder) -> Batches:
    """Batches of ``split`` as ``model`` takes them."""
    if split.streams:
        return Loaded(split, model)
    if split.dataset.rates is not None:
        return Redrawn(split, model)
    if split.mapped and len(split) * model.spec.size * model.dtype.itemsize > HELD_BYTES:
        return Mapped(split, model)
    rows = torch.empty((len(split), *model.spec.shape), dtype=model.dtype, device=model.device)
    start = 0
    for piece in split.batches(8192):
        rows[start : start + len(piece)] = model.prepare(piece)
        start += len(piece)
    return Resident(rows)
