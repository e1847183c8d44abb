"""Maps of the columns of a table that are no straight lines: logarithms, and ranks as normal scores.

Shapes: n rows, D columns, K knots of a column.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

KNOTS = 257
# rows that quantiles are taken of; of more, as many spread over all
SAMPLED = 65_536
# deviations: of 10,000 rows a Gaussian's largest is 4, an exponential's 9
HEAVY = 8.0


class LogBend(nn.Module):
    """sign(x)·log(1 + |x|), for values of many orders of magnitude."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        return x.sign() * x.abs().log1p()

    def inverse(self, y: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        return y.sign() * y.abs().expm1()


class RankBend(nn.Module):
    """Normal scores Φ⁻¹(F(x)) of the columns in ``bent``, by the quantiles of the rows it was fitted on.

    Between its knots it is linear, and beyond the last ones it goes on along the slope of the whole column, so that
    what is far out stays far out. Equal values have one score, the mean of theirs.
    """

    knots: Tensor
    scores: Tensor
    slope: Tensor
    bent: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        grid = torch.linspace(-1, 1, KNOTS, dtype=torch.float64).expand(columns, KNOTS)
        self.register_buffer("knots", grid.clone())
        self.register_buffer("scores", grid.clone())
        self.register_buffer("slope", torch.ones(columns, dtype=torch.float64))
        self.register_buffer("bent", torch.zeros(columns, dtype=torch.bool))

    def fit(self, rows: Tensor, bent: Tensor) -> None:
        """Of rows (n, D) float64, NaN where values are missing, and the columns (D,) to bend."""
        self.bent.copy_(bent)
        for column in bent.nonzero().flatten().tolist():
            values = rows[:, column]
            values = values[~values.isnan()].sort().values
            count = len(values)
            if count < 2 or values[0] == values[-1]:
                self.bent[column] = False
                continue
            found, counts = values.unique(return_counts=True)
            # the middle of the ranks that equal values share
            middle = counts.cumsum(0) - counts / 2
            score = torch.special.ndtri((middle / count).double().clamp(0.5 / count, 1 - 0.5 / count))
            if len(found) > KNOTS:
                # even in rank where most values are, and even in score where few are
                even = torch.linspace(0, len(found) - 1, KNOTS // 2).round().long()
                tails = torch.searchsorted(
                    score, torch.linspace(float(score[0]), float(score[-1]), KNOTS // 2).double()
                )
                place = torch.cat([even, tails.clamp_max(len(found) - 1)]).unique()
                found, score = found[place], score[place]
            knots = torch.cat([found, found[-1] + (found[-1] - found[0]) * torch.arange(1, KNOTS - len(found) + 1)])
            self.slope[column] = (score[-1] - score[0]) / (found[-1] - found[0])
            beyond = score[-1] + self.slope[column] * (knots[len(found) :] - found[-1])
            self.knots[column], self.scores[column] = knots, torch.cat([score, beyond])

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        return torch.where(self.bent, self._along(x, self.knots, self.scores, self.slope), x)

    def inverse(self, y: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        return torch.where(self.bent, self._along(y, self.scores, self.knots, 1 / self.slope), y)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        # quantiles stay what they are when a model is cast to fewer bits
        before = {name: self.get_buffer(name) for name in ("knots", "scores", "slope")}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in before.items():
            now = self.get_buffer(name)
            if now.dtype != torch.float64:
                setattr(self, name, value.to(now.device))
        return self

    @staticmethod
    def _along(x: Tensor, knots: Tensor, values: Tensor, slope: Tensor) -> Tensor:
        """Through the points (knots, values) (D, K) of each column, and along ``slope`` (D,) beyond them."""
        columns = x.reshape(-1, x.shape[-1]).T.contiguous()
        place = torch.searchsorted(knots, columns.nan_to_num()).clamp(1, KNOTS - 1)
        low, high = knots.gather(1, place - 1), knots.gather(1, place)
        start, end = values.gather(1, place - 1), values.gather(1, place)
        within = start + (columns - low) / (high - low) * (end - start)
        below = values[:, :1] + slope[:, None] * (columns - knots[:, :1])
        above = values[:, -1:] + slope[:, None] * (columns - knots[:, -1:])
        found = torch.where(columns < knots[:, :1], below, torch.where(columns > knots[:, -1:], above, within))
        return found.T.reshape(x.shape)


class Sample:
    """Rows of a stream, all of them or as many spread over it."""

    def __init__(self) -> None:
        self._parts: list[Tensor] = []
        self._step, self._seen, self._held = 1, 0, 0

    def add(self, rows: Tensor) -> None:
        """Takes further rows (n, …) in."""
        first = -self._seen % self._step
        self._seen += len(rows)
        self._parts.append(rows[first :: self._step].clone())
        self._held += len(self._parts[-1])
        if self._held > SAMPLED:
            self._parts = [torch.cat(self._parts)[::2]]
            self._step, self._held = 2 * self._step, len(self._parts[0])

    def rows(self) -> Tensor:
        """What is held."""
        return torch.cat(self._parts)


def heavy(rows: Tensor) -> Tensor:
    """The columns (D,) of rows (n, D) whose largest value is more than 8 deviations from the mean, and no rare "
    "level."""
    mean = rows.nanmean(0)
    deviation = (rows - mean).square().nanmean(0).sqrt()
    far = ((rows - mean).abs() / deviation).nan_to_num(0.0).amax(0)
    two = torch.tensor([len(column[~column.isnan()].unique()) <= 2 for column in rows.T])
    return (far > HEAVY) & ~two


def robust(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Median and width (D,) of rows (n, D): the distance of the quartiles, in that of a Gaussian of deviation 1.

    Where the quartiles are equal, the mean absolute deviation from the median, in that of such a Gaussian.
    """
    low, middle, high = (rows.nanquantile(q, dim=0) for q in (0.25, 0.5, 0.75))
    width = (high - low) / 1.3489795003921634
    spare = (rows - middle).abs().nanmean(0) * math.sqrt(math.pi / 2)
    return middle, torch.where(width > 0, width, spare)
