"""Linear probes: what a linear classifier, or a linear regression, can read out of the codes.

Shapes: n rows to fit, m rows to measure, Z values of one code.
"""

from __future__ import annotations

import warnings

import numpy as np

from aezoo.data import Split
from aezoo.errors import DataError
from aezoo.evaluation.split import Array, encode_split
from aezoo.model.autoencoder import Autoencoder


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


def truth_r2(model: Autoencoder, train: Split, split: Split) -> dict[str, float]:
    """R² on ``split`` of each true number behind the rows, by least squares on the codes, fitted on ``train``.

    1 is all of it, 0 no more than the mean of ``split`` says. Of data whose ``truth`` has a number for each row;
    nothing of other data, of fewer than two rows, and of codes that are not finite.

    Examples:
        >>> data = aezoo.data.open_data("swiss-roll,rows=500")
        >>> splits = data.split()
        >>> rolled = aezoo.train("linear", data, latent_dim=2, epochs=5)
        >>> sorted(aezoo.evaluation.truth_r2(rolled.model, splits.train, splits.test))
        ['angle', 'height']
    """
    from sklearn.linear_model import LinearRegression

    dataset = split.dataset
    names = [name for name, values in dataset.truth.items() if values.shape == (len(dataset),)]
    if not names or train.dataset.truth.keys() != dataset.truth.keys() or min(len(train), len(split)) < 2:
        return {}
    codes = [encode_split(model, part).astype(np.float64) for part in (train, split)]
    if not all(np.isfinite(part).all() for part in codes):
        return {}
    found = {}
    for name in names:
        probe = LinearRegression().fit(codes[0], train.dataset.truth[name][train.index])
        found[name] = float(probe.score(codes[1], dataset.truth[name][split.index]))
    return found
