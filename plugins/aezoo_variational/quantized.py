"""Vector quantization: each code is a row of positions, and each position one of K vectors of a codebook.

van den Oord et al. 2017, Neural discrete representation learning, arXiv:1711.00937; moving averages as in its appendix
A.1. Shapes: B batch, N positions, d values of one vector, K vectors, so that one code is (N, d).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, register_kl

from aezoo.errors import CompositionError
from aezoo.parts import Encoder, Posterior, Prior, Regularizer, full_precision


class Quantized(Distribution):
    """All mass on the codebook's nearest vectors, event (N, d).

    Gradients of the code go straight through to ``before`` (B, N, d), what the network gave. ``nearest`` (B, N, d) are
    the vectors themselves, ``index`` (B, N) their numbers, and ``count`` is K.
    """

    arg_constraints: ClassVar = {}
    has_rsample = True

    def __init__(self, before: Tensor, nearest: Tensor, index: Tensor, count: int) -> None:
        super().__init__(before.shape[:1], before.shape[1:], validate_args=False)
        self.before = before
        self.nearest = nearest
        self.index = index
        self.count = count

    @property
    def mean(self) -> Tensor:
        """(B, N, d)."""
        # the value is the nearest vector's to the bit, which before + (nearest − before) would round
        return StraightThrough.apply(self.before, self.nearest)  # type: ignore[no-any-return, no-untyped-call]

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """The code itself (*S, B, N, d)."""
        return self.mean.expand(*sample_shape, *self.before.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log 1 at the code, log 0 elsewhere: a mass (*S, B)."""
        here = (value == self.nearest).flatten(-2).all(-1)
        return torch.where(here, 0.0, -math.inf).to(value.dtype)

    def entropy(self) -> Tensor:
        """Zero (B,)."""
        return self.before.new_zeros(self.batch_shape)


class StraightThrough(torch.autograd.Function):
    """``nearest`` forwards, the identity to ``before`` backwards."""

    @staticmethod
    def forward(ctx: Any, before: Tensor, nearest: Tensor) -> Tensor:
        """A copy of ``nearest``."""
        return nearest.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """All of it to ``before``."""
        return gradient, None


class QuantizingEncoder(Encoder):
    """The nearest vectors of a codebook that follows the encoder by moving averages.

    Args:
        network: any module from (B, *X) to (B, N·d).
        code_shape: (N, d).
        count: K.
        decay: of the averages, a step.
        restart: a vector used less than this share of the mean use is set to a code of the batch.
    """

    codebook: Tensor
    uses: Tensor

    def __init__(
        self, network: nn.Module, code_shape: tuple[int, ...], count: int, decay: float = 0.99, restart: float = 0.1
    ) -> None:
        super().__init__()
        self.network = network
        self.code_shape = code_shape
        self.decay = decay
        self.restart = restart
        self.register_buffer("codebook", torch.randn(count, code_shape[-1]))
        # never used yet: the first step sets every vector to a code of its batch
        self.register_buffer("uses", torch.zeros(count))

    def forward(self, x: Tensor) -> Quantized:
        """The nearest vectors of each row."""
        before = self.network(x).to(x.dtype).unflatten(-1, self.code_shape)
        book = self.codebook.to(x.dtype)
        # seen from their middle, and in 32 bits, or a code far from the origin loses the digits that tell vectors apart
        middle = book.mean(0)
        apart = book - middle
        with full_precision(x.device):
            # ‖z − e‖² without ‖z‖², which no choice of e changes
            distance = apart.square().sum(-1) - 2 * (before - middle) @ apart.t()
        index = distance.argmin(-1)
        return Quantized(before, book[index].detach(), index, len(book))

    def follow(self, q: Quantized) -> None:
        """Moves the codebook towards the means of what chose each vector, and restarts vectors that nothing chooses."""
        before = q.before.detach().flatten(0, 1).to(self.codebook.dtype)
        index = q.index.flatten()
        chosen = torch.zeros_like(self.uses).index_add_(0, index, torch.ones_like(before[:, 0]))
        sums = torch.zeros_like(self.codebook).index_add_(0, index, before)
        mean_use = len(before) / len(self.uses)
        first = ~self.uses.any()
        self.uses.mul_(self.decay).add_(chosen, alpha=1 - self.decay)
        # as a step towards the sums, which leaves a vector that nothing chose exactly where it was
        step = (1 - self.decay) * (sums - chosen[:, None] * self.codebook)
        self.codebook.add_(step / self.uses.clamp_min(1e-12)[:, None])
        idle = first | (self.uses < self.restart * mean_use)
        drawn = before[torch.randint(len(before), (len(self.uses),), device=before.device)]
        self.codebook.copy_(torch.where(idle[:, None], drawn, self.codebook))
        self.uses.masked_fill_(idle, mean_use)


class Commitment(Regularizer):
    """‖z_e − sg(e)‖², summed over the code: keeps the encoder near the vectors that it chooses."""

    def forward(self, q: Posterior) -> Tensor:
        """(B,)."""
        assert isinstance(q, Quantized)
        return (q.before - q.nearest).square().flatten(1).sum(-1)

    def check(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Raises CompositionError when the encoder has no codebook."""
        if not isinstance(encoder, QuantizingEncoder):
            raise CompositionError("commitment needs an encoder with a codebook: use model vq-vae, or leave it out.")

    def after_step(self, encoder: nn.Module, q: Posterior) -> None:
        """Moves the codebook."""
        assert isinstance(encoder, QuantizingEncoder)
        assert isinstance(q, Quantized)
        encoder.follow(q)


class UniformCodes(Prior):
    """Each position by itself any of the codebook's vectors, all equally likely."""

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.positions = positions

    def forward(self, encode: Callable[[Tensor], Posterior] | None = None) -> UniformVectors:
        """The distribution over one code (N, d) of the encoder's codebook."""
        assert isinstance(encode, QuantizingEncoder)
        return UniformVectors(encode.codebook, self.positions)


class UniformVectors(Distribution):
    """N independent vectors of a codebook (K, d), each with probability 1/K; event (N, d)."""

    arg_constraints: ClassVar = {}

    def __init__(self, codebook: Tensor, positions: int) -> None:
        super().__init__(torch.Size(), torch.Size((positions, codebook.shape[1])), validate_args=False)
        self.codebook = codebook

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """(*S, N, d)."""
        shape = (*sample_shape, self.event_shape[0])
        return self.codebook[torch.randint(len(self.codebook), shape, device=self.codebook.device)]

    def log_prob(self, value: Tensor) -> Tensor:
        """−N·log K for codes made of the codebook's vectors (*S, N, d)."""
        return value.new_full(value.shape[:-2], -self.event_shape[0] * math.log(len(self.codebook)))


@register_kl(Quantized, UniformVectors)  # type: ignore[untyped-decorator]
def _kl_quantized_uniform(q: Quantized, p: UniformVectors) -> Tensor:
    """N·log K: a point's divergence from a uniform choice among Kᴺ."""
    return -p.log_prob(q.nearest)
