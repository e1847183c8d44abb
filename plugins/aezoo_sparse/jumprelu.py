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
        """H(z − θ) (B, *Z) of codes before the activation, with derivatives that stand for those of the step.

        For θ that is −(1/ε)·K((z − θ)/ε); for an active z it is 1/((z + ε)·log(1 + 1/ε)).
        """
        threshold = self.log_threshold.exp()
        on = z > threshold
        pull = torch.where(on, 1 / ((z + self.bandwidth) * math.log1p(1 / self.bandwidth)), 0.0).detach()
        return on.to(z.dtype) - self._jump(z, threshold) + pull * (z - z.detach())

    def _jump(self, z: Tensor, threshold: Tensor) -> Tensor:
        """Zero, with the derivative K((z − θ)/ε)/ε for θ."""
        window = ((z - threshold).abs() < self.bandwidth / 2).to(z.dtype) / self.bandwidth
        return window * (threshold - threshold.detach())


class L0(Regularizer):
    """Σ_j H(z_j − θ_j), the number of active units of a JumpReLU code.

    Its gradient raises the thresholds that have values near them, and lowers every active value as the concave
    log(1 + z/ε)/log(1 + 1/ε) would, which is 0 at 0 and 1 at 1 (the reweighted ℓ1 of Candès, Wakin and Boyd 2008,
    doi:10.1007/s00041-008-9045-x). Of the thresholds' part alone a value far above its threshold feels nothing, and
    the number of active units does not answer to the weight.
    """

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
