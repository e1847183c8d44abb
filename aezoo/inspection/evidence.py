"""What a variational model's bound is worth: its estimators, its gradients, the likelihood above it, what is between.

All in nats of preprocessed data. Of every mean there is a standard error: ``…_row_error`` over the rows, which
stand for all data that might have been looked at, and ``…_draw_error`` over the draws of the posterior.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aezoo.errors import CompositionError
from aezoo.evaluation import (
    Bound,
    bits_per_dim,
    dataset_bound,
    decoder_variance,
    evidence_bound,
    filled,
    gradient_spreads,
    importance_sampling,
    inference_gap,
    prior_sampling,
    some_rows,
    standard_error,
)
from aezoo.inspection.finding import Finding, Subject
from aezoo.inspection.options import (
    EstimatorsOptions,
    GapOptions,
    GradientsOptions,
    LikelihoodOptions,
    VarianceOptions,
)
from aezoo.plots import plot_bounds, plot_gap, plot_gradients, plot_spreads, plot_variance


def estimators(subject: Subject, options: EstimatorsOptions) -> Finding:
    """The bound by draws alone (L^A) and with the closed-form KL (L^B), and how much one draw of each varies.

    The KL has a closed form for some posteriors and priors only; without one L^B is left out. ``dataset_bound`` is the
    estimate N/M·Σ of the whole split's bound by the first of both.
    """
    whole = filled(subject.rows)
    split = some_rows(whole, options.rows, subject.seed)
    found: dict[str, Bound] = {}
    for name in ("sampled", "analytic"):
        try:
            found[name] = evidence_bound(subject.model, split, draws=options.draws, estimator=name, seed=subject.seed)
        except CompositionError:
            continue
    figures: dict[str, Any] = {"examples": len(split), "draws": options.draws}
    for name, bound in found.items():
        figures[f"{name}_bound"] = float(bound.values.mean())
        figures[f"{name}_bound_row_error"] = standard_error(bound.values)
        if options.draws > 1:
            figures[f"{name}_bound_draw_error"] = _mean_error(np.sqrt(bound.variances / options.draws))
            figures[f"{name}_variance"] = float(bound.variances.mean())
    total, error = dataset_bound(found["sampled"].values, len(whole))
    figures |= {"dataset_examples": len(whole), "dataset_bound": total, "dataset_bound_error": error}
    spreads = {name: np.sqrt(bound.variances) for name, bound in found.items()}
    return Finding(_known(figures), plot_spreads(spreads) if options.draws > 1 else None)


def gradients(subject: Subject, options: GradientsOptions) -> Finding:
    """The variance of the encoder's gradient, as the trace of its covariance, by each way to estimate it.

    Each ``…_norm`` is that of the mean over the repeats, with the ``…_error`` that is left in it; ``…_variance_ratio``
    compares with the reparameterised gradient, where there is one.
    """
    split = some_rows(subject.rows, options.rows, subject.seed)
    found = gradient_spreads(subject.model, split, draws=options.draws, repeats=options.repeats, seed=subject.seed)
    figures: dict[str, Any] = {"examples": len(split), "draws": options.draws, "repeats": options.repeats}
    reference = found.get("reparameterised")
    for name, spread in found.items():
        key = name.replace("-", "_").replace(" ", "_")
        figures[f"{key}_norm"] = float(np.linalg.norm(spread.mean))
        figures[f"{key}_error"] = spread.standard_error
        figures[f"{key}_variance"] = spread.variance
        if reference is not None and spread is not reference and reference.variance > 0:
            figures[f"{key}_variance_ratio"] = spread.variance / reference.variance
    return Finding(_known(figures), plot_gradients(found))


def likelihood(subject: Subject, options: LikelihoodOptions) -> Finding:
    """log p(x) by importance sampling, beside the evidence lower bound and the bounds between them.

    ``prior_log_likelihood`` is the estimate by as many draws of the prior instead of the posterior; where
    ``prior_effective_sample_size`` is near 1, it says little.
    """
    split = some_rows(subject.rows, options.rows, subject.seed)
    found = importance_sampling(subject.model, split, draws=options.draws, seed=subject.seed)
    mean = float(found.log_likelihood.mean())
    figures: dict[str, Any] = {
        "examples": len(split),
        "draws": options.draws,
        "log_likelihood": mean,
        "log_likelihood_row_error": standard_error(found.log_likelihood),
        "log_likelihood_draw_error": _mean_error(found.errors),
        "largest_draw_error": float(found.errors.max()),
        "effective_sample_size": float(found.effective.mean()),
        "smallest_effective_sample_size": float(found.effective.min()),
        "elbo": float(found.bounds[1].mean()),
        "elbo_row_error": standard_error(found.bounds[1]),
    }
    by_prior = prior_sampling(subject.model, split, draws=options.draws, seed=subject.seed)
    figures |= {
        "prior_log_likelihood": float(by_prior.log_likelihood.mean()),
        "prior_effective_sample_size": float(by_prior.effective.mean()),
    }
    if {"density", "mass"} & set(subject.model.capabilities):
        figures["bits_per_dim"] = bits_per_dim(subject.model, -mean)
    figures["importance_bounds"] = {str(size): float(bound.mean()) for size, bound in found.bounds.items()}
    return Finding(_known(figures), plot_bounds(found))


def gap(subject: Subject, options: GapOptions) -> Finding:
    """log p(x) − ELBO as what amortised inference costs and what the family of the posterior costs."""
    split = some_rows(subject.rows, options.rows, subject.seed)
    found = inference_gap(
        subject.model, split, draws=options.draws, steps=options.steps, start=options.start, seed=subject.seed
    )
    figures: dict[str, Any] = {"examples": len(split), "draws": options.draws, "steps": options.steps}
    for name, values in {
        "log_likelihood": found.log_likelihood,
        "elbo": found.bound,
        "optimised_elbo": found.optimised,
        "amortisation_gap": found.amortisation,
        "approximation_gap": found.approximation,
    }.items():
        figures |= {name: float(values.mean()), f"{name}_row_error": standard_error(values)}
    return Finding(_known(figures), plot_gap(found))


def variance(subject: Subject, options: VarianceOptions) -> Finding:
    """The decoder's scale beside the optimal shared one, and what the data costs under each."""
    split = some_rows(subject.rows, options.rows, subject.seed)
    found = decoder_variance(subject.model, split, draws=options.draws, seed=subject.seed)
    figures: dict[str, Any] = {
        "examples": len(split),
        "scale": found.scale,
        "optimal_scale": found.optimal,
        "nll": found.nll,
        "optimal_nll": found.optimal_nll,
        "scale_by_value": found.by_value[0].tolist(),
        "optimal_scale_by_value": found.by_value[1].tolist(),
    }
    return Finding(_known(figures), plot_variance(found))


def _known(figures: dict[str, Any]) -> dict[str, Any]:
    """Without those that have no value: the spread of one row, the likeliest scale of data that is decoded exactly."""
    return {name: value for name, value in figures.items() if not isinstance(value, float) or math.isfinite(value)}


def _mean_error(errors: np.ndarray[Any, Any]) -> float:
    """Of the mean of independent values with standard ``errors`` (n,)."""
    return float(np.sqrt(np.square(errors).sum()) / len(errors))
