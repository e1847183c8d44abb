"""p(x | z) of a row of counts, of genes in a cell or words in a text, given how many there are in all.

Shapes: K draws, B rows, D columns.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.parts.likelihood import Likelihood

Law = Literal["negative-binomial", "poisson", "zero-inflated"]
# what is added to means and dispersions before a logarithm, as in scVI
TINY = 1e-8


class _LogRising(torch.autograd.Function):
    """log Γ(x + r) − log Γ(r) of counts x (…, D) and r (D,); its slope is of r alone.

    torch's digamma, which that slope is made of, takes twenty times as long as the passes of its series.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, r: Tensor) -> Tensor:
        ctx.save_for_backward(x, r)
        return torch.lgamma(x + r) - torch.lgamma(r)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        x, r = ctx.saved_tensors
        if torch.is_grad_enabled():  # the result is to be differentiated: by what torch knows
            slope = torch.digamma(x + r) - torch.digamma(r)
        else:
            slope = digamma(x + r) - torch.digamma(r)
        return None, (gradient * slope).sum_to_size(r.shape)


SHIFT = 6


def digamma(x: Tensor) -> Tensor:
    """ψ(x) of positive x, by its recurrence up to x + 6 and the asymptotic series there; to 1e-9 relative."""
    below = x.reciprocal()
    for step in range(1, SHIFT):
        below += (x + step).reciprocal_()
    far = x + SHIFT
    inverse = far.reciprocal()
    square = inverse.square()
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240))))
    return far.log_().sub_(inverse, alpha=0.5).sub_(series).sub_(below)


