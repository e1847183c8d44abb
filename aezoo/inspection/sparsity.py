"""Sparse codes: how often each unit fires, and what makes it."""

from __future__ import annotations

import numpy as np

from aezoo.errors import CapabilityError
from aezoo.evaluation import (
    dead_units,
    firing_rates,
    implied_scale,
    l0,
    log_joint,
    some_rows,
    split_codes,
    top_features,
)
from aezoo.inspection.finding import Finding, Subject
from aezoo.inspection.options import FeaturesOptions, SparsityOptions
from aezoo.plots import plot_activations, plot_features


def sparsity(subject: Subject, options: SparsityOptions) -> Finding:
    """How many units fire, how often each does, and the Laplace priors that penalty and codes stand for.

    ``laplace_scale`` is the scale b of greatest likelihood, the mean size of the activations; ``implied_scale`` that of
    the prior which the model's L1 penalty is, where it has one; ``log_joint`` is then log p(x, z) at the codes, the
    mean over the rows of log p(x | z) + log p(z), nats per example of preprocessed data.

    Raises:
        CapabilityError: the codes are distributed, not deterministic.
    """
    if "stochastic" in subject.model.capabilities:
        raise CapabilityError(
            "sparsity counts the zeros of a deterministic code, which this model's is not: use dimensions, or a model "
            "such as sparse."
        )
    split = some_rows(subject.rows, options.rows, subject.seed)
    codes = split_codes(subject.model, split)
    rates = firing_rates(codes)
    figures = {
        "examples": len(codes),
        "units": codes.shape[1],
        "l0": l0(codes),
        "zeros": 1 - float(rates.mean()),
        "dead_units": dead_units(codes),
        "laplace_scale": float(np.abs(codes).mean(dtype=np.float64)),
    }
    implied = implied_scale(subject.model)
    if implied is not None:
        figures["implied_scale"] = implied
        figures["log_joint"] = log_joint(subject.model, split, codes)
    return Finding(
        {**figures, "firing_rates": rates.tolist(), "mean_sizes": np.abs(codes).mean(0, dtype=np.float64).tolist()},
        plot_activations(codes),
    )


def features(subject: Subject, options: FeaturesOptions) -> Finding:
    """Of each unit: how often it fires, and the numbers in the split of the rows that make it fire most."""
    split = some_rows(subject.rows, options.rows, subject.seed)
    found = top_features(subject.model, split, units=options.units, count=options.count)
    # numbered among the rows asked for, whichever of them were looked at
    order = np.argsort(subject.rows.index)
    number = order[np.searchsorted(subject.rows.index, split.index, sorter=order)]
    found = [feature._replace(rows=number[feature.rows]) for feature in found]
    figures = {
        str(feature.unit): {
            "firing_rate": feature.rate,
            "rows": feature.rows.tolist(),
            "activations": feature.activations.tolist(),
        }
        for feature in found
    }
    return Finding({"examples": len(split), "units": figures}, plot_features(subject.model, subject.rows, found))
