"""The figures of an epoch, summed where the model computes, read back rarely."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aezoo.autoencoder import Step
from aezoo.errors import DivergenceError

REMEDY = "try a lower lr, clip_norm=1, or precision fp32"


class Record:
    """Row-weighted means of the loss and its terms over an epoch."""

    # between two readings the device runs ahead of Python; a run that diverges wastes at most this many steps
    READ_EVERY = 200

    def __init__(self) -> None:
        self._pending: list[tuple[Tensor, ...]] = []
        self._rows: list[int] = []
        self._names: list[str] = []
        self._sums: list[float] = []
        self._count = 0
        self._first_step = 0

    def add(self, outcome: Step, rows: int, step: int) -> None:
        """Notes the figures of one step without waiting for them."""
        if not self._pending:
            self._first_step = step
        if not self._names:
            self._names = ["loss", *outcome.terms]
        self._pending.append((outcome.loss.detach(), *(term.detach() for term in outcome.terms.values())))
        self._rows.append(rows)
        if len(self._pending) >= self.READ_EVERY:
            self._read()

    def means(self) -> dict[str, float]:
        """Means over the epoch so far, nats per example.

        Raises:
            DivergenceError: a step's loss was not finite; names the step and the term.
        """
        self._read()
        return {name: total / self._count for name, total in zip(self._names, self._sums, strict=True)}

    def _read(self) -> None:
        if not self._pending:
            return
        # the one synchronisation point of training
        table = torch.stack([figure for figures in self._pending for figure in figures]).double().cpu()
        table = table.view(len(self._pending), len(self._names))
        bad = (~table.isfinite()).any(1).nonzero()
        if len(bad):
            self._refuse(int(bad[0]), table)
        sums = (table * torch.tensor(self._rows, dtype=torch.float64)[:, None]).sum(0).tolist()
        self._sums = [a + b for a, b in zip(self._sums or [0.0] * len(sums), sums, strict=True)]
        self._count += sum(self._rows)
        self._pending, self._rows = [], []

    def _refuse(self, index: int, table: Tensor) -> None:
        values = dict(zip(self._names, table[index].tolist(), strict=True))
        term = next((name for name, value in values.items() if name != "loss" and not math.isfinite(value)), "loss")
        lower = "" if term in ("loss", "reconstruction") else f", or a smaller weight of {term!r}"
        raise DivergenceError(
            f"the loss stopped being finite at step {self._first_step + index + 1}: term {term!r} is {values[term]:g}; "
            f"{REMEDY}{lower}."
        )
