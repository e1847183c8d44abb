"""Codes of bits and of categories: their posteriors, encoders and priors.

A draw is hard, 0 or 1, so that its mass is what ``log_prob`` says and the decoder sees no other codes in training than
when it samples. Backwards it stands for its relaxation, the concrete or Gumbel-softmax distribution of a temperature
(Maddison et al. 2017, arXiv:1611.00712; Jang et al. 2017, arXiv:1611.01144, section 2.2): a biased gradient of little
variance. The score function's is unbiased, and needs no relaxation.

Shapes: B batch, K draws, Z bits or variables of one code, C categories of a variable.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, OneHotCategorical

from aezoo.parts import Encoder, Prior
from aezoo_variational.quantized import StraightThrough


class Bits(Bernoulli):
    """Independent bits by their logits, whose draws carry a relaxed gradient."""

    has_rsample = True

    def __init__(self, logits: Tensor, temperature: float) -> None:
        super().__init__(logits=logits)
        self.temperature = temperature

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Zeros and ones (*S, B, Z)."""
        uniform = torch.rand(self._extended_shape(torch.Size(sample_shape)), dtype=self.logits.dtype, device=_of(self))
        # a uniform number of 0 would be an infinite logit
        score = self.logits + uniform.clamp_min(torch.finfo(uniform.dtype).tiny).logit(eps=1e-7)
        soft = (score / self.temperature).sigmoid()
        return _hardened(soft, (score > 0).to(soft.dtype))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """The same without gradient."""
        with torch.no_grad():
            return self.rsample(sample_shape)


class Categories(OneHotCategorical):
    """Independent one-hot variables by their logits (B, Z, C), whose draws carry a relaxed gradient."""

    has_rsample = True

    def __init__(self, logits: Tensor, temperature: float) -> None:
        super().__init__(logits=logits)
        self.temperature = temperature

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """One-hot vectors (*S, B, Z, C)."""
        shape = self._extended_shape(torch.Size(sample_shape))
        exponential = torch.empty(shape, dtype=self.logits.dtype, device=_of(self)).exponential_()
        score = self.logits - exponential.clamp_min(torch.finfo(exponential.dtype).tiny).log()
        soft = (score / self.temperature).softmax(-1)
        return _hardened(soft, F.one_hot(score.argmax(-1), score.shape[-1]).to(soft.dtype))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """The same without gradient."""
        with torch.no_grad():
            return self.rsample(sample_shape)


def _of(distribution: Bits | Categories) -> torch.device:
    return distribution.logits.device


def _hardened(soft: Tensor, hard: Tensor) -> Tensor:
    """``hard`` forwards, ``soft`` backwards; what is not finite stays so."""
    hard = torch.where(soft.isfinite(), hard, math.nan)
    return StraightThrough.apply(soft, hard)  # type: ignore[no-any-return, no-untyped-call]


class BernoulliEncoder(Encoder):
    """Bits, given by the logits that its network gives."""

    surrogate_gradient = True

    def __init__(self, network: nn.Module, temperature: float = 0.5) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, x: Tensor) -> Distribution:
        """Event (Z,)."""
        return Independent(Bits(self.network(x).to(x.dtype), self.temperature), 1)


class CategoricalEncoder(Encoder):
    """Variables of C categories each, given by the logits that its network gives: ``code_shape`` is (Z, C)."""

    surrogate_gradient = True

    def __init__(self, network: nn.Module, code_shape: tuple[int, int], temperature: float = 0.5) -> None:
        super().__init__()
        self.network = network
        self.code_shape = code_shape
        self.temperature = temperature

    def forward(self, x: Tensor) -> Distribution:
        """Event (Z, C)."""
        logits = self.network(x).to(x.dtype).view(len(x), *self.code_shape)
        return Independent(Categories(logits, self.temperature), 1)


class _Fixed(Prior):
    logits: Tensor

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.register_buffer("logits", logits, persistent=False)


class BernoulliPrior(_Fixed):
    """Independent bits, each one with the same probability, ``rate``."""

    def __init__(self, code_shape: tuple[int, ...], rate: float = 0.5) -> None:
        super().__init__(torch.full(code_shape, math.log(rate / (1 - rate))))

    def forward(self, encode: Any = None) -> Distribution:
        """Event *Z."""
        return Independent(Bernoulli(logits=self.logits), self.logits.dim())


class CategoricalPrior(_Fixed):
    """Independent one-hot variables, every category as likely as any other; the last axis of the code is theirs."""

    def __init__(self, code_shape: tuple[int, ...]) -> None:
        super().__init__(torch.zeros(code_shape))

    def forward(self, encode: Any = None) -> Distribution:
        """Event *Z."""
        return Independent(OneHotCategorical(logits=self.logits), self.logits.dim() - 1)
