"""The evidence log p(x) of held-out rows: two estimators of its lower bound, and importance sampling.

All in nats of preprocessed data. Shapes: n rows of a split, B of a pass, K draws, *Z one code.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from aezoo.core.rng import random_stream
from aezoo.data import Split
from aezoo.errors import UsageError
from aezoo.evaluation.raw import filled
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder, need
from aezoo.model.passes import PASS_VALUES
from aezoo.parts import Posterior, divergence, draw

VARIATIONAL = "a variational model such as vae"


class Terms(NamedTuple):
    """What estimates of the evidence are made of, at K draws of the posteriors of B rows, in float64."""

    reconstruction: Tensor
    """log p(x | z_k) (K, B)."""
    divergence: Tensor
    """log q(z_k | x) − log p(z_k) (K, B), or the closed form of its mean (B,)."""

    @property
    def log_weights(self) -> Tensor:
        """log p(x, z_k) − log q(z_k | x) (K, B): the logs of the importance weights, and one draw's bound each."""
        return self.reconstruction - self.divergence


def evidence_terms(model: Autoencoder, x: Tensor, q: Posterior, draws: int, estimator: str = "sampled") -> Terms:
    """The terms at ``draws`` draws of ``q``, batch (B,), for preprocessed rows x (B, *X), in bounded memory."""
    p = model.prior_distribution()
    at_once = max(1, model.rows_a_pass() // len(x))
    reconstruction, divergences = [], []
    for start in range(0, draws, at_once):
        z = draw(q, min(at_once, draws - start))
        reconstruction.append(model.decoder(z).log_prob(x).double())
        divergences.append(divergence(q, p, z, estimator=estimator).double())
    closed = divergences[0].dim() == 1
    return Terms(torch.cat(reconstruction), divergences[0] if closed else torch.cat(divergences))


def rows_at_once(model: Autoencoder, draws: int) -> int:
    """How many rows go through at once when each is decoded ``draws`` times and a number is kept of every draw."""
    return max(1, min(256, model.rows_a_pass(), PASS_VALUES // draws))


class Bound(NamedTuple):
    """Estimates of the evidence lower bound of n rows.

    Examples:
        >>> bound = aezoo.evaluation.evidence_bound(run.model, split, draws=5)
        >>> bound.values.shape, bound.variances.shape
        ((359,), (359,))
    """

    values: Array
    """(n,), nats: for each row the mean over its draws."""
    variances: Array
    """(n,), nats²: of one draw's estimate, unbiased; NaN with a single draw."""


def evidence_bound(
    model: Autoencoder, split: Split, *, draws: int = 100, estimator: str = "analytic", seed: int = 0
) -> Bound:
    """The evidence lower bound of each row, by ``draws`` draws of its posterior. Kingma & Welling 2014, section 2.3.

    Args:
        model: with a posterior that has a density, and a prior.
        split: n rows.
        draws: K, in memory that does not grow with the rows.
        estimator: ``"sampled"`` is L^A, the mean of log p(x, z) − log q(z | x); ``"analytic"`` is L^B, the mean of
            log p(x | z) minus the closed form of KL(q ‖ p); ``"auto"`` is L^B where there is such a form. Both have the
            same expectation, and either may have the lower variance: at the exact posterior that of L^A is zero.
        seed: of the draws; both estimators see the same ones.

    Raises:
        CapabilityError: the model has no bound.
        CompositionError: there is no closed form.
        DataError: the split has no rows.
        UsageError: ``draws`` is below 1.

    Examples:
        >>> analytic = aezoo.evaluation.evidence_bound(run.model, split, draws=10, estimator="analytic")
        >>> analytic.values.shape
        (359,)
    """
    need(model, ("bound",), "an evidence bound", VARIATIONAL)
    _at_least(draws, 1, "a bound")
    values, variances = [], []
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        for raw in filled(split).batches(rows_at_once(model, draws)):
            x = model.prepare(raw)
            single = evidence_terms(model, x, model.encoder(x), draws, estimator).log_weights
            values.append(single.mean(0))
            variances.append(single.var(0) if draws > 1 else torch.full_like(single[0], math.nan))
    return Bound(_array(values), _array(variances))


def dataset_bound(values: Array, total: int) -> tuple[float, float]:
    """The bound of a whole data set of N = ``total`` rows from those of M rows drawn from it without replacement.

    N/M·Σ (Kingma & Welling 2014, equation 8), nats, and its standard error, zero where M = N.

    Args:
        values: the bounds of the M rows (M,).
        total: N, at least M.

    Examples:
        >>> total, error = aezoo.evaluation.dataset_bound(np.array([-2.0, -4.0]), 10)
        >>> total
        -30.0
    """
    rows = len(values)
    if not 1 <= rows <= total:
        raise UsageError(f"{rows} rows are no part of a data set of {total}: give 1 to {total} of its rows.")
    error = 0.0 if rows == total else total * standard_error(values) * math.sqrt(1 - rows / total)
    return float(values.sum()) * total / rows, error


def standard_error(values: Array) -> float:
    """Of the mean of independent values (n,): their standard deviation over √n; NaN for one value.

    Examples:
        >>> aezoo.evaluation.standard_error(np.array([1.0, 3.0]))
        1.0
    """
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


class Evidence(NamedTuple):
    """Estimates of log p(x) of n rows by importance sampling with K draws.

    Examples:
        >>> evidence = aezoo.evaluation.importance_sampling(run.model, split, draws=8)
        >>> evidence.log_likelihood.shape, list(evidence.bounds)
        ((359,), [1, 2, 4, 8])
    """

    log_likelihood: Array
    """(n,), nats: log mean_k w_k, on average below log p(x), by about half the square of its error."""
    errors: Array
    """(n,), nats: its standard error over the draws by the delta method, √(Var(w)/K)/mean(w)."""
    effective: Array
    """(n,), 1 to K: the effective sample size (Σw)²/Σw². Near 1 a single weight decides, and its error too."""
    bounds: dict[int, Array]
    """The importance-weighted bounds L_k (n,) of the same draws in groups of k = 1, 2, 4, … and K; L_1 is the ELBO."""


def importance_sampling(model: Autoencoder, split: Split, *, draws: int = 500, seed: int = 0) -> Evidence:
    """log p(x) of each row with its posterior as the proposal, w_k = p(x, z_k)/q(z_k | x). Burda et al. 2016.

    ``model.log_likelihood`` gives the same estimate of arrays. Deterministic; in memory that does not grow with the
    rows. A proposal that is a single code, as vq-vae's, reaches no other: the estimate stays the bound, with no error
    to be seen, however many draws.

    Raises:
        CapabilityError: the model has no likelihood.
        DataError: the split has no rows.
        UsageError: ``draws`` is below 2.

    Examples:
        >>> evidence = aezoo.evaluation.importance_sampling(run.model, split, draws=16)
        >>> bool(evidence.bounds[16].mean() >= evidence.bounds[1].mean())
        True
    """
    need(model, ("bound",), "a likelihood", VARIATIONAL)
    _at_least(draws, 2, "the error of a likelihood")
    sizes = sorted({draws, *(2**power for power in range(int(math.log2(draws)) + 1))})
    errors, effective = [], []
    bounds: dict[int, list[Tensor]] = {size: [] for size in sizes}
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        for raw in filled(split).batches(rows_at_once(model, draws)):
            x = model.prepare(raw)
            log_weights = evidence_terms(model, x, model.encoder(x), draws).log_weights
            # √(Var(w)/K)/mean(w), of weights that are divided by their sum first and so cannot overflow
            errors.append(log_weights.softmax(0).std(0) * math.sqrt(draws))
            effective.append(effective_size(log_weights))
            for size in sizes:
                bounds[size].append(importance_bound(log_weights, size))
    found = {size: _array(parts) for size, parts in bounds.items()}
    return Evidence(found[draws], _array(errors), _array(effective), found)


def importance_bound(log_weights: Tensor, size: int) -> Tensor:
    """L_k (B,) for k = ``size``: the mean over groups of k draws of log mean w; (K, B) log-weights.

    Draws that make no whole group are left out.

    Examples:
        >>> aezoo.evaluation.importance_bound(torch.zeros(4, 2), 2).tolist()
        [0.0, 0.0]
    """
    groups = log_weights[: len(log_weights) // size * size].view(-1, size, log_weights.shape[1])
    return groups.logsumexp(1).mean(0) - math.log(size)


def effective_size(log_weights: Tensor) -> Tensor:
    """(Σw)²/Σw² (B,), 1 to K, of log-weights (K, B)."""
    return 1 / log_weights.softmax(0).square().sum(0)


class PriorSampling(NamedTuple):
    """Estimates of log p(x) of n rows by K draws of the prior.

    Examples:
        >>> found = aezoo.evaluation.prior_sampling(run.model, split, draws=16)
        >>> found.log_likelihood.shape
        (359,)
    """

    log_likelihood: Array
    """(n,), nats: log mean_k p(x | z_k), on average below log p(x)."""
    effective: Array
    """(n,), 1 to K: the effective sample size. Near 1 a single code decides, and the estimate is far too low."""


def prior_sampling(model: Autoencoder, split: Split, *, draws: int = 500, seed: int = 0) -> PriorSampling:
    """log p(x) of each row as the mean of p(x | z) over ``draws`` draws of the prior, the same for all rows.

    The plain Monte Carlo estimate of the integral that a variational model is trained for: unbiased for p(x), and of
    little use where few codes of the prior explain a row, which the effective sample size shows. Kingma & Welling
    2014, section 2.1.

    Raises:
        CapabilityError: the model has no likelihood.
        DataError: the split has no rows.
        UsageError: ``draws`` is below 1.

    Examples:
        >>> found = aezoo.evaluation.prior_sampling(run.model, split, draws=16)
        >>> bool((found.effective >= 0.999).all())
        True
    """
    need(model, ("bound",), "a likelihood", VARIATIONAL)
    _at_least(draws, 1, "a likelihood by draws of the prior")
    estimates, effective = [], []
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        codes = model.prior_distribution().sample((draws,))
        size = max(1, min(rows_at_once(model, draws), model.rows_a_pass(min(draws, 1000))))
        for raw in filled(split).batches(size):
            x = model.prepare(raw)
            part = max(1, model.rows_a_pass(len(x)))
            log_px = torch.cat(
                [model.decoder(z[:, None].expand(-1, len(x), *z.shape[1:])).log_prob(x) for z in codes.split(part)]
            ).double()
            estimates.append(log_px.logsumexp(0) - math.log(draws))
            effective.append(effective_size(log_px))
    return PriorSampling(_array(estimates), _array(effective))


def _array(parts: list[Tensor]) -> Array:
    return torch.cat(parts).cpu().numpy()


def _at_least(draws: int, least: int, what: str) -> None:
    if draws < least:
        raise UsageError(f"{what} needs at least {least} draw{'s' if least > 1 else ''} (got {draws}): raise draws.")
