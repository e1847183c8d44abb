"""Sparse codes: their implied prior, and the data and atoms that stand behind each unit.

Shapes: n rows, *X one datum, Z units of one code (flattened).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aezoo.core.schedules import weight_at
from aezoo.data import Split
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation.codes import ZERO, code_shape, firing_rates
from aezoo.evaluation.dimensions import split_codes
from aezoo.evaluation.latent import decode
from aezoo.evaluation.reconstruction import reconstruction_figures
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import laplace_scale

# units shown unless told which, and at most
SHOWN, MOST = 8, 32


class Feature(NamedTuple):
    """The rows on which one unit is most active.

    Examples:
        >>> feature = aezoo.evaluation.top_features(topk.model, split, count=3)[0]
        >>> feature.rows.shape, 0 < feature.rate <= 1
        ((3,), True)
    """

    unit: int
    rate: float
    """The share of the rows on which it fires."""
    rows: Array
    """(at most count,) numbers of rows in the split, the largest activation first."""
    activations: Array
    """The unit's value on each of them."""


def implied_scale(model: Autoencoder) -> float | None:
    """The scale b = 1/w of the Laplace prior that the model's regularizers ``l1``, of weight w in all, stand for.

    Under it the loss −log p(x | z) + w·‖z‖₁ is −log p(x, z) less the constant Z·log 2b, so the encoder learns codes of
    largest posterior density (MAP); with a Gaussian likelihood of σ = 1 that is half the squared error and the L1
    penalty. Of rectified codes the prior is the half of it above zero, of the same scale. None without such a weight.

    Examples:
        >>> aezoo.evaluation.implied_scale(topk.model) is None
        True
    """
    names = [name for name in model.weights if re.fullmatch(r"l1(-\d+)?", name)]
    weight = sum(weight_at(model.weights[name], None) for name in names)
    return laplace_scale(weight) if weight > 0 else None


def top_features(
    model: Autoencoder, split: Split, *, units: Sequence[int] | None = None, count: int = 8
) -> list[Feature]:
    """The ``count`` rows on which each unit is most active, among those on which it fires; of equals, the first.

    Args:
        model: any model; of one whose codes are distributed, the posterior mean is looked at.
        split: the rows.
        units: which; None takes the eight that fire most, and of those that fire alike the largest on average.
        count: rows a unit.

    Raises:
        UsageError: a unit that is not there, twice one, none or more than 32, or a count below 1.
        DataError: no rows, codes that are not finite, or no unit that fires.

    Examples:
        >>> [feature.unit for feature in aezoo.evaluation.top_features(topk.model, split, units=[3, 5])]
        [3, 5]
    """
    if count < 1:
        raise UsageError(f"count must be at least 1 (got {count}).")
    codes = split_codes(model, split)
    rates = firing_rates(codes)
    if units is None:
        order = np.lexsort((-np.abs(codes).mean(axis=0, dtype=np.float64), -rates))
        units = [int(j) for j in order[:SHOWN] if rates[j] > 0]
        if not units:
            raise DataError(f"no unit of this model fires on any of the {len(split)} rows: lower its sparsity weight.")
    if not 0 < len(set(units)) == len(units) <= MOST:
        raise UsageError(f"units must be 1 to {MOST} different ones, such as 0,5,7 (got {len(units)}).")
    for j in units:
        if not 0 <= j < codes.shape[1]:
            raise UsageError(f"there is no unit {j}: the code has {codes.shape[1]}, numbered from 0.")
    found = []
    for j in units:
        fires = np.flatnonzero(np.abs(codes[:, j]) > ZERO)
        rows = fires[np.argsort(-codes[fires, j], kind="stable")[:count]]
        found.append(Feature(int(j), float(rates[j]), rows, codes[rows, j]))
    return found


def log_joint(model: Autoencoder, split: Split, codes: Array) -> float:
    """log p(x, z) at the codes (n, Z) of ``split``: log p(x | z) + log p(z), nats, averaged over the rows.

    The prior is the Laplace that the model's L1 penalty stands for (``implied_scale``), or of codes that are never
    below zero its half above. Of an encoder that finds the code of greatest posterior density, it is what is climbed.

    Raises:
        CapabilityError: the model has no L1 penalty.

    Examples:
        >>> sparse = aezoo.train("sparse-l1", "digits", epochs=1)
        >>> codes = aezoo.evaluation.split_codes(sparse.model, split)
        >>> aezoo.evaluation.log_joint(sparse.model, split, codes) < 0
        True
    """
    scale = implied_scale(model)
    if scale is None:
        raise CapabilityError(
            "log p(x, z) needs a prior, which of a deterministic model an L1 penalty stands for: use sparse-l1, or "
            "--regularizer l1=0.05."
        )
    size = codes.shape[1]
    # the half above zero has twice the density there
    width = scale if codes.min(initial=0.0) >= 0 else 2 * scale
    log_prior = -np.abs(codes).sum(1, dtype=np.float64) / scale - size * math.log(width)
    return float(log_prior.mean()) - reconstruction_figures(model, split)["reconstruction"]


def atoms(model: Autoencoder, units: Sequence[int]) -> Array | None:
    """What one more of each unit adds to the reconstruction (len(units), *X), raw units: a dictionary's atoms.

    Only a decoder that is affine in the code has them: the columns of its matrix. None for another.

    Examples:
        >>> aezoo.evaluation.atoms(topk.model, [0, 1]).shape
        (2, 1, 8, 8)
    """
    size = math.prod(code_shape(model))
    a, b = 10 * np.random.default_rng(0).standard_normal((2, 16, size))
    none, one, other, both = (decode(model, z).astype(np.float64) for z in (np.zeros((1, size)), a, b, a + b))
    bent = np.abs(one + other - both - none).max()
    # beyond the rounding of float32 over sums of so many values
    if not bent <= 1e-4 * np.abs(both - none).max():
        return None
    ones = np.zeros((len(units), size))
    ones[np.arange(len(units)), list(units)] = 1.0
    return np.asarray(decode(model, ones) - none)
