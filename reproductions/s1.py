"""S1: a winner-take-all autoencoder on MNIST, its codes read by a linear support vector machine.

The autoencoder sees no labels and all 60,000 training images. The machine's C is chosen on the last 10,000 of them,
by a fit on the rest; the figure is the accuracy on the test images after a fit on all.
"""

from __future__ import annotations

import numpy as np
from sklearn.svm import LinearSVC

from aezoo.evaluation import dead_units, encode_split, l0
from reproductions.card import Card, Context, Figure, at_least

CS = (1.0, 3.0, 10.0, 30.0)
HELD_OUT = 10_000


def measure(context: Context, seed: int) -> dict[str, float]:
    """Trains the autoencoder, then the machine on its codes."""
    run = context.train(
        "sparse",
        code_activation="winner-take-all=0.05",
        l1=0.0,
        unit_norm=False,
        network="mlp,tied=true",
        latent_dim=2000,
        batch_size=100,
        lr=1e-3,
        epochs=50,
        validation=0,
        seed=seed,
    )
    codes, test = (encode_split(run.model, split) for split in (run.splits.train, run.splits.test))
    labels, test_labels = run.splits.train.labels, run.splits.test.labels
    assert labels is not None
    # one scale for all, so that a C means the same whatever the size of the codes
    scale = np.sqrt(np.square(codes).sum(1).mean())
    codes, test = codes / scale, test / scale
    validation = {
        c: machine(c, seed).fit(codes[:-HELD_OUT], labels[:-HELD_OUT]).score(codes[-HELD_OUT:], labels[-HELD_OUT:])
        for c in CS
    }
    best = max(CS, key=lambda c: validation[c])
    return {
        "test accuracy, %": 100 * machine(best, seed).fit(codes, labels).score(test, test_labels),
        "validation accuracy, %": 100 * validation[best],
        "C": best,
        "active units a code": l0(test),
        "dead units": float(dead_units(test)),
    }


def machine(c: float, seed: int) -> LinearSVC:
    """One against the rest, squared hinge loss, solved in the dual."""
    return LinearSVC(C=c, dual=True, tol=1e-2, max_iter=1000, random_state=seed)


CARD = Card(
    name="s1",
    models=("sparse",),
    title="Winner-take-all sparse autoencoder on MNIST",
    source="Makhzani & Frey 2015, table 1",
    recipe="784-2000-784, ReLU code of 5 % lifetime sparsity, linear decoder with tied weights, Adam 1e-3, batch 100, "
    "30,000 steps; then a linear SVM on the rectified codes",
    figures=[
        Figure("test accuracy, %", 98.80, at_least(98.3)),
        Figure("validation accuracy, %"),
        Figure("C"),
        Figure("active units a code"),
        Figure("dead units"),
    ],
    measure=measure,
    data=["mnist"],
)
