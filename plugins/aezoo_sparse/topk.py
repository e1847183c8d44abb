"""The TopK activation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.errors import CompositionError


class TopK(nn.Module):
    """Keeps the ``k`` largest values of a code, rectified, and zeroes the rest: at most k non-zeros.

    Makhzani & Frey 2014, arXiv:1312.5663; rectified as in Gao et al. 2024, arXiv:2406.04093.
    """

    def __init__(self, k: int = 8) -> None:
        super().__init__()
        self.k = k

    def forward(self, z: Tensor) -> Tensor:
        """(…, Z) → (…, Z); raises CompositionError for a code of fewer than k values."""
        if self.k > z.shape[-1]:
            raise CompositionError(f"topk keeps k={self.k} of a code of {z.shape[-1]}: lower k or raise latent_dim.")
        values, index = z.topk(self.k, dim=-1, sorted=False)
        return torch.zeros_like(z).scatter(-1, index, values.relu())
