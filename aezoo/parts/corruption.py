"""C(x̃ | x): what the encoder gets to see in training. The target stays the clean x."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import cast

import torch
from torch import Tensor, nn


class Corruption(nn.Module, ABC):
    """``forward(x: (B, *X)) → x̃ (B, *X)`` of the preprocessed data.

    Args:
        seed: a random stream of its own; None draws from the run's stream, which ``--seed`` sets.

    Examples:
        >>> class Halved(aezoo.parts.Corruption):
        ...     def forward(self, x):
        ...         return x / 2
        >>> Halved()(torch.ones(1, 2)).tolist()
        [[0.5, 0.5]]
    """

    noise_variance: float | None = None
    """σ² where the corruption adds Gaussian noise, which makes the reconstruction an estimate of the score."""
    marks_missing = False
    """Whether it gives NaN for values that are missing, which the encoder's network is told of by a mask."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__()
        self.seed = seed
        self._generator: torch.Generator | None = None

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """A corrupted copy of ``x``; ``x`` itself is left as it is."""

    def before_training(self, mean: Tensor) -> None:
        """Called once, without gradients, before the first step of a training, with the mean of its rows (*X)."""

    def generator(self, device: torch.device) -> torch.Generator | None:
        """The corruption's own random stream on ``device``, or None for the run's."""
        if self.seed is not None and (self._generator is None or self._generator.device != device):
            self._generator = torch.Generator(device).manual_seed(self.seed)
        return self._generator

    def uniform(self, x: Tensor) -> Tensor:
        """Uniform numbers in [0, 1) of the shape of ``x``, from the corruption's stream."""
        return torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=self.generator(x.device))

    def normal(self, x: Tensor) -> Tensor:
        """Standard normal numbers of the shape of ``x``, from the corruption's stream."""
        return torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=self.generator(x.device))


class MaskChannel(nn.Module):
    """A network that is told which values are missing: it sees 0 in place of NaN, and a mask of those beside.

    Args:
        network: from (B, 2·C, …), where a datum is (C, …): tables have twice the columns, images twice the channels.

    Examples:
        >>> network = aezoo.parts.MaskChannel(torch.nn.Identity())
        >>> network(torch.tensor([[5.0, torch.nan]])).tolist()
        [[5.0, 0.0, 0.0, 1.0]]
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, …) → what the network gives."""
        missing = x.isnan()
        return cast(Tensor, self.network(torch.cat([x.masked_fill(missing, 0.0), missing.to(x.dtype)], dim=1)))
