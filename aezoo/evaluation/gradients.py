"""Two gradients of the evidence lower bound for the encoder, and how much each varies.

Shapes: B rows, K draws, R repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aezoo.core.rng import random_stream
from aezoo.data import Split
from aezoo.errors import CapabilityError, UsageError
from aezoo.evaluation.evidence import VARIATIONAL
from aezoo.evaluation.raw import filled
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder, need
from aezoo.parts import divergence, draw, score_function

ESTIMATORS = ("reparameterised", "score-function", "score-function without baseline")


class Spread(NamedTuple):
    """How a stochastic gradient of the encoder's parameters is spread over repeats.

    Examples:
        >>> spreads = aezoo.evaluation.gradient_spreads(run.model, aezoo.evaluation.some_rows(split, 10), repeats=5)
        >>> spreads["reparameterised"].variance > 0
        True
    """

    mean: Array
    """The mean gradient, flat, float64."""
    variance: float
    """The trace of the covariance."""
    along: Array
    """(R,): each gradient's component along one direction, the same for all ways: that of a mean gradient."""

    @property
    def standard_error(self) -> float:
        """Of ``mean``, as the root mean square of its distance from the expectation."""
        return float(np.sqrt(self.variance / len(self.along)))


def gradient_spreads(
    model: Autoencoder, split: Split, *, draws: int = 1, repeats: int = 200, seed: int = 0
) -> dict[str, Spread]:
    """Draws the gradient of the mean negative ELBO of the rows for the encoder, ``repeats`` times each way.

    Through the draws (``"reparameterised"``), by the ``"score-function"`` with the baseline that training takes, and
    without one. All three have one expectation; the KL is in closed form where there is one. Evaluation mode, weight 1
    on the KL, no other penalty; the model's own gradients are left alone. The rows are one batch, held in memory.

    Returns:
        A Spread by name; without ``"reparameterised"`` for a posterior whose draws carry no gradient.

    Raises:
        CapabilityError: the model has no bound, its codes come from a codebook, or its encoder has nothing to train.
        DataError: the split has no rows.
        UsageError: fewer than 1 draw or 2 repeats.

    Examples:
        >>> rows = aezoo.evaluation.some_rows(split, 10)
        >>> sorted(aezoo.evaluation.gradient_spreads(run.model, rows, repeats=3))
        ['reparameterised', 'score-function', 'score-function without baseline']
    """
    need(model, ("bound",), "a gradient of the bound", VARIATIONAL)
    parameters = [p for p in model.encoder.parameters() if p.requires_grad]
    if "discrete" in model.capabilities or not parameters:
        raise CapabilityError("there is no gradient of a density here to estimate: use a model such as vae.")
    if draws < 1 or repeats < 2:
        raise UsageError(f"a variance needs at least 1 draw and 2 repeats (got {draws} and {repeats}): raise them.")
    # out of a caller's inference mode, which records nothing to differentiate
    with torch.inference_mode(False), torch.enable_grad(), model.evaluating(), random_stream(seed, model.device):
        x = model.prepare(filled(split).rows())
        names = ESTIMATORS if getattr(model.encoder(x), "has_rsample", True) else ESTIMATORS[1:]
        first = [_gradient(model, x, parameters, draws, names[0]) for _ in range(min(repeats, 50))]
        direction = torch.stack(first).mean(0)
        direction /= direction.norm().clamp_min(torch.finfo(direction.dtype).tiny)
        return {name: _spread(model, x, parameters, draws, name, repeats, direction) for name in names}


def _gradient(model: Autoencoder, x: Tensor, parameters: Sequence[Tensor], draws: int, name: str) -> Tensor:
    """One draw of the gradient, flat, float64."""
    q, p = model.encoder(x), model.prior_distribution()
    z = draw(q, draws)
    if name != "reparameterised":
        z = z.detach()
    error = -model.decoder(z).log_prob(x) + divergence(q, p, z)
    loss = error.mean()
    if name != "reparameterised":
        loss = loss + score_function(error, q, z, baseline=name == "score-function")
    parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return torch.cat([part.flatten().double() for part in parts])


def _spread(
    model: Autoencoder, x: Tensor, parameters: Sequence[Tensor], draws: int, name: str, repeats: int, direction: Tensor
) -> Spread:
    mean, squares = torch.zeros_like(direction), torch.zeros_like(direction)
    along = []
    for count in range(1, repeats + 1):
        gradient = _gradient(model, x, parameters, draws, name)
        deviation = gradient - mean
        mean += deviation / count
        squares += deviation * (gradient - mean)
        along.append(gradient @ direction)
    variance = float(squares.sum()) / (repeats - 1)
    return Spread(mean.cpu().numpy(), variance, torch.stack(along).cpu().numpy())
