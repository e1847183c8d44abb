"""C1: contractive, denoising and plain autoencoders on MNIST, each the start of a classifier.

50,000 images train the autoencoders, without labels, and then the classifier; the other 10,000 of the training set say
after which epoch the classifier was best; the test images are read once, for the figures.

‖J‖_F is of the encoder before the classifier is trained, by pixels in [0, 1], the mean over the test images. In what
unit it was published is not known, so it is judged by its order and its ratios alone. A unit is saturated below 0.05
or above 0.95, also before the classifier is trained.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier

import aezoo
from aezoo.data import Split
from aezoo.evaluation import prepared_split, saturation
from aezoo_contractive.jacobian import Contraction
from reproductions.card import Card, Context, Figure, Tolerance, positive, within

UNITS = 1000
VALIDATION = 10_000
BATCH = 200


class Row(NamedTuple):
    """A row of the table: the model with its options, and what was published."""

    model: str
    options: dict[str, Any]
    error: float
    norm: float
    saturated: float


# in the published order of the norms; how the weights and strengths were chosen is in the notes
ROWS = {
    "CAE": Row("contractive", {"contraction": 4.0}, 1.14, 0.73, 86.36),
    "DAE Gaussian": Row("denoising", {"corruption": "gaussian=1.0"}, 1.18, 0.86, 17.77),
    "AE + weight decay": Row("undercomplete", {"weight_decay": 1e-2}, 1.68, 5.00, 12.97),
    "DAE masking": Row("denoising", {"corruption": "masking=0.5"}, 1.57, 7.87, 68.19),
    "AE": Row("undercomplete", {}, 1.78, 17.5, 49.90),
}
JUDGED_RATIOS = ("DAE masking", "AE")


def measure(context: Context, seed: int) -> dict[str, float]:
    """Trains the five autoencoders, and a classifier from each."""
    found, norms = {}, {}
    for name, row in ROWS.items():
        run = context.train(
            row.model,
            latent_dim=UNITS,
            hidden=(),
            code_activation="sigmoid",
            network="mlp,tied=true",
            likelihood="bernoulli",
            batch_size=BATCH,
            lr=2e-3,
            epochs=100 if context.full else 20,
            validation=VALIDATION,
            seed=seed,
            **row.options,
        )
        norms[name] = mean_norm(run.model, run.splits.test)
        found[f"{name}: test error, %"] = classifier_error(run, 50 if context.full else 15, seed)
        found[f"{name}: mean ‖J‖"] = norms[name]
        found[f"{name}: saturated units, %"] = 100 * saturation(run.model, run.splits.test)
    names = list(ROWS)
    found |= {f"‖J‖ of {name} / CAE": norms[name] / norms["CAE"] for name in names[1:]}
    found |= {order(a, b): norms[b] - norms[a] for a, b in pairwise(names)}
    return found


def mean_norm(model: aezoo.Autoencoder, split: Split) -> float:
    """The mean over rows of ‖∂f/∂x‖_F; the contractive penalty is its square."""
    penalty = Contraction("exact")
    with torch.no_grad(), model.evaluating():
        squares = [penalty(model.prepare(x), model.code) for x in split.batches(model.rows_a_pass())]
    return float(torch.cat(squares).sqrt().double().mean())


def started(model: aezoo.Autoencoder, rows: Any, labels: Any, seed: int) -> MLPClassifier:
    """A classifier whose hidden layer is the model's encoder, and whose last layer is drawn at random."""
    affine: Any = model.encoder.network[-1]  # type: ignore[index]
    classifier = MLPClassifier(
        affine.out_features,
        activation="logistic",
        alpha=0.0,
        batch_size=min(BATCH, len(rows)),
        learning_rate_init=3e-3,
        # a generator: from a number each epoch would start anew, and shuffle the rows alike
        random_state=np.random.RandomState(seed),
    )
    # a first step, on few rows, lays the layers out
    classifier.partial_fit(rows[:BATCH], labels[:BATCH], classes=np.unique(labels))
    classifier.coefs_[0] = affine.weight.detach().cpu().numpy().T.copy()
    classifier.intercepts_[0] = affine.bias.detach().cpu().numpy().copy()
    return classifier


