"""The maths, imported only when a model is built. Shapes: B batch, K draws, *Z one code of J units."""

from __future__ import annotations

import torch
from aezoo.parts import Regularizer
from torch import Tensor

# a unit that never moves has no correlation, and 0 / 0 would have no gradient
LEAST_VARIANCE = 1e-5


class MyModelPenalty(Regularizer):
    """½ Σ_{i≠j} C_ij², nats, with C (J, J) the units' covariance over draws and batch, divided by their number.

    With ``standardize`` C is the correlation, from the variance + 10⁻⁵ of each unit: between 0 and ½ J(J − 1).

    Cogswell et al. 2016, Reducing overfitting in deep networks by decorrelating representations, arXiv:1511.06068.

    Args:
        standardize: whether C is the correlation.
    """

    def __init__(self, standardize: bool = True) -> None:
        super().__init__()
        self.standardize = standardize

    def forward(self, z: Tensor) -> Tensor:
        """(), nats, of the draws ``z`` (K, B, *Z)."""
        units = z.flatten(2).flatten(0, 1)
        units = units - units.mean(0)
        if self.standardize:
            units = units / (units.square().mean(0) + LEAST_VARIANCE).sqrt()
        covariance = units.T @ units / len(units)
        return 0.5 * (covariance.square().sum() - torch.diagonal(covariance).square().sum())
