"""The maths, imported only when a model is built. Shapes: B batch, K draws, *X one datum, *Z one code."""

from __future__ import annotations

import aezoo
from aezoo.errors import UsageError
from aezoo.parts import Regularizer, Weighted
from torch import Tensor

from aezoo_my_model import MyModelConfig


class MyModelPenalty(Regularizer):
    """Σ_j log(1 + (z_j/s)²), nats: −log p(z) of a Cauchy prior of scale s on each unit, less that at z = 0.

    Its gradient 2z/(s² + z²) is steepest at z = s and fades beyond, where an L1 penalty goes on pulling: large values
    are kept, small ones are drawn to zero. As under L1, a decoder that grows lets the code shrink instead.

    Olshausen & Field 1996, Emergence of simple-cell receptive field properties by learning a sparse code for natural
    images, Nature 381, 607-609.

    Args:
        scale: s, in units of the code.

    Raises:
        UsageError: the scale is not above 0.
    """

    def __init__(self, scale: float = 0.5) -> None:
        super().__init__()
        if not scale > 0:
            raise UsageError(f"scale must be above 0 (got {scale}).")
        self.scale = scale

    def forward(self, z: Tensor) -> Tensor:
        """(K, B), nats, of the draws ``z`` (K, B, *Z)."""
        return (z / self.scale).square().log1p().flatten(2).sum(-1)


def build(config: MyModelConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """The autoencoder for data of this description: the shared options' parts, and the penalty."""
    penalty = MyModelPenalty(config.scale)
    weighted = Weighted("my-model", penalty, config.weight)
    return aezoo.assemble(config, spec, regularizers=[weighted])
