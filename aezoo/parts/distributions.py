"""Distributions over one code or one datum that cost no more passes over memory than their formula needs.

Every one has ``log_prob`` in nats, summed over the event. torch's own ``Independent(Normal)`` makes seven passes and
checks its arguments each time; it fits everywhere that these do.

Shapes: ``*S`` draws, ``*B`` batch, ``*E`` event.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, Independent, constraints, register_kl

LOG_2PI = math.log(2 * math.pi)


def sum_event(values: Tensor, dims: int) -> Tensor:
    """Sums over the last ``dims`` axes."""
    return values.flatten(-dims).sum(-1) if dims else values


def by_value(p: Any, value: Tensor) -> Tensor | None:
    """Log-density (*S, *B, *E) of each value by itself, where ``p`` is of independent ones; else None.

    Nats; summed over the event they are ``p.log_prob(value)``.

    Examples:
        >>> p = aezoo.parts.Normal(torch.zeros(1, 2), None, 1)
        >>> each = aezoo.parts.by_value(p, torch.tensor([[0.0, 2.0]]))
        >>> [round(nats, 4) for nats in each[0].tolist()]
        [-0.9189, -2.9189]
    """
    if hasattr(p, "by_column"):
        found: Tensor = p.by_column(value)
        return found
    if isinstance(p, Independent) and not p.base_dist.event_shape:
        each: Tensor = p.base_dist.log_prob(value)
        return each
    if isinstance(p, LocationScale | Bernoulli | ContinuousBernoulli) and getattr(p, "fit", None) is None:
        alone = copy.copy(p)
        alone.event_dims = 0
        alone._batch_shape, alone._event_shape = torch.Size([*p.batch_shape, *p.event_shape]), torch.Size()
        return alone.log_prob(value)
    if isinstance(p, Levels):
        return p.log_prob_of_each(value)
    return None


class LocationScale(Distribution):
    """A distribution of independent values with location ``loc (*B, *E)`` and log-scale broadcastable to it.

    ``log_scale`` is None for scale 1, which then costs nothing. ``fit``, where given, maps the deviations from ``loc``
    of the values whose density is asked to the log-scale () to take for them, instead of ``log_scale``.
    """

    has_rsample = True
    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 - as torch declares it
    _degree: int
    """The log kernel of c·x is c to this power times that of x."""

    def __init__(
        self,
        loc: Tensor,
        log_scale: Tensor | None,
        event_dims: int,
        fit: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.loc = loc
        self.log_scale = log_scale
        self.fit = fit
        self.event_dims = event_dims
        split = loc.dim() - event_dims
        super().__init__(loc.shape[:split], loc.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The location (*B, *E)."""
        return self.loc

    @property
    def scale(self) -> Tensor:
        """The scale, broadcast to (*B, *E)."""
        return torch.ones_like(self.loc) if self.log_scale is None else self.log_scale.exp().expand_as(self.loc)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Reparameterised draws (*S, *B, *E)."""
        noise = self._noise(self._extended_shape(torch.Size(sample_shape)))
        return self.loc + (noise if self.log_scale is None else noise * self.log_scale.exp())

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density (*S, *B), nats."""
        if self.fit is None and (self.log_scale is None or self.log_scale.dim() == 0):
            # one scale for all values: applied to their sum, not to each
            kernel, norm = self._unit_log_kernel(value), self._log_norm() * self._event_size()
            if self.log_scale is None:
                return kernel + norm
            return kernel * (-self._degree * self.log_scale).exp() + (norm - self._event_size() * self.log_scale)
        deviation = value - self.loc
        log_scale = self.log_scale if self.fit is None else self.fit(deviation)
        assert log_scale is not None
        kernel = sum_event(self._log_kernel(deviation * (-log_scale).exp()), self.event_dims)
        if log_scale.dim() and log_scale.shape[-self.event_dims :] == self.event_shape:
            log_scales = sum_event(log_scale, self.event_dims)
        elif log_scale.dim() == 0:
            log_scales = log_scale * self._event_size()
        else:
            log_scales = sum_event(log_scale.expand_as(self.loc), self.event_dims)
        return kernel - log_scales + self._log_norm() * self._event_size()

    def _entropy_from(self, per_value: float) -> Tensor:
        if self.log_scale is None:
            return self.loc.new_full(self.batch_shape, per_value * self._event_size())
        return sum_event(self.log_scale.expand_as(self.loc), self.event_dims) + per_value * self._event_size()

    def _event_size(self) -> int:
        return math.prod(self.event_shape)

    def _unit_log_kernel(self, value: Tensor) -> Tensor:
        return sum_event(self._log_kernel(value - self.loc), self.event_dims)

    def _noise(self, shape: torch.Size) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def _log_kernel(standardized: Tensor) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def _log_norm() -> float:
        raise NotImplementedError


