"""The vector field r(x) − x, from data to its reconstruction, and the walk along it.

Trained against Gaussian noise of variance σ², r(x) − x estimates σ² times the gradient of the log-density of the data
with that noise added, so the walk climbs to where data is likely. Vincent 2011, "A connection between score matching
and denoising autoencoders"; Alain & Bengio 2014, arXiv:1211.4246. Every autoencoder has the field.

Shapes: B rows, *X one datum; all in raw units.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aezoo.errors import UsageError
from aezoo.evaluation.raw import checked_rows, given_back
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.passes import Rows


def displacement(model: Autoencoder, x: Rows) -> Any:
    """r(x) − x (B, *X), with r the reconstruction at the posterior's mean, of rows of raw data (B, *X) or one datum.

    Of a model trained against Gaussian noise it is that noise's variance, in raw units, times ``score_function``.
    Returns a tensor for a tensor, else NumPy, of the model's type.

    Raises:
        DataError: rows of another shape, or values that are not finite.

    Examples:
        >>> aezoo.evaluation.displacement(moons.model, [[0.5, 1.0]]).shape
        (1, 2)
    """
    rows, single = checked_rows(model, x)
    return given_back(x, _displaced(model, rows.double()).to(model.dtype), single)


def walk(model: Autoencoder, x: Rows, steps: int = 30, rate: float = 1.0) -> Any:
    """The path (steps + 1, B, *X) of x ← x + rate·(r(x) − x), which begins at ``x``: rows of raw data or one datum.

    With rate 1 each place is the reconstruction of the one before; smaller ones follow the field more closely.
    Returns a tensor for a tensor, else NumPy, of the model's type.

    Raises:
        UsageError: ``steps`` is below 1, or ``rate`` is not a positive number.
        DataError: rows of another shape, or values that are not finite.

    Examples:
        >>> aezoo.evaluation.walk(moons.model, [[0.5, 1.0]], steps=4).shape
        (5, 1, 2)
    """
    if steps < 1:
        raise UsageError(f"steps must be at least 1 (got {steps}).")
    if not 0 < rate < math.inf:
        raise UsageError(f"rate must be a positive number, such as 1 (got {rate:g}).")
    rows, single = checked_rows(model, x)
    path = torch.empty((steps + 1, *rows.shape), dtype=model.dtype, device=rows.device)
    path[0] = rows = rows.double()
    for step in range(steps):
        rows = rows + rate * _displaced(model, rows)
        path[step + 1] = rows
    return given_back(x, path, single, axis=1)


def nearest_distance(points: Array, rows: Array) -> Array:
    """The distance (n,) of each of ``points`` (n, D) to the nearest of ``rows`` (m, D).

    Examples:
        >>> aezoo.evaluation.nearest_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [9.0, 9.0]])).tolist()
        [5.0]
    """
    from sklearn.neighbors import NearestNeighbors

    return np.asarray(NearestNeighbors(n_neighbors=1).fit(rows).kneighbors(points)[0][:, 0])


def _displaced(model: Autoencoder, rows: Tensor) -> Tensor:
    """r(x) − x (B, *X), float64, whose digits a large offset of the raw data does not eat."""
    size = model.rows_a_pass()
    moved = torch.empty_like(rows)
    with torch.no_grad(), model.evaluating():
        for start in range(0, len(rows), size):
            x = rows[start : start + size]
            rebuilt = model.decoder(model.code(model.prepare(x))[None]).mean[0].double()
            raw = model.raw(rebuilt)
            moved[start : start + size] = raw.to(rows.device) - x
    return moved
