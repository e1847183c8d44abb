"""The JumpReLU activation, and the L0 penalty that moves its thresholds. Rajamanoharan et al. 2024, arXiv:2407.14435.

H is the unit step, θ > 0 a unit's threshold, K the rectangle of unit width and height around 0, ε the bandwidth.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from aezoo.errors import CompositionError
from aezoo.parts import Point, Regularizer


class JumpReLU(nn.Module):
    """z·H(z − θ): what does not exceed its unit's threshold is zeroed, the rest is left as it is.

    The step has no useful derivative for θ; in its place stands ∂/∂θ = −(θ/ε)·K((z − θ)/ε), an estimate of the
    expected loss's derivative from the values within ε/2 of θ.

    Args:
        code_shape: *Z.
        threshold: every θ at first; log θ is what is learned.
        bandwidth: ε; a narrow one has fewer values to learn from, a wide one is biased.
    """

    def __init__(self, code_shape: tuple[int, ...], threshold: float = 0.1, bandwidth: float = 0.1) -> None:
        super().__init__()
        self.bandwidth = bandwidth
        self.log_threshold = nn.Parameter(torch.full(code_shape, math.log(threshold)))

    def forward(self, z: Tensor) -> Tensor:
        """(B, *Z) → (B, *Z)."""
        threshold = self.log_threshold.exp()
        # NaN is not hidden
        return torch.where(z <= threshold, 0.0, z) - threshold.detach() * self._jump(z, threshold)

    def active(self, z: Tensor) -> Tensor:
        """H(z − θ) (B, *Z) of codes before the activation, with the derivative −(1/ε)·K((z − θ)/ε) for θ alone."""
        threshold = self.log_threshold.exp()
        return (z > threshold).to(z.dtype) - self._jump(z, threshold)

    def _jump(self, z: Tensor, threshold: Tensor) -> Tensor:
        """Zero, with the derivative K((z − θ)/ε)/ε for θ."""
        window = ((z - threshold).abs() < self.bandwidth / 2).to(z.dtype) / self.bandwidth
        return window * (threshold - threshold.detach())


class L0(Regularizer):
    """Σ_j H(z_j − θ_j), the number of active units of a JumpReLU code; its gradient goes to the thresholds alone."""

    def __init__(self) -> None:
        super().__init__()
        # in a list, so that torch sees no second owner of the thresholds, which a checkpoint could not hold
        self._activation: list[JumpReLU] = []

    def forward(self, q: Point) -> Tensor:
        """(B,)."""
        return self._activation[0].active(q.before).flatten(1).sum(1)

    def check(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Raises CompositionError when the code is not a JumpReLU's, so that there are no thresholds to move."""
        activation = getattr(encoder, "activation", None)
        if not isinstance(activation, JumpReLU):
            raise CompositionError(
                "l0 moves the thresholds of a jumprelu code, and this code has none: set code_activation jumprelu, or "
                "use regularizer l1."
            )
        self._activation = [activation]
