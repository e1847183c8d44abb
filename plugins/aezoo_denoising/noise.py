"""Corruptions. Strengths are in the units of the preprocessed data."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

import aezoo
from aezoo.errors import CompositionError
from aezoo.parts import Corruption
from aezoo_denoising.options import Missing


class GaussianNoise(Corruption):
    """x + σ·ε with ε ~ N(0, I); of a mixed table on numbers and dates alone."""

    kept: Tensor | None

    def __init__(self, strength: float = 0.2, seed: int | None = None, spec: aezoo.DataSpec | None = None) -> None:
        super().__init__(seed)
        self.strength = strength
        self.noise_variance = strength**2
        self.register_buffer("kept", _kept(spec), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, *X) → (B, *X)."""
        noise = self.normal(x)
        return torch.add(x, noise if self.kept is None else noise.masked_fill(self.kept, 0.0), alpha=self.strength)


class Swap(Corruption):
    """Each value is, with probability ``strength``, that of the same column or pixel in another row of the batch.

    What stands in a cell stays a value that its column has, whatever its kind. Yoon et al. 2020, VIME.
    """

    def __init__(self, strength: float = 0.15, seed: int | None = None) -> None:
        super().__init__(seed)
        self.strength = strength

    def forward(self, x: Tensor) -> Tensor:
        """(B, *X) → (B, *X)."""
        # one draw says both whether and from where: what lies below the strength is uniform there too
        uniform = self.uniform(x)
        step = (uniform * ((len(x) - 1) / self.strength)).long() + 1
        rows = torch.arange(len(x), device=x.device).view(-1, *(1 for _ in x.shape[1:]))
        return torch.where(uniform < self.strength, x.gather(0, (rows + step) % len(x)), x)


def _kept(spec: aezoo.DataSpec | None) -> Tensor | None:
    """Which columns (D,) of a mixed table are no real values; None where all are."""
    kept = [not column.scaled for column in spec.columns] if spec is not None else []
    return torch.tensor(kept) if any(kept) else None


class Masking(Corruption):
    """Each value is missing with probability ``strength``.

    Levels and counts of a mixed table are missing then. What else stands in its place is, by ``missing``, zero, which
    of standardised data is the mean; the mean of each value over the training rows; a value of each that is learned; or
    nothing, where a channel tells the encoder of the mask.
    """

    fill: Tensor
    kept: Tensor | None

    def __init__(
        self, spec: aezoo.DataSpec, strength: float = 0.3, missing: Missing = "zero", seed: int | None = None
    ) -> None:
        super().__init__(seed)
        self.strength = strength
        self.missing = missing
        self.register_buffer("kept", _kept(spec), persistent=False)
        self.marks_missing = missing == "channel"
        if missing == "learned":
            self.fill = nn.Parameter(torch.zeros(spec.shape))
        elif missing == "mean":
            self.register_buffer("fill", torch.zeros(spec.shape))

    def before_training(self, mean: Tensor) -> None:
        """Takes the mean (*X) of the training rows, where that is what a missing value becomes."""
        if self.missing == "mean":
            self.fill.copy_(mean)

    def forward(self, x: Tensor) -> Tensor:
        """(B, *X) → (B, *X)."""
        masked = self.uniform(x) < self.strength
        if self.kept is not None:
            x = x.masked_fill(masked & self.kept, math.nan)
            masked = masked & ~self.kept
        if self.missing in ("mean", "learned"):
            return torch.where(masked, self.fill.to(x.dtype), x)
        return x.masked_fill(masked, math.nan if self.marks_missing else 0.0)


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
