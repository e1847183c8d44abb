"""U1: a linear autoencoder against its limit, principal components.

No linear code of k values rebuilds better than the k leading components, and gradient descent has no other minimum
(Baldi & Hornik 1989). Beside it stands the likelihood of the probabilistic model whose optimum they are (Tipping &
Bishop 1999), in nats per image of pixels in [0, 1].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from aezoo.evaluation import pca_squared_error, prepared_split, reconstruction_figures
from reproductions.card import Card, Context, Figure, within, within_percent

# code size: squared error of PCA on the training and test images, log-likelihood of probabilistic PCA on the former
MEASURED = {
    2: (43.8669, 43.6449, 12.428),
    10: (26.9873, 26.7139, 182.155),
    20: (18.7922, 18.4539, 299.758),
    30: (14.2071, 13.8663, 385.653),
    32: (13.5184, 13.1933, 400.433),
    50: (9.2455, 9.0043, 507.905),
    64: (7.2786, 7.0927, 570.246),
    100: (4.5012, 4.4028, 680.952),
}


def measure(context: Context, seed: int) -> dict[str, float]:
    """Trains one model a code size."""
    found: dict[str, float] = {}
    for size in MEASURED:
        run = context.train(
            "linear",
            latent_dim=size,
            network="mlp,tied=true",
            optimizer="sgd",
            momentum=0.9,
            lr=1e-2,
            schedule="cosine",
            batch_size=250,
            epochs=40,
            validation=0,
            seed=seed,
        )
        train, test = (prepared_split(run.model, split) for split in (run.splits.train, run.splits.test))
        found |= {
            f"{size}: train error, trained": reconstruction_figures(run.model, run.splits.train)["squared_error"],
            f"{size}: test error, trained": reconstruction_figures(run.model, run.splits.test)["squared_error"],
            f"{size}: train error, PCA": pca_squared_error(train, train, size),
            f"{size}: test error, PCA": pca_squared_error(train, test, size),
            f"{size}: log-likelihood, PPCA": log_likelihood(train, size),
        }
    return found


def log_likelihood(x: np.ndarray[Any, Any], components: int) -> float:
    """The mean log-density of ``x`` under probabilistic PCA fitted on it, nats per row."""
    return float(PCA(components, svd_solver="covariance_eigh").fit(x).score(x))


def figures(size: int) -> list[Figure]:
    """The figures of one code size."""
    train, test, likelihood = MEASURED[size]
    return [
        Figure(f"{size}: train error, trained", train, within_percent(train, 0.1)),
        Figure(f"{size}: test error, trained", test, within_percent(test, 0.1)),
        Figure(f"{size}: train error, PCA", train, within(train, 1e-4)),
        Figure(f"{size}: test error, PCA", test, within(test, 1e-4)),
        Figure(f"{size}: log-likelihood, PPCA", likelihood, within(likelihood, 0.01)),
    ]


CARD = Card(
    name="u1",
    models=("linear",),
    title="Linear autoencoder against PCA on MNIST",
    source="Baldi & Hornik 1989; Tipping & Bishop 1999; figures of PCA measured in NumPy",
    recipe="784-k, no activation, tied weights, squared error; SGD 1e-2 with momentum 0.9 and cosine decay, batch 250, "
    "40 epochs",
    figures=[figure for size in MEASURED for figure in figures(size)],
    measure=measure,
    data=["mnist"],
    notes=[
        "Adam 2e-3 with weights of their own for the decoder comes within 0.02 % of PCA's test error with 10 values in "
        "30 epochs, and with 2 is still 3.9 % above it.",
    ],
)
