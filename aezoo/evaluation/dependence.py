"""Where the KL to the prior goes: into what codes say of their rows, of each other, and into their margins.

Shapes: n rows of a split, M draws in a pass, K draws, Z values of one code (flattened).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent
from torch.distributions import Laplace as TorchLaplace
from torch.distributions import Normal as TorchNormal

from aezoo.core.rng import random_stream
from aezoo.data import Split
from aezoo.errors import CapabilityError, UsageError
from aezoo.evaluation.evidence import VARIATIONAL
from aezoo.evaluation.raw import filled
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder, need
from aezoo.model.passes import PASS_VALUES
from aezoo.parts import LaplaceDistribution, Normal
from aezoo.parts.distributions import LocationScale

# codes that are handed on for a picture
SHOWN = 2000


class Estimate(NamedTuple):
    """A mean over draws, nats, and its standard error.

    Examples:
        >>> estimate = aezoo.evaluation.Estimate(mean=2.5, error=0.1)
        >>> estimate.mean, estimate.error
        (2.5, 0.1)
    """

    mean: float
    error: float


class Dependence(NamedTuple):
    """KL(q(z | x) ‖ p(z)), its mean over the rows, as a sum of three.

    Examples:
        >>> found = aezoo.evaluation.code_dependence(run.model, split)
        >>> found.kl.mean > 0, found.margins.shape
        (True, (2,))
    """

    kl: Estimate
    """log q(z | x) − log p(z): the three below together, draw by draw."""
    mutual_information: Estimate
    """KL(q(z, x) ‖ q(z)·q(x)): what a code says of its row; at most log n."""
    total_correlation: Estimate
    """KL(q(z) ‖ Π q(z_j)): what the values of a code say of each other."""
    dimension_wise_kl: Estimate
    """Σ_j KL(q(z_j) ‖ p(z_j)): how far the margins are from the prior's."""
    margins: Array
    """KL(q(z_j) ‖ p(z_j)) (Z,), nats."""
    aggregate_kl: Estimate
    """KL(q(z) ‖ p(z)) = total correlation + dimension-wise KL: how far all codes together are from the prior, whose
    draws the decoder meets when it samples. Hoffman & Johnson 2016, "ELBO surgery"."""
    drawn: tuple[Array, Array]
    """Up to 2,000 codes (·, Z), drawn from q(z) and from p(z)."""


def code_dependence(model: Autoencoder, split: Split, *, draws: int = 10, seed: int = 0) -> Dependence:
    """Splits the mean KL to the prior with q(z) = 1/n Σ q(z | x_n), the whole aggregate posterior of the rows.

    Chen et al. 2018, arXiv:1802.04942, equation 2, with the mixture over all n rows in place of a minibatch's estimate
    of it: n² terms a draw, in bounded memory. The rows are taken as they are: the errors are those of the draws alone.

    Raises:
        CapabilityError: posterior or prior is not made of independent Gaussian or Laplace variables.
        DataError: the split has no rows.
        UsageError: ``draws`` is below 2.

    Examples:
        >>> aezoo.evaluation.code_dependence(run.model, split, draws=5).total_correlation.error > 0
        True
    """
    need(model, ("bound",), "the dependence of codes", VARIATIONAL)
    if draws < 2:
        raise UsageError(f"the error of a mean over draws needs at least 2 of them (got {draws}): raise draws.")
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        q = _posteriors(model, filled(split))
        p = _factors(model.prior_distribution(), "prior", "the prior normal")
        rows, size = q.loc.shape
        z = q.rsample((draws,)).flatten(0, 1)
        own = q.log_prob(z.view(draws, rows, size)).view(-1, size).sum(1)
        prior = p.log_prob(z.view(-1, *p.batch_shape)).view(-1, size)
        joint, margins = _aggregate(q, z)
        terms = torch.stack([own - joint, joint - margins.sum(1), (margins - prior).sum(1)])
        terms = torch.cat([terms.sum(0, keepdim=True), terms, terms[1:].sum(0, keepdim=True)]).view(5, draws, rows)
        # rows are not drawn, so only the variance around each row's own mean counts
        errors = (terms.var(1).sum(1) / draws).sqrt() / rows
        kl, mutual, correlation, marginal, aggregate = map(Estimate, terms.mean((1, 2)).tolist(), errors.tolist())
        some = z[torch.randperm(len(z), device=z.device)[:SHOWN]]
        beside = model.prior_distribution().sample((len(some),)).flatten(1)
        drawn = some.cpu().numpy(), beside.double().cpu().numpy()
        return Dependence(kl, mutual, correlation, marginal, (margins - prior).mean(0).cpu().numpy(), aggregate, drawn)


def _aggregate(q: LocationScale, z: Tensor) -> tuple[Tensor, Tensor]:
    """log q(z) (M,) and log q(z_j) (M, Z) at draws z (M, Z), under the mixture of the posteriors q of all rows."""
    rows, size = q.loc.shape
    joint, margins = [], []
    for part in z.split(max(1, PASS_VALUES // (rows * size))):
        each = q.log_prob(part[:, None])
        joint.append(each.sum(2).logsumexp(1) - math.log(rows))
        margins.append(each.logsumexp(1) - math.log(rows))
    return torch.cat(joint), torch.cat(margins)


def _posteriors(model: Autoencoder, split: Split) -> LocationScale:
    """The posteriors of all rows as independent values: batch (n, Z), no event, float64."""
    locations, log_scales = [], []
    for raw in split.batches(model.rows_a_pass()):
        q = _factors(model.encoder(model.prepare(raw)), "posterior", "a model such as vae")
        locations.append(q.loc.flatten(1).double())
        log_scales.append(q.scale.log().flatten(1).double())
    return type(q)(torch.cat(locations), torch.cat(log_scales), 0)


def _factors(distribution: Distribution, what: str, remedy: str) -> LocationScale:
    """The independent values that ``distribution`` is made of, as one without an event."""
    inner = distribution.base_dist if isinstance(distribution, Independent) else distribution
    if isinstance(inner, LocationScale):
        return type(inner)(inner.loc, inner.log_scale, 0)
    if isinstance(inner, TorchNormal | TorchLaplace):
        kind = Normal if isinstance(inner, TorchNormal) else LaplaceDistribution
        return kind(inner.loc, inner.scale.log(), 0)
    raise CapabilityError(
        f"the dependence of codes needs a {what} of independent Gaussian or Laplace variables, and this one is "
        f"{type(distribution).__name__}: use {remedy}."
    )
