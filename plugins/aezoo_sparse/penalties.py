"""Penalties on the code: L1, and the divergence from a firing rate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.errors import CompositionError
from aezoo.parts import Regularizer


class L1(Regularizer):
    """‖z‖₁, nats: with weight 1/b, −log p(z) of a Laplace prior of scale b, up to the constant Z·log 2b.

    A decoder that may grow lets the code shrink and the penalty vanish, so ``unit_norm`` sets the columns of the
    decoder's first layer back to unit length after each step.
    """

    def __init__(self, unit_norm: bool = False) -> None:
        super().__init__()
        self.unit_norm = unit_norm

    def forward(self, z: Tensor) -> Tensor:
        """(K, B)."""
        return z.abs().flatten(2).sum(-1)

    def check(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Raises CompositionError when there are no atoms of the decoder's own to keep at unit length."""
        if self.unit_norm:
            _atoms(decoder)

    def after_step(self, decoder: nn.Module) -> None:
        """Puts the atoms back to unit length, unless they are frozen."""
        weight = _atoms(decoder) if self.unit_norm else None
        # members that are trained as one model hand in plain tensors for their parameters
        frozen = isinstance(weight, nn.Parameter) and not weight.requires_grad
        if weight is not None and not frozen:
            # torch's norm over the first axis of a wide matrix takes longer than the whole step
            weight.div_(weight.square().sum(0, keepdim=True).sqrt_().clamp_min(1e-12))


def _atoms(decoder: nn.Module) -> Tensor:
    """The decoder's first matrix (features, Z): its columns are the dictionary's atoms."""
    first = next((m for m in decoder.modules() if not any(m.children()) and any(True for _ in m.parameters())), None)
    if not isinstance(first, nn.Linear):
        raise CompositionError(
            "unit_norm needs a decoder whose first layer is a linear layer of its own: leave tied weights out, or set "
            "unit_norm=false."
        )
    return first.weight


class FiringRate(Regularizer):
    """Σ_j KL(ρ ‖ ρ̂_j), nats: ρ̂_j is unit j's mean activation over the batch. Ng 2011, CS294A lecture notes."""

    def __init__(self, rate: float = 0.05) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, z: Tensor) -> Tensor:
        """() for sigmoid codes z (K, B, *Z)."""
        # a unit that is off, or on, for a whole batch would cost an infinite amount
        mean = z.mean((0, 1)).clamp(1e-6, 1 - 1e-6)
        rate = torch.full_like(mean, self.rate)
        return (rate * (rate / mean).log() + (1 - rate) * ((1 - rate) / (1 - mean)).log()).sum()

    def check(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Raises CompositionError when the code is not a sigmoid's, so that no mean of it is a rate."""
        leaves = [m for m in encoder.modules() if not any(m.children()) and not isinstance(m, nn.Identity)]
        if not (leaves and isinstance(leaves[-1], nn.Sigmoid)):
            raise CompositionError(
                "firing-rate needs codes between 0 and 1: set code_activation sigmoid, or use regularizer l1."
            )
