"""What lies between the evidence lower bound and the evidence: the encoder's shortfall, and its family's.

Shapes: n rows of a split, B of a pass, K draws, *Z one code.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.distributions import Independent
from torch.distributions import Normal as TorchNormal

from aezoo.core.rng import random_stream
from aezoo.data import Split
from aezoo.errors import CapabilityError, UsageError
from aezoo.evaluation.evidence import VARIATIONAL, effective_size, evidence_terms, importance_bound, rows_at_once
from aezoo.evaluation.raw import filled
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder, need
from aezoo.parts import Normal, Posterior

Start = Literal["encoder", "prior"]
# of a posterior's own scale, a step: on the way from an encoder's posterior to the best of its family
RATE = 0.3
DRAWS_A_STEP = 8


class Gap(NamedTuple):
    """Bounds and likelihoods of n rows, nats of preprocessed data.

    Examples:
        >>> gap = aezoo.evaluation.inference_gap(run.model, aezoo.evaluation.some_rows(split, 5), draws=10, steps=3)
        >>> gap.bound.shape, gap.optimised.shape
        ((5,), (5,))
    """

    log_likelihood: Array
    """log p(x) (n,), by importance sampling from that of both posteriors with the larger effective sample size."""
    bound: Array
    """The ELBO (n,) of the encoder's posterior."""
    optimised: Array
    """The ELBO (n,) of the best Gaussian found for each row."""

    @property
    def amortisation(self) -> Array:
        """(n,): what one network for all rows costs."""
        return self.optimised - self.bound

    @property
    def approximation(self) -> Array:
        """(n,): what a posterior of independent Gaussians costs, however well it is chosen."""
        return self.log_likelihood - self.optimised


def inference_gap(
    model: Autoencoder,
    split: Split,
    *,
    draws: int = 1000,
    steps: int = 300,
    start: Start = "encoder",
    seed: int = 0,
) -> Gap:
    """Splits log p(x) − ELBO = KL(q ‖ p(z | x)) of each row in two. Cremer et al. 2018, arXiv:1801.03558.

    Each row's own mean and scale start at the encoder's, or, for posteriors that are trained row by row without any
    amortisation, at a standard Gaussian (``start="prior"``), and climb the ELBO for ``steps`` steps of Adam, with the
    path gradient, whose noise vanishes at an exact posterior (Roeder et al. 2017, arXiv:1703.09194). All is then
    evaluated on ``draws`` fresh draws, the same noise for both posteriors. Both terms are estimates: they can fall
    below zero by noise, and by too few steps.

    Raises:
        CapabilityError: the model has no likelihood, or its posterior is not made of independent Gaussians.
        DataError: the split has no rows.
        UsageError: ``draws`` or ``steps`` is below 1.

    Examples:
        >>> rows = aezoo.evaluation.some_rows(split, 5)
        >>> aezoo.evaluation.inference_gap(run.model, rows, draws=10, steps=3).log_likelihood.shape
        (5,)
    """
    need(model, ("bound",), "a gap between bound and likelihood", VARIATIONAL)
    if start not in get_args(Start):
        raise UsageError(f"no start {start!r}: use encoder or prior.")
    if draws < 1 or steps < 1:
        raise UsageError(f"a gap needs at least 1 draw and 1 step (got {draws} and {steps}): raise them.")
    found: list[Tensor] = []
    # out of a caller's inference mode, which records nothing to differentiate
    with torch.inference_mode(False), torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        # the way back through the decoder keeps what a pass forward lets go
        size = max(1, min(rows_at_once(model, draws), model.rows_a_pass(4 * DRAWS_A_STEP)))
        for raw in filled(split).batches(size):
            x = model.prepare(raw)
            encoded = _gaussian(model.encoder(x))
            first = (
                encoded
                if start == "encoder"
                else Normal(torch.zeros_like(encoded.loc), torch.zeros_like(encoded.loc), encoded.event_dims)
            )
            best = _optimised(model, x, first, steps)
            common = int(torch.randint(2**62, ()))
            bounds, estimates, sizes = [], [], []
            for q in (encoded, best):
                with random_stream(common, model.device):
                    log_weights = evidence_terms(model, x, q, draws).log_weights
                bounds.append(log_weights.mean(0))
                estimates.append(importance_bound(log_weights, draws))
                sizes.append(effective_size(log_weights))
            found.append(torch.stack([torch.where(sizes[0] > sizes[1], estimates[0], estimates[1]), *bounds]))
    return Gap(*torch.cat(found, 1).cpu().numpy())


def _gaussian(q: Posterior) -> Normal:
    if isinstance(q, Normal):
        return q
    if isinstance(q, Independent) and isinstance(q.base_dist, TorchNormal):
        return Normal(q.base_dist.loc, q.base_dist.scale.log(), q.reinterpreted_batch_ndims)
    raise CapabilityError(
        f"the gap is split within the family of independent Gaussians, and this posterior is {type(q).__name__}: use a "
        "model with a Gaussian encoder, such as vae."
    )


def _optimised(model: Autoencoder, x: Tensor, start: Normal, steps: int) -> Normal:
    """The Gaussian (B,) with the highest ELBO of x (B, *X) that Adam finds from ``start``."""
    scale = start.scale
    shift, stretch = (torch.zeros_like(scale, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.Adam([shift, stretch], lr=RATE)
    p = model.prior_distribution()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.enable_grad():
            mean, log_scale = start.loc + scale * shift, scale.log() + stretch
            z = Normal(mean, log_scale, start.event_dims).rsample((DRAWS_A_STEP,))
            fixed = Normal(mean.detach(), log_scale.detach(), start.event_dims)
            loss = -(model.decoder(z).log_prob(x) + p.log_prob(z) - fixed.log_prob(z)).mean(0).sum()
        # of these two alone: the model's own gradients are not ours to touch
        shift.grad, stretch.grad = torch.autograd.grad(loss, (shift, stretch))
        optimizer.step()
    return Normal(start.loc + scale * shift.detach(), scale.log() + stretch.detach(), start.event_dims)
