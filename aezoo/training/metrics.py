"""The figures of an epoch, summed where the model computes, read back rarely."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from aezoo.errors import DivergenceError
from aezoo.model.objective import Step
from aezoo.storage.state import Sums

REMEDY = "try a lower lr, clip_norm=1, or precision fp32"
# the root mean square of rows that a network takes well is about 1
LARGE = 30.0


def explained(error: DivergenceError, x: Tensor) -> DivergenceError:
    """The error, with the scale of preprocessed rows x (B, *X) as its cause where they are far larger than usual."""
    size = float(x.double().square().mean().sqrt())
    if size <= LARGE:
        return error
    cause = f"the rows are {size:.3g} in the root mean square, which no rate suits: use preprocess standardize"
    return DivergenceError(str(error).replace(REMEDY, cause))


def norm_of(model: nn.Module) -> float:
    """The Euclidean norm of all parameters that learn, taken together; waits for the device."""
    learned = [parameter.detach().double() for parameter in model.parameters() if parameter.requires_grad]
    return float(torch.stack([values.square().sum() for values in learned]).sum().sqrt())


class Record:
    """Row-weighted means of the loss and its terms over an epoch."""

    # between two readings the device runs ahead of Python; a run that diverges wastes at most this many steps
    READ_EVERY = 200

    def __init__(self) -> None:
        self._earlier: Tensor | None = None
        self._pending: list[tuple[Tensor, ...]] = []
        self._rows: list[int] = []
        self._names: list[str] = []
        self._sums: list[float] = []
        self._count = 0
        self._first_step = 0

    def add(self, outcome: Step, rows: int, step: int) -> None:
        """Notes the figures of one step without waiting for them."""
        if not self._rows:
            self._first_step = step
        if not self._names:
            self._names = ["loss", *outcome.terms]
        self._pending.append((outcome.loss.detach(), *(term.detach() for term in outcome.terms.values())))
        self._rows.append(rows)
        if len(self._rows) >= self.READ_EVERY:
            self._read()

    def so_far(self) -> tuple[Sums, Tensor]:
        """The sums, and the figures (n, terms) that were not read yet, which stay so: a sum depends on its order."""
        sums = Sums(
            names=tuple(self._names),
            sums=tuple(self._sums),
            count=self._count,
            rows=tuple(self._rows),
            first_step=self._first_step,
        )
        return sums, self._table()

    @classmethod
    def going_on(cls, sums: Sums, pending: Tensor) -> Record:
        """The record that :meth:`so_far` gave; raises ValueError where its parts do not fit."""
        if pending.shape != (len(sums.rows), len(sums.names)) or len(sums.sums) not in (0, len(sums.names)):
            raise ValueError("the figures of the epoch do not fit")
        record = cls()
        record._names, record._sums, record._rows = list(sums.names), list(sums.sums), list(sums.rows)
        record._count, record._first_step = sums.count, sums.first_step
        record._earlier = pending.double() if sums.rows else None
        return record

    def means(self) -> dict[str, float]:
        """Means over the epoch so far, nats per example.

        Raises:
            DivergenceError: a step's loss was not finite; names the step and the term.
        """
        self._read()
        return {name: total / self._count for name, total in zip(self._names, self._sums, strict=True)}

    def _read(self) -> None:
        if not self._rows:
            return
        table = self._table()
        bad = (~table.isfinite()).any(1).nonzero()
        if len(bad):
            self._refuse(int(bad[0]), table)
        sums = (table * torch.tensor(self._rows, dtype=torch.float64)[:, None]).sum(0).tolist()
        self._sums = [a + b for a, b in zip(self._sums or [0.0] * len(sums), sums, strict=True)]
        self._count += sum(self._rows)
        self._pending, self._rows, self._earlier = [], [], None

    def _table(self) -> Tensor:
        """The figures of each step that were not summed yet (n, terms), as float64."""
        tables = [] if self._earlier is None else [self._earlier]
        if self._pending:
            # the one synchronisation point of training
            flat = torch.stack([figure for figures in self._pending for figure in figures]).double().cpu()
            tables.append(flat.view(len(self._pending), len(self._names)))
        return torch.cat(tables) if tables else torch.empty(0, len(self._names), dtype=torch.float64)

    def _refuse(self, index: int, table: Tensor) -> None:
        values = dict(zip(self._names, table[index].tolist(), strict=True))
        term = next((name for name, value in values.items() if name != "loss" and not math.isfinite(value)), "loss")
        lower = "" if term in ("loss", "reconstruction") else f", or a smaller weight of {term!r}"
        raise DivergenceError(
            f"the loss stopped being finite at step {self._first_step + index + 1}: term {term!r} is {values[term]:g}; "
            f"{REMEDY}{lower}."
        )
