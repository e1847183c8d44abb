"""Bounds on the likelihood, and what they are in bits."""

from __future__ import annotations

import math

import numpy as np

from aezoo.data import Split
from aezoo.evaluation.raw import filled
from aezoo.model.autoencoder import Autoencoder, need


def negative_elbo(model: Autoencoder, split: Split, *, draws: int = 10, seed: int = 0) -> float:
    """The negative evidence lower bound, nats per example in preprocessed units: at least −log p(x) on average.

    −log p(x | z) averaged over ``draws`` draws of the posterior, plus KL(q ‖ p) at weight 1 whatever weight the model
    was trained with. Kingma & Welling 2014, arXiv:1312.6114.

    Raises:
        CapabilityError: the model has no such bound.
        DataError: the split has no rows.
        UsageError: ``draws`` is below 1.

    Examples:
        >>> aezoo.evaluation.negative_elbo(run.model, split, draws=5) < 1000
        True
    """
    need(model, ("bound",), "an evidence bound", "a variational model such as vae")
    size = model.rows_a_pass(max(1, draws))
    total = 0.0
    for index, x in enumerate(filled(split).batches(size)):
        # one seed for all passes would give their rows the same noise
        stream = int(np.random.SeedSequence((seed, index)).generate_state(1)[0])
        total += float(model.score(x, draws=draws, seed=stream, batch_size=size).double().sum())
    return total / len(split)


def bits_per_dim(model: Autoencoder, nats: float) -> float:
    """``nats``, a negative log-likelihood of preprocessed data or a bound on it, as bits per value of the raw data.

    A density takes the scaling's log-determinant with it: −log p_raw = −log p_scaled − log|scale|. Probabilities of
    discrete data do not change with the scale. A density fitted to discrete values without noise is no code length:
    its bits can be negative, and compare only with those of other densities.

    Raises:
        CapabilityError: the likelihood is neither a density nor a probability of the data.

    Examples:
        >>> aezoo.evaluation.bits_per_dim(run.model, 0.0)
        4.0
    """
    need(model, ("density", "mass"), "bits per dimension", "a variational model such as vae with likelihood gaussian")
    if "density" in model.capabilities and model.preprocess is not None:
        nats -= float(model.preprocess.log_det())
    return nats / (model.spec.size * math.log(2))
