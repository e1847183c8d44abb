"""Corruptions. Strengths are in the units of the preprocessed data."""

from __future__ import annotations

import torch
from torch import Tensor

import aezoo
from aezoo.errors import CompositionError
from aezoo.parts import Corruption


class GaussianNoise(Corruption):
    """x + σ·ε with ε ~ N(0, I)."""

    def __init__(self, strength: float = 0.2, seed: int | None = None) -> None:
        super().__init__(seed)
        self.strength = strength
        self.noise_variance = strength**2

    def forward(self, x: Tensor) -> Tensor:
        """(B, *X) → (B, *X)."""
        return torch.add(x, self.normal(x), alpha=self.strength)


class Masking(Corruption):
    """Each value is set to zero with probability ``strength``."""

    def __init__(self, strength: float = 0.3, seed: int | None = None) -> None:
        super().__init__(seed)
        self.strength = strength

    def forward(self, x: Tensor) -> Tensor:
        """(B, *X) → (B, *X)."""
        return x.masked_fill(self.uniform(x) < self.strength, 0.0)


class SaltAndPepper(Corruption):
    """Each value is set, with probability ``strength``, to the least or the greatest value, by a fair coin.

    Raises:
        CompositionError: the range of the preprocessed data is not known.
    """

    def __init__(self, spec: aezoo.DataSpec, strength: float = 0.3, seed: int | None = None) -> None:
        super().__init__(seed)
        if spec.low is None or spec.high is None:
            raise CompositionError(
                "salt-and-pepper needs data of a known range: use --preprocess minmax, or --corruption masking."
            )
        self.strength, self.low, self.high = strength, spec.low, spec.high

    def forward(self, x: Tensor) -> Tensor:
        """(B, *X) → (B, *X)."""
        uniform = self.uniform(x)
        salted = torch.where(uniform < self.strength / 2, self.low, x)
        return torch.where((uniform >= self.strength / 2) & (uniform < self.strength), self.high, salted)