def classifier_error(run: aezoo.Run, epochs: int, seed: int) -> float:
    """The test error, in percent, after the epoch with the least validation error."""
    train, validation, test = (prepared_split(run.model, split).astype(np.float32) for split in run.splits)
    labels, validation_labels, test_labels = (split.labels for split in run.splits)
    classifier = started(run.model, train, labels, seed)
    best, error = -1.0, 100.0
    for _ in range(epochs):
        classifier.partial_fit(train, labels)
        accuracy = classifier.score(validation, validation_labels)
        if accuracy > best:
            best, error = accuracy, 100 * (1 - classifier.score(test, test_labels))
    return error


def order(smaller: str, larger: str) -> str:
    """The name of the figure that says that one norm is below another."""
    return f"‖J‖ of {larger} − of {smaller}"


def figures() -> list[Figure]:
    """Five rows of three figures, then the ratios and the order of the norms."""
    found = []
    for name, row in ROWS.items():
        found += [
            Figure(f"{name}: test error, %", row.error, within(row.error, 0.2)),
            Figure(f"{name}: mean ‖J‖"),
            Figure(f"{name}: saturated units, %", row.saturated),
        ]
    names = list(ROWS)
    for name in names[1:]:
        ratio = ROWS[name].norm / ROWS["CAE"].norm
        half_to_twice = Tolerance(ratio / 2, ratio * 2, f"{ratio:.3g}, half to twice")
        found.append(Figure(f"‖J‖ of {name} / CAE", ratio, half_to_twice if name in JUDGED_RATIOS else None))
    return found + [Figure(order(a, b), None, positive()) for a, b in pairwise(names)]


CARD = Card(
    name="c1",
    models=(
        "contractive",
        "denoising",
        "undercomplete",
    ),
    title="Contractive autoencoder on MNIST, and its rivals",
    source="Rifai et al. 2011, table 1",
    recipe="784-1000-784, sigmoid, tied weights, cross-entropy, Adam 2e-3, batch 200, 100 epochs; then scikit-learn's "
    "classifier 784-1000-10 from the encoder, Adam 3e-3, batch 200, the best of 50 epochs by 10,000 held-out images",
    figures=figures(),
    measure=measure,
    data=["mnist"],
    short="20 epochs of each autoencoder instead of 100, and 15 of each classifier instead of 50",
    notes=[
        "Weights and strengths are not published. They were chosen once, for all seeds, with 20,000 training images, 6 "
        "epochs of each model and 6 of its classifier, by the error on 8,000 other training images: of those within a "
        "standard error (0.2) of the best, the strongest. Errors, %: contraction 2: 2.75, 4: 2.80, 8: 3.04; "
        "gaussian 0.25: 3.09, 0.5: 3.01, 1: 3.15; masking 0.25: 3.02, 0.5: 3.04; weight decay 0.01: "
        "3.21, 0.1: 3.44; nothing: 3.16.",
        "In the short form the errors of the CAE and of the Gaussian DAE lie above the published ones, and the norm of "
        "the CAE falls short of the published contraction. A larger weight contracts more at once, at the cost of the "
        "classifier: in that search contraction 8 had 0.72 of the norm of 4, and 30 had 0.21, with an error of 3.66 "
        "after 10 epochs at 1e-3 where contraction 2 had 2.94.",
        "In the full form the CAE alone was run, seed 0: after 100 epochs its norm is 3.01 and 93.9 % of its "
        "units are saturated; the classifier's best validation error of 50 epochs, 1.34 %, is at epoch 48, "
        "where the test error is 1.41 % (1.38 % at epoch 27). So more than half of what the short form lacks "
        "is its length. From the same start, Adam at 1e-3 ends at 1.37 % of the validation and 1.63 % of the "
        "test images, and plain SGD at 0.1 in batches of 50 is at 3.28 % after 10 epochs. Not tried: a second "
        "layer (CAE-2), and the ratio of the norms in the full form.",
        "The published RBM row (error 1.30, norm 2.50, saturated 78.59 %) has no model here.",
    ],
)
