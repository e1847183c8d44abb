"""A linear probe: what a linear classifier can read out of the codes.

Shapes: n rows to fit, m rows to measure, Z values of one code.
"""

from __future__ import annotations

import warnings

import numpy as np

from aezoo.errors import DataError
from aezoo.evaluation.split import Array


def probe_accuracy(train_codes: Array, train_labels: Array, codes: Array, labels: Array) -> float:
    """The accuracy, 0 to 1, on ``codes`` (m, Z) of a logistic regression fitted on ``train_codes`` (n, Z).

    Codes are standardised by the training codes first. Alain & Bengio 2016, arXiv:1610.01644.

    Raises:
        DataError: the training labels hold fewer than two classes.

    Examples:
        >>> codes, labels = np.array([[-1.0], [1.0]] * 10), np.array([0, 1] * 10)
        >>> aezoo.evaluation.probe_accuracy(codes, labels, codes, labels)
        1.0
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(train_labels)) < 2:
        raise DataError("a probe needs at least two classes in the training labels: leave it out, or give more rows.")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    with warnings.catch_warnings():
        # separable codes have no finite optimum; where the iterations end there, the accuracy has long settled
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(train_codes.astype(np.float64), train_labels)
    return float((probe.predict(codes.astype(np.float64)) == labels).mean())
