"""Activations that keep the largest values: of each code, of a batch of codes, or of each unit over a batch.

Shapes: Z values of one code; the axes before it, (…), are rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.errors import CompositionError
from aezoo.parts import Selection, Support

# the largest values of a wide code are sought in its best groups: in half the time, from 8,192 units on
GROUPS, WIDE = 16, 4096


class TopK(Selection):
    """Keeps the ``k`` largest values of a code, rectified, and zeroes the rest: at most k non-zeros.

    Makhzani & Frey 2014, arXiv:1312.5663; rectified as in Gao et al. 2024, arXiv:2406.04093.
    """

    def __init__(self, k: int = 8) -> None:
        super().__init__()
        self.k = k

    def forward(self, z: Tensor) -> Tensor:
        """(…, Z) → (…, Z); raises CompositionError for a code of fewer than k values."""
        _check_size("topk", self.k, z)
        return _largest(z, self.k)

    def select(self, z: Tensor) -> Support:
        """Where the k largest values of each code (B, Z) are; raises as ``forward``."""
        _check_size("topk", self.k, z)
        return Support.of_rows(_places(z, self.k), z.shape[-1])


class BatchTopK(nn.Module):
    """Keeps the k·B largest values of a batch of B codes, rectified: k a code on average, few or many where it needs.

    That ties a code to its neighbours, so in evaluation mode the values above a threshold are kept instead: a moving
    average, over the training batches, of the smallest value kept. It is 0 before training, where all that is positive
    is kept; passes without gradients leave it as it is. Bussmann et al. 2024, arXiv:2412.06410.
    """

    MOMENTUM = 0.1
    threshold: Tensor

    def __init__(self, k: int = 8) -> None:
        super().__init__()
        self.k = k
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        """(…, Z) → (…, Z); raises CompositionError for a code of fewer than k values."""
        _check_size("batch-topk", self.k, z)
        if not self.training:
            # NaN is not hidden
            return torch.where(z <= self.threshold, 0.0, z)
        kept = _largest(z.flatten(), self.k * (z.numel() // z.shape[-1])).view_as(z)
        if torch.is_grad_enabled():
            self._follow(kept.detach())
        return kept

    def _follow(self, kept: Tensor) -> None:
        smallest = torch.where(kept > 0, kept, torch.inf).amin().to(self.threshold.dtype)
        moved = torch.where(self.threshold > 0, self.threshold.lerp(smallest, self.MOMENTUM), smallest)
        # a batch without a positive value has no smallest one
        self.threshold.copy_(torch.where(smallest.isinf(), self.threshold, moved))


class WinnerTakeAll(nn.Module):
    """Keeps of each unit the largest ``share`` of its values over the batch, at least one, rectified.

    So every unit is used, and equally often (lifetime sparsity). In evaluation mode it is a plain ReLU, and a code does
    not depend on its neighbours. Makhzani & Frey 2015, arXiv:1409.2752.
    """

    def __init__(self, share: float = 0.05) -> None:
        super().__init__()
        self.share = share

    def forward(self, z: Tensor) -> Tensor:
        """(…, Z) → (…, Z)."""
        if not self.training:
            return z.relu()
        units = z.flatten(0, -2).t() if z.dim() > 1 else z[:, None]
        return _largest(units, max(1, round(self.share * units.shape[1]))).t().reshape(z.shape)


def _largest(z: Tensor, count: int) -> Tensor:
    """The ``count`` largest values along the last axis, rectified, and zeros in the place of the rest."""
    values, index = z.topk(count, dim=-1, sorted=False)
    return torch.zeros_like(z).scatter(-1, index, values.relu())


def _places(z: Tensor, count: int) -> Tensor:
    """Where the ``count`` largest values of each row (B, Z) are, (B, count).

    No more than ``count`` groups of values hold one of them, and these are the groups with the largest maxima.
    """
    width, left_over = divmod(z.shape[1], GROUPS)
    if z.shape[1] < WIDE or left_over or width < 4 * count:
        return z.topk(count, sorted=False).indices
    group = z.view(len(z), GROUPS, width).amax(1).topk(count, sorted=False).indices
    members = torch.arange(0, z.shape[1], width, device=z.device)
    candidates = (group[:, None] + members[:, None]).flatten(1)
    return candidates.gather(1, z.gather(1, candidates).topk(count, sorted=False).indices)


def _check_size(name: str, k: int, z: Tensor) -> None:
    if k > z.shape[-1]:
        raise CompositionError(f"{name} keeps k={k} of a code of {z.shape[-1]}: lower k or raise latent_dim.")
