"""The decoder's scale beside the one that fits its errors best.

Shapes: n rows of a split, K draws, D values of one datum.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aezoo.core.rng import random_stream
from aezoo.data import Split
from aezoo.errors import CapabilityError, UsageError
from aezoo.evaluation.evidence import rows_at_once
from aezoo.evaluation.raw import filled
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import LaplaceDistribution, Normal, draw, has_density
from aezoo.parts.distributions import LOG_2PI


class DecoderVariance(NamedTuple):
    """A decoder's scale, and the spread of the errors that it should match; units of preprocessed data.

    The scale is σ, the root of the variance, and averages are of σ²; or b of a Laplace, and averages are of b itself.

    Examples:
        >>> found = aezoo.evaluation.decoder_variance(run.model, split)
        >>> found.optimal > 0, found.optimal_nll <= found.nll
        (True, True)
    """

    scale: float
    """The scale that the model gives, averaged over rows, draws and values."""
    optimal: float
    """The best shared scale: the root of the mean squared error, or the mean absolute error."""
    nll: float
    """−log p(x | z), nats per example, averaged over the draws, under the model's own scale."""
    optimal_nll: float
    """That of a Gaussian of the optimal shared scale, D/2·(log 2πMSE + 1), or of a Laplace, D·(log 2·MAE + 1)."""
    by_value: Array
    """The model's scale and the optimal one for each value of the datum (2, D)."""
    by_row: Array
    """The model's scale and the optimal one for each row (2, n)."""


def decoder_variance(model: Autoencoder, split: Split, *, draws: int = 10, seed: int = 0) -> DecoderVariance:
    """The decoder's scale beside the optimal one, at ``draws`` draws of the posterior. Rybkin et al. 2021.

    Raises:
        CapabilityError: the likelihood has no finite variance.
        DataError: the split has no rows.
        UsageError: ``draws`` is below 1.

    Examples:
        >>> aezoo.evaluation.decoder_variance(run.model, split, draws=2).by_value.shape
        (2, 64)
    """
    if draws < 1:
        raise UsageError(f"a mean over draws needs at least 1 of them (got {draws}): raise draws.")
    total = torch.zeros((), dtype=torch.float64, device=model.device)
    values: Tensor | None = None
    rows: list[Tensor] = []
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        for raw in filled(split).batches(min(rows_at_once(model, draws), model.rows_a_pass(draws))):
            x = model.prepare(raw)
            q = model.encoder(x)
            # the draws of a deterministic code are all the same
            px = model.decoder(draw(q, draws if has_density(q) else 1))
            power, scaled = _spread(model, px)
            total -= px.log_prob(x).double().mean(0).sum()
            error = (x - px.mean).double().abs().pow(power).mean(0).flatten(1)
            spread = scaled.double().mean(0).flatten(1)
            both = torch.stack([spread, error])
            values = both.sum(1) if values is None else values + both.sum(1)
            rows.append(both.mean(2))
    assert values is not None
    by_value, by_row = values / len(split), torch.cat(rows, 1)
    scale, optimal = (by_value.mean(1) ** (1 / power)).tolist()
    size = model.spec.size
    constant = 0.5 * (LOG_2PI + 1) if power == 2 else math.log(2) + 1
    return DecoderVariance(
        scale=scale,
        optimal=optimal,
        nll=float(total) / len(split),
        optimal_nll=size * (math.log(optimal) + constant) if optimal > 0 else -math.inf,
        by_value=np.power(by_value.cpu().numpy(), 1 / power),
        by_row=np.power(by_row.cpu().numpy(), 1 / power),
    )


def _spread(model: Autoencoder, px: Any) -> tuple[int, Tensor]:
    """1 and b (K, B, *X) of a Laplace; of any other distribution with a variance, 2 and that."""
    if isinstance(px, LaplaceDistribution):
        return 1, px.scale
    if isinstance(px, Normal):
        return 2, px.scale.square()
    try:
        variance = px.variance
    except (NotImplementedError, AttributeError):
        variance = None
    if not isinstance(variance, Tensor) or variance.shape != px.mean.shape:
        raise CapabilityError(
            f"the likelihood {type(model.decoder.likelihood).__name__} gives no variance of its values: train with "
            "likelihood gaussian or laplace, or give its distribution a property variance (K, B, *X)."
        )
    if not bool(variance.isfinite().all()):
        raise CapabilityError(
            f"the variance of the likelihood {type(model.decoder.likelihood).__name__} is not finite, as that of heavy "
            "tails is: train with likelihood gaussian or laplace."
        )
    return 2, variance
