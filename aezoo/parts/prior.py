"""p(z): priors over one code."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily
from torch.distributions import Normal as TorchNormal

from aezoo.errors import UsageError
from aezoo.parts.border import Border
from aezoo.parts.distributions import Laplace, Normal
from aezoo.parts.posterior import Posterior

Encode = Callable[[Tensor], Posterior]


class Prior(Border, ABC):
    """``forward(encode) → Distribution`` over one code, event *Z.

    ``encode`` maps data to a posterior, for priors that are made of encoded data. It is passed at each call and never
    stored: two owners of one tensor cannot be saved.

    Examples:
        >>> class Wide(aezoo.parts.Prior):
        ...     def forward(self, encode=None):
        ...         return torch.distributions.Independent(torch.distributions.Normal(torch.zeros(2), 3.0), 1)
        >>> Wide()().event_shape
        torch.Size([2])
    """

    @abstractmethod
    def forward(self, encode: Encode | None = None) -> Distribution:
        """The distribution over one code."""


class _Fixed(Prior):
    origin: Tensor

    def __init__(self, code_shape: tuple[int, ...]) -> None:
        super().__init__()
        # follows the model's device and dtype; a constant has no place in a checkpoint
        self.register_buffer("origin", torch.zeros(code_shape), persistent=False)


class StandardNormal(_Fixed):
    """N(0, I).

    Examples:
        >>> round(aezoo.parts.StandardNormal((2,))().log_prob(torch.zeros(2)).item(), 4)
        -1.8379
    """

    def forward(self, encode: Encode | None = None) -> Normal:
        """Normal with event *Z."""
        return Normal(self.origin, None, self.origin.dim())


class LaplacePrior(_Fixed):
    """Independent Laplace variables of scale b: −log p(z) = ‖z‖₁/b + Z·log 2b.

    Examples:
        >>> round(aezoo.parts.LaplacePrior((3,), scale=2.0)().log_prob(torch.zeros(3)).item(), 4)
        -4.1589
    """

    def __init__(self, code_shape: tuple[int, ...], scale: float = 1.0) -> None:
        super().__init__(code_shape)
        self.log_scale = math.log(scale)

    def forward(self, encode: Encode | None = None) -> Laplace:
        """Laplace with event *Z."""
        return Laplace(self.origin, self.origin.new_tensor(self.log_scale), self.origin.dim())


def laplace_weight(scale: float) -> float:
    """The weight w = 1/b of the penalty ‖z‖₁ that a Laplace prior of scale b puts on a code.

    −log p(z) = ‖z‖₁/b + Z·log 2b, whose second term moves no code. Raises UsageError unless 0 < b < ∞.

    Examples:
        >>> aezoo.parts.laplace_weight(2.0)
        0.5
    """
    return _reciprocal(scale, "the scale of a Laplace prior")


def laplace_scale(weight: float) -> float:
    """The scale b = 1/w of the Laplace prior that the penalty w·‖z‖₁ stands for; raises UsageError unless 0 < w < ∞.

    Examples:
        >>> aezoo.parts.laplace_scale(0.5)
        2.0
    """
    return _reciprocal(weight, "the weight of an L1 penalty that stands for a Laplace prior")


def _reciprocal(value: float, what: str) -> float:
    if not 0 < value < math.inf:
        raise UsageError(f"{what} must be positive and finite (got {value:g}).")
    return 1 / value


class MixtureOfGaussians(Prior):
    """A learned mixture of ``components`` diagonal Gaussians.

    Examples:
        >>> aezoo.parts.MixtureOfGaussians((2,), components=3)().sample((4,)).shape
        torch.Size([4, 2])
    """

    def __init__(self, code_shape: tuple[int, ...], components: int = 10) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        # apart from the start: components that begin equal have equal gradients and stay equal for ever
        self.means = nn.Parameter(torch.randn(components, *code_shape))
        self.log_scales = nn.Parameter(torch.zeros(components, *code_shape))

    def forward(self, encode: Encode | None = None) -> Distribution:
        """Mixture with event *Z."""
        normal = TorchNormal(self.means, self.log_scales.exp(), validate_args=False)
        parts: Any = Independent(normal, self.means.dim() - 1, validate_args=False)
        return MixtureSameFamily(Categorical(logits=self.logits, validate_args=False), parts, validate_args=False)
