"""p(x | z) of a table, a distribution for each column: log p(x | z) = Σ_d log p_d(x_d | z) over the columns observed.

Shapes: K draws, B rows, D columns, d of them of one kind, W values that a network takes and gives of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Laplace,
    Normal,
    StudentT,
    constraints,
)

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.parts.border import trusted
from aezoo.parts.columns import ColumnInput, columns_of
from aezoo.parts.counts import CountsDistribution, Law
from aezoo.parts.distributions import by_value
from aezoo.parts.likelihood import FIRST_LOG_SCALE, Likelihood, Outputs

Numbers = Literal["gaussian", "laplace", "student"]
# e to this power is the highest mean of a count, and no float overflows on the way to it
HIGHEST_LOG_MEAN = 20.0
# the logit of what cannot be, far from where any float overflows
NEVER = -1e4
# of Student's t: heavy tails, with a mean and a variance
FREEDOM = 3.0


class Table(Likelihood):
    """A distribution for each column of a table, by its kind; missing values are no part of it.

    - ``number`` and ``date``: Gaussian, Laplace or Student's t of 3 degrees of freedom around the network's output,
      with a learned scale for each column;
    - ``count``: negative binomial by mean exp(output) and a learned dispersion r for each column (variance
      m + m²/r; of torch's own parameters, total_count r and logits log m − log r), that with further zeros, or
      Poisson;
    - ``binary``: Bernoulli by logits; ``category``: softmax over the levels;
    - ``ordinal``: P(level ≤ k) = sigmoid(c_k − output), with learned rising cuts c for each column (McCullagh 1980).

    As in Nazábal et al. 2020, "Handling incomplete heterogeneous data using VAEs", arXiv:1807.03653. Its log-density is
    one of the numbers' scaled values and a probability of all else, in nats, summed over the observed columns.

    Args:
        spec: of a table; without known columns, all are numbers.
        numbers, counts: what those columns are scored by.
        min_log_scale: lower bound of the log-scales, softly.
        weights: of columns by name, in the sum; 1 unless given. Weighed densities are none.

    Raises:
        CompositionError: data that is no table, or a weight for what is no column.

    Examples:
        >>> columns = (aezoo.Column(name="age"), aezoo.Column(name="sex", kind="binary", levels=("f", "m")))
        >>> likelihood = aezoo.parts.Table(aezoo.DataSpec(shape=(2,), columns=columns))
        >>> px = likelihood(torch.zeros(1, 1, 2))
        >>> [round(value, 4) for value in px.by_column(torch.tensor([[torch.nan, 1.0]]))[0, 0].tolist()]
        [0.0, -0.6931]
    """

    def __init__(
        self,
        spec: DataSpec,
        numbers: Numbers = "gaussian",
        counts: Law = "negative-binomial",
        min_log_scale: float = -3.0,
        weights: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        if len(spec.shape) != 1:
            raise CompositionError(
                f"likelihood table needs a table, and the data has shape {spec.shape}: use --likelihood gaussian."
            )
        super().__init__(spec)
        columns = columns_of(spec)
        self.entry = ColumnInput(spec)
        # a network with tied weights gives back as many values as it takes, of which the masks are nobody's
        self.outputs = Outputs((self.entry.width,))
        kinds = [column.kind for column in columns]
        unknown = sorted(weights.keys() - {column.name for column in columns})
        if unknown:
            raise CompositionError(
                f"likelihood table has a weight for {unknown[0]!r}, which is no column: leave it out."
            )
        weighed = any(weight != 1 for weight in weights.values())
        each = torch.tensor([weights.get(column.name, 1.0) for column in columns])
        self.register_buffer("weight", each if weighed else None, persistent=False)
        # of a density beside probabilities no bits per value can be told, and weighed ones are none
        self.capabilities = ("density",) if set(kinds) == {"number"} and not weighed else ()
        starts = torch.tensor([0, *(column.width for column in columns)]).cumsum(0)[:-1].tolist()
        self.kinds = nn.ModuleList()

        def of(*wanted: str) -> list[tuple[int, int]]:
            return [(i, starts[i]) for i, kind in enumerate(kinds) if kind in wanted]

        if found := of("number", "date"):
            self.kinds.append(_Numeric(found, numbers, min_log_scale))
        if found := of("count"):
            self.kinds.append(_Counted(found, counts))
        if found := of("binary"):
            self.kinds.append(_Binary(found))
        if found := of("ordinal"):
            self.kinds.append(_Ordinal(found, [len(columns[i].levels) for i, _ in found]))
        # columns of about as many levels together: a long one beside many short ones would pad them all
        by_size: dict[int, list[tuple[int, int]]] = {}
        for i, start in of("category"):
            by_size.setdefault((columns[i].width - 1).bit_length(), []).append((i, start))
        for found in by_size.values():
            self.kinds.append(_Category(found, [columns[i].width for i, _ in found]))
        kinds_of = [kind for kind in self.kinds if isinstance(kind, _Kind)]
        order = torch.cat([kind.columns for kind in kinds_of]).argsort()
        dense_order = torch.cat([kind.dense_places for kind in kinds_of]).argsort()
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("dense_order", dense_order, persistent=False)

    def forward(self, output: Tensor) -> Mixed:
        """Mixed with event (D,)."""
        pieces = [kind(output) for kind in self.kinds]
        made = Mixed(pieces, self.get_buffer("order"), self.get_buffer("dense_order"), self.entry, output.shape[:-1])
        made.weight = self._buffers["weight"]
        return made

    def outputs_of(self, mean: Tensor) -> Tensor:
        """(outputs.size,): the numbers' means; what the levels' logits are is left at zero."""
        outputs = mean.new_zeros(self.outputs.size)
        for kind in self.kinds:
            if isinstance(kind, _Numeric):
                outputs[kind.places] = mean[kind.columns]
        return outputs


def residual(x: Tensor, px: Distribution) -> Tensor:
    """x − E[x | z] (K, B, *X) of rows x (B, *X); of tables (K, B, W), as a network takes both, 0 where missing.

    Examples:
        >>> px = aezoo.parts.Gaussian(aezoo.DataSpec(shape=(2,)))(torch.zeros(1, 1, 2))
        >>> aezoo.parts.residual(torch.tensor([[1.0, 2.0]]), px).tolist()
        [[[1.0, 2.0]]]
    """
    apart: Any = getattr(px, "residual", None)
    return x - px.mean if apart is None else apart(x)


def expected(px: Distribution) -> Tensor:
    """E[x | z] (K, B, *X); of tables (K, B, W), as a network takes it: of levels their probabilities.

    Examples:
        >>> px = aezoo.parts.Gaussian(aezoo.DataSpec(shape=(2,)))(torch.zeros(1, 1, 2))
        >>> aezoo.parts.expected(px).shape
        torch.Size([1, 1, 2])
    """
    dense: Tensor | None = getattr(px, "dense", None)
    return px.mean if dense is None else dense


class Piece(NamedTuple):
    """The distribution of the columns of one kind."""

    columns: Tensor
    """(d,) their numbers."""
    distribution: Distribution
    """Of values (…, d), each an event, or all of them one."""
    mean: Tensor
    """(…, d): the mean of numbers and counts, the likeliest of levels."""
    dense: Tensor
    """(…, w): what is expected of the values that a network takes."""

    def by_column(self, values: Tensor) -> Tensor:
        """Log-densities (…, d) of values (…, d)."""
        of_each = by_value(self.distribution, values)
        found: Tensor = self.distribution.log_prob(values) if of_each is None else of_each
        return found


class Mixed(Distribution):
    """Independent columns of different kinds; NaN is a missing value, which adds nothing to a log-density.

    Examples:
        >>> likelihood = aezoo.parts.Table(aezoo.DataSpec(shape=(2,)))
        >>> px = likelihood(torch.zeros(1, 3, 2))
        >>> px.mean.shape, px.log_prob(torch.full((3, 2), torch.nan)).tolist()
        (torch.Size([1, 3, 2]), [[0.0, 0.0, 0.0]])
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 - as torch declares it

    def __init__(
        self, pieces: Sequence[Piece], order: Tensor, dense_order: Tensor, entry: ColumnInput, batch: torch.Size
    ) -> None:
        self.pieces, self._order, self._dense_order, self._entry = pieces, order, dense_order, entry
        self.weight: Tensor | None = None
        """(D,) of the columns, or None where all are 1."""
        for piece in pieces:
            trusted(piece.distribution)
        super().__init__(batch, torch.Size([len(order)]), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(…, D): the mean of numbers and counts, and of levels the likeliest."""
        return torch.cat([piece.mean for piece in self.pieces], dim=-1)[..., self._order]

    @property
    def dense(self) -> Tensor:
        """(…, W): what is expected of the values that a network takes, of a category the probability of each level."""
        return torch.cat([piece.dense for piece in self.pieces], dim=-1)[..., self._dense_order]

    def residual(self, value: Tensor) -> Tensor:
        """What values (…, D) are beyond what is expected (…, W), as a network takes both; 0 where they are missing."""
        return (self._entry.dense(value) - self.dense) * self._entry.observed(value)

    def by_column(self, value: Tensor) -> Tensor:
        """Log-densities (…, D) of each column of values (…, D), nats, by their weights; 0 where they are missing."""
        # the gradient of what is masked out must not be NaN either
        known = value.nan_to_num(0.0)
        found = [piece.by_column(known[..., piece.columns]) for piece in self.pieces]
        each = torch.cat(found, dim=-1)[..., self._order].masked_fill(value.isnan(), 0.0)
        return each if self.weight is None else each * self.weight.to(each.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density (…) of values (…, D), nats, summed over the columns observed."""
        return self.by_column(value).sum(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws (*S, …, D)."""
        shape = torch.Size(sample_shape)
        with torch.no_grad():
            drawn = [piece.distribution.sample(shape).to(piece.mean.dtype) for piece in self.pieces]
            return torch.cat(drawn, dim=-1)[..., self._order]


class _Kind(nn.Module):
    """Columns of one kind, each with its number and its first place among the network's values."""

    columns: Tensor
    places: Tensor
    dense_places: Tensor

    def __init__(self, found: Sequence[tuple[int, int]], widths: Sequence[int] | None = None) -> None:
        super().__init__()
        places = torch.tensor([place for _, place in found])
        self.register_buffer("columns", torch.tensor([column for column, _ in found]), persistent=False)
        self.register_buffer("places", places, persistent=False)
        spans = [
            range(place, place + width) for (_, place), width in zip(found, widths or [1] * len(found), strict=True)
        ]
        self.register_buffer("dense_places", torch.tensor([p for span in spans for p in span]), persistent=False)


class _Numeric(_Kind):
    paces: ClassVar = {"log_scale": 10.0}

    def __init__(self, found: Sequence[tuple[int, int]], numbers: Numbers, min_log_scale: float) -> None:
        super().__init__(found)
        self.numbers, self.min_log_scale = numbers, min_log_scale
        self.log_scale = nn.Parameter(torch.full((len(found),), FIRST_LOG_SCALE))

    def forward(self, output: Tensor) -> Piece:
        loc = output[..., self.places]
        # a scale that can reach zero earns an unbounded density on any value that the decoder gets exactly right
        scale = (self.min_log_scale + F.softplus(self.log_scale.to(loc.dtype) - self.min_log_scale)).exp()
        if self.numbers == "student":
            return Piece(self.columns, StudentT(loc.new_tensor(FREEDOM), loc, scale), loc, loc)
        return Piece(self.columns, (Normal if self.numbers == "gaussian" else Laplace)(loc, scale), loc, loc)


class _Counted(_Kind):
    paces: ClassVar = {"log_dispersion": 10.0, "zero_logit": 10.0}

    def __init__(self, found: Sequence[tuple[int, int]], counts: Law) -> None:
        super().__init__(found)
        self.log_dispersion = None if counts == "poisson" else nn.Parameter(torch.zeros(len(found)))
        self.zero_logit = nn.Parameter(torch.full((len(found),), -3.0)) if counts == "zero-inflated" else None

    def forward(self, output: Tensor) -> Piece:
        log_mean = output[..., self.places].clamp_max(HIGHEST_LOG_MEAN)
        dispersion, zeros = (
            None if parameter is None else parameter.to(log_mean.dtype)
            for parameter in (self.log_dispersion, self.zero_logit)
        )
        found = CountsDistribution(log_mean, dispersion, None if zeros is None else zeros.expand_as(log_mean))
        return Piece(self.columns, found, found.mean, found.dense)


class _Binary(_Kind):
    def forward(self, output: Tensor) -> Piece:
        logits = output[..., self.places]
        return Piece(self.columns, Bernoulli(logits=logits), (logits > 0).to(logits.dtype), logits.sigmoid())


class _Ordinal(_Kind):
    paces: ClassVar = {"cuts": 10.0}
    is_cut: Tensor
    top: Tensor

    def __init__(self, found: Sequence[tuple[int, int]], levels: Sequence[int]) -> None:
        super().__init__(found)
        self.cuts = nn.Parameter(torch.zeros(len(levels), max(levels) - 1))
        is_cut = torch.arange(max(levels) - 1) < torch.tensor(levels)[:, None] - 1
        self.register_buffer("is_cut", is_cut, persistent=False)
        self.register_buffer("top", torch.tensor(levels) - 1, persistent=False)

    def forward(self, output: Tensor) -> Piece:
        place = output[..., self.places]
        # the cuts rise by steps above zero, around zero
        steps = F.softplus(self.cuts.to(place.dtype))
        cuts = steps.cumsum(-1) - (self.top / 2).to(place.dtype)[:, None]
        cuts = torch.where(self.is_cut, cuts, -NEVER)
        below = F.pad(cuts, (1, 0), value=NEVER) - place[..., None]
        upto = F.pad(cuts, (0, 1), value=-NEVER) - place[..., None]
        # log(sigmoid(upto) − sigmoid(below)), without a difference of what may both be near one
        gap = (below - upto).clamp_max(-1e-6)
        logits = F.logsigmoid(upto) + F.logsigmoid(-below) + torch.log(-torch.expm1(gap))
        levels = torch.arange(logits.shape[-1], device=logits.device)
        logits = logits.masked_fill(levels > self.top[:, None], NEVER)
        found = Categorical(logits=logits)
        expected = (found.probs * levels.to(logits.dtype)).sum(-1)
        half = (self.top / 2).to(logits.dtype)
        return Piece(self.columns, found, logits.argmax(-1).to(logits.dtype), expected / half - 1)


class _Category(_Kind):
    at: Tensor
    is_level: Tensor

    def __init__(self, found: Sequence[tuple[int, int]], widths: Sequence[int]) -> None:
        super().__init__(found, widths)
        level = torch.arange(max(widths))
        is_level = level < torch.tensor(widths)[:, None]
        self.register_buffer("is_level", is_level, persistent=False)
        self.register_buffer("at", torch.where(is_level, self.places[:, None] + level, 0), persistent=False)

    def forward(self, output: Tensor) -> Piece:
        logits = output[..., self.at].masked_fill(~self.is_level, NEVER)
        found = Categorical(logits=logits)
        dense = found.probs[..., self.is_level]
        return Piece(self.columns, found, logits.argmax(-1).to(logits.dtype), dense)
