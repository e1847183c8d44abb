"""Encoders: from data to a posterior over codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.parts.border import Border
from aezoo.parts.distributions import Normal
from aezoo.parts.posterior import Point, Posterior, SparsePoint
from aezoo.parts.sparse import Selection, affine_at, linear_at, pays, transforming


class Encoder(Border, ABC):
    """``forward(x: (B, *X)) → Posterior`` over codes (B, *Z).

    Examples:
        >>> class Sign(aezoo.parts.Encoder):
        ...     def forward(self, x):
        ...         return aezoo.parts.Point(x.sign())
        >>> Sign()(torch.tensor([[-2.0, 3.0]])).mean.tolist()
        [[-1.0, 1.0]]
    """

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

    Examples:
        >>> encoder = aezoo.parts.PointEncoder(torch.nn.Linear(6, 2), torch.nn.Sigmoid())
        >>> encoder(torch.zeros(5, 6)).mean.shape
        torch.Size([5, 2])
    """

    def __init__(self, network: nn.Module, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.activation = nn.Identity() if activation is None else activation

    def forward(self, x: Tensor) -> Point:
        """All mass on the code (B, *Z): a SparsePoint where few of many values are kept, and that is faster."""
        last = self._last(x)
        if last is None:
            # under autocast the network answers in 16 bits, and penalties are sums over many codes
            before = self.network(x).to(x.dtype)
            return Point(self.activation(before), before)
        earlier, layer, selection = last
        h = x
        for module in earlier:
            h = module(h)
        if h.dim() != 2:
            before = layer(h).to(x.dtype)
            return Point(self.activation(before), before)
        values, support = affine_at(h, layer, selection)
        return SparsePoint(values.to(x.dtype).relu(), support, lambda units: _outputs(layer, h, units).to(x.dtype))

    def _last(self, x: Tensor) -> tuple[list[nn.Module], nn.Linear, Selection] | None:
        """The network's layers and its last, of whose outputs few are kept, where products by rows pay."""
        if not isinstance(self.activation, Selection) or transforming():
            return None
        found = linear_at(self.network, -1)
        if found is None or not pays(found[1].out_features, self.activation.k, found[1].in_features, x.device):
            return None
        return *found, self.activation


def _outputs(layer: nn.Linear, h: Tensor, units: Tensor | None) -> Tensor:
    """Of a linear layer, all or those of ``units`` (n,)."""
    if units is None:
        return cast(Tensor, layer(h))
    return F.linear(h, layer.weight[units], None if layer.bias is None else layer.bias[units])


class GaussianEncoder(Encoder):
    """A diagonal Gaussian over codes, N(μ(x), σ(x)²).

    Args:
        network: any module from (B, *X) to (B, 2·Z), the halves being μ and log σ².

    Examples:
        >>> q = aezoo.parts.GaussianEncoder(torch.nn.Linear(6, 4))(torch.zeros(5, 6))
        >>> q.mean.shape, q.rsample((3,)).shape
        (torch.Size([5, 2]), torch.Size([3, 5, 2]))
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
        bounded = F.hardtanh(log_scale, -self.LOG_SCALE_BOUND, self.LOG_SCALE_BOUND)
        return Normal(mean, log_scale.lerp(bounded, 1 - self.LEAK), event_dims=1)