class LogCounts(nn.Module):
    """log(1 + c), which networks take of counts.

    Examples:
        >>> aezoo.parts.LogCounts()(torch.tensor([[0.0, torch.e - 1]])).tolist()
        [[0.0, 1.0]]
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.names = names

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        return x.log1p()

    def dense(self, x: Tensor) -> Tensor:
        """The same."""
        return x.log1p()

    def observed(self, x: Tensor) -> Tensor:
        """Everywhere."""
        return torch.ones_like(x, dtype=torch.bool)


class Counts(Likelihood):
    """Counts x_d of mean m_d = l·ρ_d, where l is the row's sum and ρ the softmax of the network's outputs.

    By ``law``

    - ``negative-binomial``: of mean m and dispersion r for each column, learned: variance m + m²/r. torch's parameters
      of the same distribution are total_count r and logits log m − log r;
    - ``zero-inflated``: that, or zero with a probability that the network gives for each value;
    - ``poisson``: of mean m.

    The row's sum is given, as in scVI with observed library size, so that the density is that of x given l: Lopez et
    al. 2018, "Deep generative modeling for single-cell transcriptomics", Nature Methods 15. Without ``library``, m is
    the exponential of the output. Means of the distribution are those of a row whose sum is the training rows'
    geometric mean.

    Raises:
        CompositionError: data that is no table, or has columns that are no counts.

    Examples:
        >>> likelihood = aezoo.parts.Counts(aezoo.DataSpec(shape=(3,)), law="poisson")
        >>> px = likelihood(torch.zeros(1, 1, 3))
        >>> round(px.log_prob(torch.tensor([[1.0, 1.0, 1.0]])).item(), 4)
        -3.0
    """

    capabilities = ("mass",)
    paces: ClassVar = {"log_dispersion": 10.0}
    log_sum: Tensor
    batches: Tensor
    MOMENTUM = 0.1

    def __init__(self, spec: DataSpec, law: Law = "negative-binomial", library: bool = True) -> None:
        odd = next((column.name for column in spec.columns if column.kind != "count" or column.holes), None)
        if len(spec.shape) != 1 or odd is not None or (spec.low is not None and spec.low < 0):
            what = f"column {odd!r} holds something else" if odd is not None else f"the data has shape {spec.shape}"
            raise CompositionError(
                f"likelihood counts is for tables of counts alone, and {what}: use --likelihood table."
            )
        if spec.size == 1 and library:
            raise CompositionError("the sum of a row of one column says it all: use likelihood counts,library=false.")
        super().__init__(spec, channels=2 if law == "zero-inflated" else 1)
        self.law, self.library = law, library
        self.entry = LogCounts(tuple(column.name for column in spec.columns) or tuple(map(str, range(spec.size))))
        if law != "poisson":
            self.log_dispersion = nn.Parameter(torch.zeros(spec.shape))
        if library:
            self.register_buffer("log_sum", torch.tensor(math.log(spec.size)))
            self.register_buffer("batches", torch.zeros(()))

    def forward(self, output: Tensor) -> CountsDistribution:
        """CountsDistribution with event (D,)."""
        values, zeros = output.chunk(2, dim=-1) if self.law == "zero-inflated" else (output, None)
        log_share = values.log_softmax(-1) if self.library else values
        dispersion = None if self.law == "poisson" else self.log_dispersion.to(output.dtype)
        return CountsDistribution(
            log_share,
            dispersion,
            zeros,
            self.log_sum if self.library else None,
            self._remember if self.training else None,
        )

    def outputs_of(self, mean: Tensor) -> Tensor | None:
        """Unknown: the means of counts are left alone."""
        return None

    def _remember(self, sums: Tensor) -> None:
        if self.library and torch.is_grad_enabled():
            with torch.no_grad():
                self.batches += 1
                mean = sums.clamp_min(1.0).log().mean().to(self.log_sum.dtype)
                self.log_sum.lerp_(mean, (1 / self.batches).clamp_min(self.MOMENTUM))


class CountsDistribution(Distribution):
    """Independent counts (…, D) given their sum, or, without ``log_sum``, of given means.

    ``log_share`` is log ρ (K, B, D), or the logarithm of the means.

    Examples:
        >>> px = aezoo.parts.Counts(aezoo.DataSpec(shape=(3,)))(torch.zeros(1, 2, 3))
        >>> px.mean.shape, px.sample((5,)).shape
        (torch.Size([1, 2, 3]), torch.Size([5, 1, 2, 3]))
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 - as torch declares it

    def __init__(
        self,
        log_share: Tensor,
        log_dispersion: Tensor | None,
        zeros: Tensor | None,
        log_sum: Tensor | None = None,
        seen: Any = None,
    ) -> None:
        self.log_share, self.log_dispersion, self.zeros = log_share, log_dispersion, zeros
        self._log_sum, self._seen = log_sum, seen
        super().__init__(log_share.shape[:-1], log_share.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(…, D), of a row of the usual sum."""
        mean = self.log_share.exp() if self._log_sum is None else (self.log_share + self._log_sum).exp()
        return mean if self.zeros is None else mean * (-self.zeros).sigmoid()

    @property
    def dense(self) -> Tensor:
        """log(1 + mean) (…, D), as a network takes it."""
        return self.mean.log1p()

    def residual(self, value: Tensor) -> Tensor:
        """log(1 + x) − log(1 + mean) (…, D), of means by the sums of the rows themselves."""
        return value.log1p() - self._mean_of(value).log1p()

    def _mean_of(self, value: Tensor) -> Tensor:
        mean = self._log_mean(value).exp()
        return mean if self.zeros is None else mean * (-self.zeros).sigmoid()

    def _log_mean(self, value: Tensor) -> Tensor:
        if self._log_sum is None:
            return self.log_share
        sums = value.sum(-1, keepdim=True)
        if self._seen is not None:
            self._seen(sums)
        # a row without any count says nothing
        return self.log_share + (sums + TINY).log()

    def by_column(self, value: Tensor) -> Tensor:
        """Log-probabilities (…, D) of each count of values (…, D), nats."""
        log_mean = self._log_mean(value)
        if self.log_dispersion is None:
            return value * log_mean - log_mean.exp() - torch.lgamma(value + 1)
        r = self.log_dispersion.exp()
        # log(r + m), of which both ratios are made
        total = torch.logaddexp(log_mean, self.log_dispersion.expand_as(log_mean))
        drawn: Tensor = (
            r * (self.log_dispersion - total)
            + value * (log_mean - total)
            + (_LogRising.apply(value, r) - torch.lgamma(value + 1))  # type: ignore[no-untyped-call]
        )
        if self.zeros is None:
            return drawn
        drawn = drawn + F.logsigmoid(-self.zeros)
        return torch.where(value == 0, torch.logaddexp(drawn, F.logsigmoid(self.zeros)), drawn)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability (…) of values (…, D), nats."""
        return self.by_column(value).sum(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws (*S, …, D) of rows of the usual sum; each count is drawn by itself."""
        with torch.no_grad():
            log_mean = self.log_share if self._log_sum is None else self.log_share + self._log_sum
            rate = log_mean.exp().expand(self._extended_shape(torch.Size(sample_shape)))
            if self.log_dispersion is not None:
                r = self.log_dispersion.exp().expand_as(rate)
                rate = torch._standard_gamma(r) * rate / r
            drawn = torch.poisson(rate)
            return drawn if self.zeros is None else drawn * torch.bernoulli((-self.zeros).sigmoid().expand_as(drawn))