class Normal(LocationScale):
    """Independent Gaussians; ``log_scale`` is log σ.

    Examples:
        >>> p = aezoo.parts.Normal(torch.zeros(1, 2), None, 1)
        >>> round(p.log_prob(torch.zeros(1, 2)).item(), 4)
        -1.8379
    """

    _degree = 2

    @property
    def variance(self) -> Tensor:
        """σ², broadcast to (*B, *E)."""
        return self.scale.square()

    def entropy(self) -> Tensor:
        """Entropy (*B), nats."""
        return self._entropy_from(0.5 * LOG_2PI + 0.5)

    def _unit_log_kernel(self, value: Tensor) -> Tensor:
        # one pass each way instead of two
        loc, value = torch.broadcast_tensors(self.loc, value)
        squares = F.mse_loss(loc, value, reduction="none")
        return -0.5 * sum_event(squares, self.event_dims)

    def _noise(self, shape: torch.Size) -> Tensor:
        return torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)

    @staticmethod
    def _log_kernel(standardized: Tensor) -> Tensor:
        return -0.5 * standardized.square()

    @staticmethod
    def _log_norm() -> float:
        return -0.5 * LOG_2PI


class Laplace(LocationScale):
    """Independent Laplace variables; ``log_scale`` is log b.

    Examples:
        >>> p = aezoo.parts.LaplaceDistribution(torch.zeros(1, 2), None, 1)
        >>> round(p.log_prob(torch.ones(1, 2)).item(), 4)
        -3.3863
    """

    _degree = 1

    @property
    def variance(self) -> Tensor:
        """2b², broadcast to (*B, *E)."""
        return 2 * self.scale.square()

    def entropy(self) -> Tensor:
        """Entropy (*B), nats."""
        return self._entropy_from(1 + math.log(2))

    def _noise(self, shape: torch.Size) -> Tensor:
        finfo = torch.finfo(self.loc.dtype)
        uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device) * (2 - finfo.eps) - (1 - finfo.eps)
        return -uniform.sign() * torch.log1p(-uniform.abs().clamp(max=1 - finfo.eps))

    @staticmethod
    def _log_kernel(standardized: Tensor) -> Tensor:
        return -standardized.abs()

    @staticmethod
    def _log_norm() -> float:
        return -math.log(2)


