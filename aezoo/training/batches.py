"""Where training batches come from: a tensor on the device, or a loader over a user's own Dataset."""

from __future__ import annotations

from collections.abc import Iterator
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


class Loaded:
    """A user's own torch Dataset, read through torch's loader, so that its random transforms stay random."""

    def __init__(self, split: Split, model: Autoencoder) -> None:
        self.split = split
        self.model = model

    def __len__(self) -> int:
        return len(self.split)

    def epoch(self, batch_size: int, order: torch.Generator | None = None) -> Iterator[Tensor]:  # noqa: D102
        for rows in self.split.batches(batch_size) if order is None else self._loader(batch_size, order):
            yield self.model.prepare(rows)

    def _loader(self, batch_size: int, order: torch.Generator) -> DataLoader[Tensor]:
        batches = [index.tolist() for index in shuffled(len(self), batch_size, order)]
        # a generator of its own, since a loader draws a seed from the global one even when it needs none
        return DataLoader(self.split.subset(), batch_sampler=batches, generator=torch.Generator())


class Mapped:
    """Rows of a file mapped into memory, too many to hold as floats; a batch is read when it is needed."""

    def __init__(self, split: Split, model: Autoencoder) -> None:
        self.split = split
        self.model = model

    def __len__(self) -> int:
        return len(self.split)

    def epoch(self, batch_size: int, order: torch.Generator | None = None) -> Iterator[Tensor]:  # noqa: D102
        if order is None:
            yield from map(self.model.prepare, self.split.batches(batch_size))
            return
        for index in shuffled(len(self), batch_size, order):
            # in the file's order, which disks and page caches like; the rows of a batch are summed over anyway
            yield self.model.prepare(self.split.take(index.sort().values))


# beyond this, a mapped file is read batch by batch instead of being held
HELD_BYTES = 4 << 30


def make_batches(split: Split, model: Autoencoder) -> Batches:
    """Batches of ``split`` as ``model`` takes them."""
    if split.streams:
        return Loaded(split, model)
    if split.mapped and len(split) * model.spec.size * model.dtype.itemsize > HELD_BYTES:
        return Mapped(split, model)
    rows = torch.empty((len(split), *model.spec.shape), dtype=model.dtype, device=model.device)
    start = 0
    for piece in split.batches(8192):
        rows[start : start + len(piece)] = model.prepare(piece)
        start += len(piece)
    return Resident(rows)
