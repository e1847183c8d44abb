"""Encoders: from data to a posterior over codes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from aezoo.parts.distributions import Normal
from aezoo.parts.posterior import Point, Posterior


class Encoder(nn.Module, ABC):
    """``forward(x: (B, *X)) → Posterior`` over codes (B, *Z)."""

    outputs_per_code = 1
    """How many values of its network the encoder needs for each value of the code."""

    @abstractmethod
    def forward(self, x: Tensor) -> Posterior:
        """The posterior of each row."""


class PointEncoder(Encoder):
    """A deterministic code: z = activation(network(x)).

    Args:
        network: any module from (B, *X) to (B, *Z).
        activation: applied to the code, such as ``nn.Sigmoid()`` or ``TopK(8)``.
    """

    def __init__(self, network: nn.Module, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.activation = nn.Identity() if activation is None else activation

    def forward(self, x: Tensor) -> Point:
        """All mass on the code (B, *Z)."""
        # under autocast the network answers in 16 bits, and penalties are sums over many codes
        before = self.network(x).to(x.dtype)
        return Point(self.activation(before), before)


class GaussianEncoder(Encoder):
    """A diagonal Gaussian over codes, N(μ(x), σ(x)²).

    Args:
        network: any module from (B, *X) to (B, 2·Z), the halves being μ and log σ².
    """

    outputs_per_code = 2
    # outside e^±9 a float32 variance or its inverse loses all meaning; a slope is left there, to lead back from it
    LOG_SCALE_BOUND = 9.0
    LEAK = 0.01

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Normal:
        """The Gaussian of each row, event (Z,)."""
        mean, log_variance = self.network(x).to(x.dtype).chunk(2, dim=-1)
        log_scale = 0.5 * log_variance
        bounded = log_scale.clamp(-self.LOG_SCALE_BOUND, self.LOG_SCALE_BOUND)
        return Normal(mean, bounded + self.LEAK * (log_scale - bounded), event_dims=1)