class Bernoulli(Distribution):
    """Independent Bernoulli variables by their logits (*B, *E).

    A value inside (0, 1) is scored by the cross-entropy, the usual loss for grey levels; only on {0, 1} is that the
    log of a probability.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012

    def __init__(self, logits: Tensor, event_dims: int) -> None:
        self.logits = logits
        self.event_dims = event_dims
        split = logits.dim() - event_dims
        super().__init__(logits.shape[:split], logits.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Probabilities (*B, *E)."""
        return self.logits.sigmoid()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws (*S, *B, *E) of zeros and ones."""
        with torch.no_grad():
            return torch.bernoulli(self.mean.expand(self._extended_shape(torch.Size(sample_shape))))

    def log_prob(self, value: Tensor) -> Tensor:
        """Minus the cross-entropy (*S, *B), nats."""
        logits, value = torch.broadcast_tensors(self.logits, value)
        return -sum_event(F.binary_cross_entropy_with_logits(logits, value, reduction="none"), self.event_dims)


class ContinuousBernoulli(Distribution):
    """Independent continuous Bernoulli variables on [0, 1] by their logits l (*B, *E): density l·exp(l·x)/(exp(l) − 1).

    Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845. torch's own clamps probabilities, which for logits beyond ±16, as
    black and white pixels have, is no density any more.
    """

    has_rsample = True
    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012
    # nearer to l = 0 the formulas are differences of large numbers, and their series is exact
    NEAR = 0.05

    def __init__(self, logits: Tensor, event_dims: int) -> None:
        self.logits = logits
        self.event_dims = event_dims
        split = logits.dim() - event_dims
        super().__init__(logits.shape[:split], logits.shape[split:], validate_args=False)

    def _apart(self, distance: float = NEAR) -> tuple[Tensor, Tensor]:
        near = self.logits.abs() < distance
        return near, torch.where(near, 1.0, self.logits)

    @property
    def mean(self) -> Tensor:
        """Expected values (*B, *E)."""
        near, logits = self._apart()
        series = 0.5 + self.logits / 12 - self.logits.pow(3) / 720
        # −1/expm1(−l), written for the sign that does not overflow
        decay = (-logits.abs()).exp()
        weight = torch.where(logits > 0, 1.0, decay) / -torch.expm1(-logits.abs()) * logits.sign()
        return torch.where(near, series, weight - 1 / logits)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws (*S, *B, *E), by the inverse of the distribution function."""
        shape = self._extended_shape(torch.Size(sample_shape))
        uniform = torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device)
        near, logits = self._apart(1e-3)
        size = logits.abs()
        # for l < 0; for l > 0 it is the mirror image
        low = -torch.log1p(uniform * torch.expm1(-size)) / size
        series = uniform + self.logits * uniform * (1 - uniform) / 2
        return torch.where(near, series, torch.where(logits > 0, 1 - low, low)).clamp(0, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density (*S, *B), nats."""
        near, logits = self._apart()
        size = logits.abs()
        series = self.logits / 2 + self.logits.square() / 24 - self.logits.pow(4) / 2880
        exact = logits.clamp_min(0) + torch.log(-torch.expm1(-size)) - size.log()
        return sum_event(value * self.logits - torch.where(near, series, exact), self.event_dims)


class Levels(Distribution):
    """Independent categorical variables over L levels, equally spaced from ``low`` to ``high``; logits (*B, L, *E).

    Examples:
        >>> p = aezoo.parts.Levels(torch.zeros(1, 5, 2), 1, low=0.0, high=4.0)
        >>> p.mean.tolist(), round(p.log_prob(torch.zeros(1, 2)).item(), 3)
        ([[2.0, 2.0]], -3.219)
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012

    def __init__(self, logits: Tensor, event_dims: int, low: float, high: float) -> None:
        self.logits = logits
        self.event_dims = event_dims
        self.low, self.high = low, high
        self.levels = logits.shape[-event_dims - 1]
        super().__init__(
            logits.shape[: -event_dims - 1], logits.shape[logits.dim() - event_dims :], validate_args=False
        )

    def _values(self) -> Tensor:
        grid = torch.linspace(self.low, self.high, self.levels, dtype=self.logits.dtype, device=self.logits.device)
        return grid.view(-1, *(1,) * self.event_dims)

    @property
    def mean(self) -> Tensor:
        """The expected level (*B, *E), in the data's units."""
        axis = -self.event_dims - 1
        return (self.logits.softmax(axis) * self._values()).sum(axis)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws (*S, *B, *E) of levels, in the data's units."""
        axis = -self.event_dims - 1
        with torch.no_grad():
            drawn = torch.distributions.Categorical(logits=self.logits.movedim(axis, -1), validate_args=False)
            return self._values().flatten()[drawn.sample(torch.Size(sample_shape))]

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability (*S, *B), nats, of the level nearest to each value."""
        return sum_event(self.log_prob_of_each(value), self.event_dims)

    def log_prob_of_each(self, value: Tensor) -> Tensor:
        """Log-probability (*S, *B, *E) of each value by itself, nats."""
        axis = -self.event_dims - 1
        step = (self.high - self.low) / (self.levels - 1)
        index = ((value - self.low) / step).round().long().clamp(0, self.levels - 1).unsqueeze(axis)
        batch = torch.broadcast_shapes(index.shape[:axis], self.batch_shape)
        index = index.expand(*batch, 1, *self.event_shape)
        logits = self.logits.log_softmax(axis).expand(*batch, self.levels, *self.event_shape)
        return logits.gather(axis, index).squeeze(axis)


@register_kl(Normal, Normal)  # type: ignore[untyped-decorator]
def _kl_normal_normal(q: Normal, p: Normal) -> Tensor:
    log_ratio = 2 * (q.log_scale if q.log_scale is not None else q.loc.new_zeros(()))
    shift = q.loc - p.loc
    if p.log_scale is not None:
        log_ratio = log_ratio - 2 * p.log_scale
        shift = shift * (-p.log_scale).exp()
    terms = log_ratio.exp() + shift.square() - log_ratio
    return 0.5 * (sum_event(terms.expand_as(q.loc), q.event_dims) - math.prod(q.event_shape))


@register_kl(torch.distributions.Independent, Normal)  # type: ignore[untyped-decorator]
def _kl_torch_normal_normal(q: torch.distributions.Independent[torch.distributions.Normal], p: Normal) -> Tensor:
    """So that a user's own posterior, made of torch's parts, meets the priors here in closed form."""
    if not isinstance(q.base_dist, torch.distributions.Normal):
        raise NotImplementedError
    events = q.reinterpreted_batch_ndims
    return _kl_normal_normal(Normal(q.base_dist.loc, q.base_dist.scale.log(), events), p)  # type: ignore[no-any-return]


@register_kl(Laplace, Laplace)  # type: ignore[untyped-decorator]
def _kl_laplace_laplace(q: Laplace, p: Laplace) -> Tensor:
    log_ratio = p.scale.log() - q.scale.log()
    distance = (q.loc - p.loc).abs() / q.scale
    return sum_event(log_ratio + (-log_ratio).exp() * ((-distance).exp() + distance) - 1, q.event_dims)


@register_kl(Normal, Laplace)  # type: ignore[untyped-decorator]
def _kl_normal_laplace(q: Normal, p: Laplace) -> Tensor:
    # E|z − m| of a Gaussian is the mean of a folded normal
    mean, scale = q.loc - p.loc, q.scale
    folded = scale * math.sqrt(2 / math.pi) * (-0.5 * (mean / scale).square()).exp()
    folded = folded + mean * torch.erf(mean / (scale * math.sqrt(2)))
    cross = (folded / p.scale + p.scale.log() + math.log(2)).expand_as(q.loc)
    return sum_event(cross, q.event_dims) - q.entropy()


@register_kl(Bernoulli, Bernoulli)  # type: ignore[untyped-decorator]
def _kl_bernoulli_bernoulli(q: Bernoulli, p: Bernoulli) -> Tensor:
    """Σ q·log(q/p) + (1 − q)·log((1 − q)/(1 − p)), by logits: no probability that rounds to 0 or 1 is divided by."""
    ones = q.logits.sigmoid() * (F.softplus(-p.logits) - F.softplus(-q.logits))
    zeros = (-q.logits).sigmoid() * (F.softplus(p.logits) - F.softplus(q.logits))
    return sum_event(ones + zeros, q.event_dims)


@register_kl(Levels, Levels)  # type: ignore[untyped-decorator]
def _kl_levels_levels(q: Levels, p: Levels) -> Tensor:
    """Σ over values and levels of q·log(q/p); there is no closed form between different levels."""
    if (q.levels, q.low, q.high) != (p.levels, p.low, p.high):
        raise NotImplementedError
    axis = -q.event_dims - 1
    log_q, log_p = q.logits.log_softmax(axis), p.logits.log_softmax(axis)
    return sum_event((log_q.exp() * (log_q - log_p)).sum(axis), q.event_dims)
