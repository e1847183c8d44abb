"""Principal components as the baseline: the best that any linear code of the same size can do.

Shapes: n rows to fit, m rows to measure, D values of one datum.
"""

from __future__ import annotations

import numpy as np

from aezoo.evaluation.split import Array

EXACT = 3000


def pca_squared_error(train: Array, rows: Array, components: int) -> float:
    """The squared error of ``rows`` (m, D) rebuilt from the leading components of ``train`` (n, D).

    Summed over the datum, averaged over the rows. n rows span n − 1 dimensions around their mean, so there are at most
    min(D, n − 1) components; with none the mean alone is the reconstruction, with D nothing is lost. Exact unless both
    n and D are beyond 3,000, where the solver is randomised and may be a little too high. A linear
    autoencoder's optimum: Baldi & Hornik 1989, "Neural networks and principal component analysis".
    """
    from sklearn.decomposition import PCA

    mean = train.mean(axis=0, dtype=np.float64)
    residual = rows - mean
    kept = min(components, train.shape[1], len(train) - 1)
    if kept == train.shape[1]:
        return 0.0
    if kept > 0:
        # rows that are all equal have no variance to explain a share of
        with np.errstate(invalid="ignore", divide="ignore"):
            # centred here: the solver subtracts the mean from the covariance, which loses it where the mean is large
            axes = PCA(kept, svd_solver=_solver(*train.shape), random_state=0).fit(train - mean).components_
        residual -= (residual @ axes.T) @ axes
    return float(np.square(residual).sum(axis=1).mean())


def _solver(rows: int, size: int) -> str:
    """An exact solver wherever it takes seconds: a baseline that is only nearly optimal is beaten for nothing."""
    if size <= EXACT:
        return "covariance_eigh"
    return "full" if rows <= EXACT else "randomized"
