"""Where training batches come from: a tensor on the device, or a loader over a user's own Dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from aezoo.autoencoder import Autoencoder
from aezoo.data import Split


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
        shuffled = torch.randperm(len(self.rows), generator=order).to(self.rows.device)
        for index in shuffled.split(batch_size):
            yield self.rows.index_select(0, index)


class Loaded:
    """A user's own torch Dataset, read through torch's loader, so that its random transforms stay random."""

    def __init__(self, split: Split, model: Autoencoder) -> None:
        self.split = split
        self.model = model

    def __len__(self) -> int:
        return len(self.split)

    def epoch(self, batch_size: int, order: torch.Generator | None = None) -> Iterator[Tensor]:  # noqa: D102
        rows_in_order = self.split.batches(batch_size)
        for rows in rows_in_order if order is None else self._shuffled(batch_size, order):
            yield self.model.prepare(rows)

    def _shuffled(self, batch_size: int, order: torch.Generator) -> DataLoader[Tensor]:
        return DataLoader(self.split.subset(), batch_size=batch_size, shuffle=True, generator=order)


def make_batches(split: Split, model: Autoencoder) -> Batches:
    """Batches of ``split`` as ``model`` takes them."""
    if split.streams:
        return Loaded(split, model)
    rows = torch.empty((len(split), *model.spec.shape), dtype=model.dtype, device=model.device)
    start = 0
    for piece in split.batches(8192):
        rows[start : start + len(piece)] = model.prepare(piece)
        start += len(piece)
    return Resident(rows)
