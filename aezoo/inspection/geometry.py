"""What contractive, denoising and linear models learn of the data's shape, beside what theory says of it."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from aezoo import evaluation
from aezoo.errors import CapabilityError, UsageError
from aezoo.evaluation import (
    contraction_ratios,
    displacement,
    effective_rank,
    filled,
    jacobian_spectrum,
    linear_decoder,
    linear_log_likelihood,
    nearest_distance,
    need,
    negative_elbo,
    pca_squared_error,
    ppca,
    prepared_split,
    principal_angles,
    principal_components,
    raw_rows,
    rebuilt_variances,
    reconstruction_figures,
    saturation,
    some_rows,
    split_codes,
    walk,
)
from aezoo.inspection.finding import Finding, Subject
from aezoo.inspection.options import ContractionOptions, FieldOptions, PCAOptions, SpectrumOptions, TangentsOptions
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import StandardNormal
from aezoo.plots import plane_grid, plot_contraction, plot_field, plot_pca, plot_spectrum, plot_tangents

# half a gigabyte in float64
PCA_VALUES = 1 << 26
MOST_ROWS = 5000
SHOWN = 20


def spectrum(subject: Subject, options: SpectrumOptions) -> Finding:
    """Means over the rows of the Jacobian's Frobenius norm, effective rank and singular values, in preprocessed units.

    And the share of saturated units, where the code's activation has two flat ends.
    """
    split = some_rows(filled(subject.rows), options.rows, subject.seed)
    values = jacobian_spectrum(subject.model, split)
    figures: dict[str, Any] = {
        "examples": len(values),
        "mean_norm": float(np.sqrt(np.square(values).sum(axis=1)).mean()),
        "effective_rank": float(effective_rank(values).mean()),
    }
    with suppress(CapabilityError):
        figures["saturated"] = saturation(subject.model, split)
    figures["singular_values"] = values.mean(axis=0).tolist()
    return Finding(figures, plot_spectrum(values))


def contraction(subject: Subject, options: ContractionOptions) -> Finding:
    """The distance of codes over that of data: near a row (local), and between rows (global), by that distance.

    ``local_over_global`` is the ratio of the two, which no scale of the code changes: below 1, the encoder contracts
    around the data more than it does between them.
    """
    split = some_rows(subject.rows, options.rows, subject.seed)
    found = contraction_ratios(
        subject.model, split, distances=options.distances, directions=options.directions, seed=subject.seed
    )
    figures = {
        "examples": len(split),
        "local": float(found.ratios[0]),
        "global": found.between,
        "local_over_global": float(found.ratios[0]) / found.between if found.between else math.nan,
        "mean_distance": found.apart,
        "distances": found.distances.tolist(),
        "ratios": found.ratios.tolist(),
    }
    return Finding(figures, plot_contraction(found))


def tangents(subject: Subject, options: TangentsOptions) -> Finding:
    """The leading tangents at one row, and how far a unit step along each moves the code, in preprocessed units."""
    x = raw_rows(subject.rows, [options.index])[0]
    found = evaluation.tangents(subject.model, x, options.count)
    figures = {
        "row": options.index,
        "directions": len(found.stretch),
        "stretch": found.stretch.tolist(),
        "tangents": found.directions.tolist(),
    }
    return Finding(figures, plot_tangents(subject.model, x, found))


def field(subject: Subject, options: FieldOptions) -> Finding:
    """How long the field is where data is and over the grid, and how near to the data walks from the grid come.

    ``noise`` is the standard deviation σ of training, and the distances are means over the grid to the nearest
    training row; both in preprocessed units. Lengths are in raw units.

    Raises:
        CapabilityError: the model was not trained against Gaussian noise.
        DataError: the data is not of two values.
        UsageError: a walk leaves for infinity.
    """
    model = subject.model
    need(
        model,
        ("score-function",),
        "the field r(x) − x as an estimate of the score",
        "--model denoising, or another with --corruption gaussian",
    )
    assert model.corruption is not None
    assert model.corruption.noise_variance is not None
    grid = plane_grid(subject.rows, options.points).reshape(-1, *model.spec.shape)
    ends = walk(model, grid, options.steps, options.rate)[-1]
    if not np.isfinite(ends).all():
        raise UsageError(f"a walk by rate {options.rate:g} ends nowhere: lower it, or use fewer steps.")
    train = prepared_split(model, some_rows(subject.splits.train, MOST_ROWS, subject.seed))
    before, after = (nearest_distance(_prepared(model, places), train).mean() for places in (grid, ends))
    shown = some_rows(subject.rows, MOST_ROWS, subject.seed).rows()
    figures = {
        "noise": math.sqrt(model.corruption.noise_variance),
        "length_at_data": float(displacement(model, shown).flatten(1).norm(dim=1).mean()),
        "length_over_grid": float(np.linalg.norm(displacement(model, grid).reshape(len(grid), -1), axis=1).mean()),
        "distance_before_walk": float(before),
        "distance_after_walk": float(after),
    }
    picture = plot_field(model, subject.rows, options.points, options.steps, options.rate, seed=subject.seed)
    return Finding(figures, picture)


def _prepared(model: Autoencoder, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return model.prepare(torch.from_numpy(rows)).flatten(1).double().cpu().numpy()


def pca(subject: Subject, options: PCAOptions) -> Finding:
    """A model with a linear decoder beside PCA of the training rows, and a variational one beside probabilistic PCA.

    The decoder's column space stands beside the span of as many leading principal components, by their principal angles
    in degrees, and so do the squared errors of the rows looked at. Where p(z) and p(x | z) are Gaussian, the latter of
    one variance, the model is probabilistic PCA but for its training: its noise, bound and log-likelihood stand beside
    those of the closed-form optimum for the training rows, nats per example of the rows looked at; on the training
    rows, nothing is above it. ``model_variances`` are the variances that the model gives the data along its own
    principal axes, and of a point model those of its reconstructions. All in preprocessed units.

    Raises:
        CapabilityError: the decoder is not linear.
        DataError: there are no rows, or too few for probabilistic PCA.
        UsageError: a variational code as large as the data or larger.
    """
    model, most = subject.model, min(options.rows, max(1, PCA_VALUES // subject.model.spec.size))
    decoder = linear_decoder(model)
    count = decoder.weight.shape[1]
    fitted = some_rows(filled(subject.splits.train), most, subject.seed)
    split = some_rows(filled(subject.rows), most, subject.seed)
    train, rows = prepared_split(model, fitted), prepared_split(model, split)
    components = principal_components(train, max(count, SHOWN))
    angles = principal_angles(decoder.weight, components.axes[:count].T)
    figures = {
        "examples": len(rows),
        "training_examples": len(train),
        "components": min(count, len(components.variances)),
        "largest_angle": float(angles.max(initial=0.0)),
        "squared_error": reconstruction_figures(model, split)["squared_error"],
        "pca_squared_error": pca_squared_error(train, rows, count),
    }
    noise = None
    if "bound" in model.capabilities and isinstance(model.prior, StandardNormal) and decoder.variance is not None:
        noise, best = decoder.variance, ppca(train, count)
        variances = np.square(np.linalg.svd(decoder.weight, compute_uv=False)) + noise
        figures |= {
            "noise_variance": noise,
            "ppca_noise_variance": best.variance,
            "elbo": -negative_elbo(model, split, seed=subject.seed),
            "log_likelihood": linear_log_likelihood(decoder, rows),
            "ppca_log_likelihood": linear_log_likelihood(best, rows),
        }
    else:
        variances = rebuilt_variances(decoder, split_codes(model, fitted))
    lists = {"angles": angles, "pca_variances": components.variances, "model_variances": variances}
    picture = plot_pca(angles, components.variances, variances, noise)
    return Finding({**figures, **{name: values.tolist() for name, values in lists.items()}}, picture)
