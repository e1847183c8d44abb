"""Principal components as the baseline: the best that any linear code of the same size can do.

Shapes: n rows to fit, m rows to measure, D values of one datum, k components.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aezoo.evaluation.split import Array

EXACT = 3000


class Components(NamedTuple):
    """The leading principal components of some rows.

    Examples:
        >>> components = aezoo.evaluation.principal_components(np.diag([3.0, 2.0, 1.0]), 2)
        >>> components.axes.shape, components.variances.shape
        ((2, 3), (2,))
    """

    mean: Array
    """(D,)."""
    variances: Array
    """(k,), the variances 1/n·Σ along the axes, in falling order."""
    axes: Array
    """(k, D), of length 1."""
    total: float
    """The variance in all directions."""


def principal_components(rows: Array, count: int) -> Components:
    """The ``count`` leading principal components of rows (n, D), float64.

    n rows span n − 1 dimensions around their mean, so there are at most min(D, n − 1). Exact unless both n and D are
    beyond 3,000, where the solver is randomised and may find a little too little variance.

    Examples:
        >>> rows = np.outer(np.arange(6.0), [3.0, 4.0])
        >>> np.abs(aezoo.evaluation.principal_components(rows, 1).axes).round(3).tolist()
        [[0.6, 0.8]]
    """
    from sklearn.decomposition import PCA

    mean = rows.mean(axis=0, dtype=np.float64)
    # centred here: the solver subtracts the mean from the covariance, which loses it where the mean is large
    centred = rows - mean
    total = float(np.square(centred).sum() / len(rows))
    kept = min(count, rows.shape[1], len(rows) - 1)
    if kept < 1:
        return Components(mean, np.zeros(0), np.zeros((0, rows.shape[1])), total)
    # rows that are all equal have no variance to explain a share of
    with np.errstate(invalid="ignore", divide="ignore"):
        found = PCA(kept, svd_solver=_solver(*rows.shape), random_state=0).fit(centred)
    return Components(mean, found.explained_variance_ * (len(rows) - 1) / len(rows), found.components_, total)


def pca_squared_error(train: Array, rows: Array, components: int) -> float:
    """The squared error of ``rows`` (m, D) rebuilt from the leading components of ``train`` (n, D).

    Summed over the datum, averaged over the rows; with no component the mean alone is the reconstruction, with D
    nothing is lost. See ``principal_components`` for how many there are, and how exact. A linear autoencoder's optimum:
    Baldi & Hornik 1989, "Neural networks and principal component analysis".

    Examples:
        >>> rows = np.outer(np.arange(6.0), [1.0, 2.0])
        >>> round(aezoo.evaluation.pca_squared_error(rows, rows, 1), 6)
        0.0
    """
    found = principal_components(train, components)
    if len(found.axes) == train.shape[1]:
        return 0.0
    residual = rows - found.mean
    residual -= (residual @ found.axes.T) @ found.axes
    return float(np.square(residual).sum(axis=1).mean())


def _solver(rows: int, size: int) -> str:
    """An exact solver wherever it takes seconds: a baseline that is only nearly optimal is beaten for nothing."""
    if size <= EXACT:
        return "covariance_eigh"
    return "full" if rows <= EXACT else "randomized"
