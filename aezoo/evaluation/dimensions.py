"""How much each value of a code is used, and where its mass lies.

Shapes: n rows, B batch, Z values of one code (flattened), *Z one code.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch import distributions as td
from torch.distributions import Distribution

from aezoo.core.rng import random_stream
from aezoo.data import Split
from aezoo.errors import CapabilityError, CompositionError
from aezoo.evaluation.codes import refuse_broken
from aezoo.evaluation.raw import filled
from aezoo.evaluation.split import Array, encode_split
from aezoo.model.autoencoder import Autoencoder, need
from aezoo.parts import divergence_of_each, marginals

# draws of the posterior a row, where a divergence has no closed form
DRAWS = 64


class Activity(NamedTuple):
    """How much each value of a code is used.

    Examples:
        >>> activity = aezoo.evaluation.code_activity(run.model, split)
        >>> activity.measure, activity.values.shape
        ('KL', (2,))
    """

    measure: Literal["KL", "variance"]
    """The mean KL to the prior in nats, or the variance of the posterior mean where there is no such KL."""
    values: Array
    """(Z,)."""

    def label(self, dim: int) -> str:
        """The value of the code and its figure."""
        return f"{dim} ({self.measure} {self.values[dim]:.3g})"


class Quantiles(NamedTuple):
    """Where the mass of each value of a code lies."""

    values: Array
    """(levels, Z)."""
    centre: Array
    """(Z,): the mean."""
    source: Literal["the prior", "the codes"]
    """Whose quantiles and mean they are."""


def split_codes(model: Autoencoder, split: Split) -> Array:
    """The posterior means (n, Z) of a split, checked; raises DataError where there are no rows or no finite codes.

    Examples:
        >>> aezoo.evaluation.split_codes(run.model, split).shape
        (359, 2)
    """
    codes = encode_split(model, filled(split))
    refuse_broken(bool(np.isfinite(codes).all()))
    return codes


def dimension_divergence(model: Autoencoder, split: Split, *, seed: int = 0) -> Array:
    """KL(q(z_j | x) ‖ p(z_j)) of each value of the code (Z,), nats averaged over the rows, float64.

    In closed form where there is one, else by 64 draws a row. Where the prior's values are independent, they sum to
    KL(q(z | x) ‖ p(z)); a mixture's are not, and its marginals' divergences leave out what ties them together.

    Raises:
        CapabilityError: no prior, or codes whose values have no density of their own.
        DataError: no rows.

    Examples:
        >>> aezoo.evaluation.dimension_divergence(run.model, split).shape
        (2,)
    """
    need(model, ("bound",), "the KL of each value of the code", "a variational model such as vae")
    total: Any = 0.0
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        p = marginals(model.prior_distribution())
        for x in filled(split).batches(model.rows_a_pass(DRAWS)):
            q = marginals(model.encoder(model.prepare(x)))
            if q is None or p is None:
                raise CapabilityError(
                    "the KL of each value of the code needs a posterior and a prior whose values have a density each, "
                    "which is not so of this model: use a Gaussian posterior with prior normal, laplace or mixture."
                )
            total = total + _divergence(q, p).double().sum(0).flatten().cpu().numpy()
    return np.asarray(total / len(split))


def _divergence(q: Distribution, p: Distribution) -> Tensor:
    """(B, *Z)."""
    try:
        return divergence_of_each(td.Independent(q, 0), td.Independent(p, 0))
    except CompositionError:
        z = q.sample((DRAWS,))
        return (q.log_prob(z) - p.log_prob(z)).mean(0)


def code_activity(model: Autoencoder, split: Split, *, seed: int = 0) -> Activity:
    """How much each value of the code is used: its KL where the model has one, else its variance over the rows.

    Raises:
        DataError: no rows, or codes that are not finite.

    Examples:
        >>> aezoo.evaluation.code_activity(topk.model, split).measure
        'variance'
    """
    try:
        return Activity("KL", dimension_divergence(model, split, seed=seed))
    except CapabilityError:
        return Activity("variance", split_codes(model, split).var(axis=0, dtype=np.float64))


def code_quantiles(model: Autoencoder, codes: Array, levels: Array) -> Quantiles:
    """Quantiles of each value of the code at ``levels`` in (0, 1): the prior's, else those of ``codes`` (n, Z).

    A Gaussian and a Laplace prior have them in closed form; a mixture has not, and a deterministic model has no prior.

    Examples:
        >>> codes = run.model.encode(split.rows()).numpy()
        >>> found = aezoo.evaluation.code_quantiles(run.model, codes, np.array([0.5]))
        >>> found.values.tolist(), found.source
        ([[0.0, 0.0]], 'the prior')
    """
    if model.prior is not None:
        with torch.no_grad(), model.evaluating():
            p = marginals(model.prior_distribution())
            shares = torch.from_numpy(levels).to(model.device)
            if isinstance(p, td.Normal | td.Laplace):
                exact = type(p)(p.loc.double().flatten(), p.scale.double().flatten())
                values: Tensor = exact.icdf(shares[:, None])  # type: ignore[no-untyped-call]
                return Quantiles(values.cpu().numpy(), exact.mean.cpu().numpy(), "the prior")
    whole = codes.astype(np.float64)
    return Quantiles(np.quantile(whole, levels, axis=0), whole.mean(axis=0), "the codes")
