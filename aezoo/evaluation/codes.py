"""How much of its code a model uses.

Shapes: n rows, Z values of one code.
"""

from __future__ import annotations

import numpy as np
import torch

from aezoo.errors import DataError
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder

ACTIVE_VARIANCE = 0.01
# a value that an activation set to zero is exactly that; the tolerance only forgives rounding
ZERO = 1e-6


def refuse_broken(finite: bool) -> None:
    """Raises DataError for codes that are not all ``finite``."""
    if not finite:
        raise DataError("the model's codes are not finite: it has diverged, train it anew with a lower lr.")


def active(codes: Array) -> Array:
    """Which values of the posterior mean (n, Z) have a variance over the rows above 0.01: (Z,) of bool.

    That threshold means something next to a prior of unit scale: a unit that the posterior ignores stays near it.
    Burda et al. 2016, arXiv:1509.00519, section 5.2.

    Examples:
        >>> aezoo.evaluation.active(np.array([[0.0, 1.0], [0.0, 2.0]])).tolist()
        [False, True]
    """
    return np.asarray(codes.var(axis=0, dtype=np.float64) > ACTIVE_VARIANCE)


def active_units(codes: Array) -> int:
    """How many values of codes (n, Z) are ``active``.

    Examples:
        >>> aezoo.evaluation.active_units(np.array([[0.0, 1.0], [0.0, 2.0]]))
        1
    """
    return int(active(codes).sum())


def l0(codes: Array) -> float:
    """The mean number of values above 1e-6 in size in a code, of codes (n, Z).

    Examples:
        >>> aezoo.evaluation.l0(np.array([[0.0, 1.0], [2.0, 3.0]]))
        1.5
    """
    return float((np.abs(codes) > ZERO).sum(axis=1).mean())


def dead_units(codes: Array) -> int:
    """How many values of codes (n, Z) never exceed 1e-6 in size on any of the rows.

    Examples:
        >>> aezoo.evaluation.dead_units(np.array([[0.0, 1.0], [0.0, 0.0]]))
        1
    """
    return int((firing_rates(codes) == 0).sum())


def firing_rates(codes: Array) -> Array:
    """The share of the rows on which each value of codes (n, Z) exceeds 1e-6 in size: (Z,).

    Examples:
        >>> aezoo.evaluation.firing_rates(np.array([[0.0, 1.0], [2.0, 3.0]])).tolist()
        [0.5, 1.0]
    """
    return np.asarray((np.abs(codes) > ZERO).mean(axis=0))


def code_shape(model: Autoencoder) -> tuple[int, ...]:
    """The shape *Z of one code.

    Examples:
        >>> aezoo.evaluation.code_shape(run.model)
        (2,)
    """
    with torch.no_grad(), model.evaluating():
        x = torch.zeros((1, *model.spec.shape), dtype=model.dtype, device=model.device)
        return tuple(model.code(x).shape[1:])
