"""What an autoencoder must know of the scaling of raw data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Scaling(nn.Module, ABC):
    """An affine map of raw data to what the networks see, ``(x − shift)·scale``, saved with them.

    Examples:
        >>> run.model.preprocess.inverse(torch.tensor([0.5])).item()
        8.0
    """

    shift: Tensor
    scale: Tensor
    fitted: Tensor
    """() bool: whether there is nothing left to fit."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fitted", torch.tensor(False))

    @abstractmethod
    def forward(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Scaled data (…, *X) of type ``dtype``."""

    @abstractmethod
    def inverse(self, x: Tensor) -> Tensor:
        """Raw data (…, *X) of scaled data."""

    @abstractmethod
    def log_det(self) -> Tensor:
        """(), nats: log p_raw(x) = log p_scaled(forward(x)) + log_det()."""

    @abstractmethod
    def fit(self, batches: Iterable[Tensor]) -> None:
        """Sets the buffers from raw batches (n, *X) of the training split."""
