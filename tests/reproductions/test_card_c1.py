"""That the classifiers of card C1 do start from an encoder, and go on from there."""

import numpy as np
import pytest

import aezoo
from aezoo.evaluation import jacobian_spectrum
from reproductions.c1 import mean_norm, started


@pytest.fixture(scope="module")
def run():
    options = {"latent_dim": 12, "hidden": (), "network": "mlp,tied=true", "likelihood": "bernoulli"}
    return aezoo.train("contractive", "digits", epochs=3, progress=False, **options)


def test_a_classifier_starts_from_the_encoder_and_moves_on_from_it(run):
    rows, labels = run.splits.train.rows(), run.splits.train.labels
    scaled = (rows.flatten(1).double() / 16).numpy().astype(np.float32)
    classifier = started(run.model, scaled, labels, seed=0)
    weights = [layer.copy() for layer in classifier.coefs_]

    logits = run.model.encode(rows).numpy() @ weights[1] + classifier.intercepts_[1]
    odds = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(classifier.predict_proba(scaled), odds / odds.sum(1, keepdims=True), atol=1e-5)

    before = classifier.score(scaled, labels)
    for _ in range(5):
        classifier.partial_fit(scaled, labels)
    assert classifier.score(scaled, labels) > before
    moved = np.abs(classifier.coefs_[0] - weights[0])
    # Adam's steps are of about the learning rate: far from the encoder would be a start of its own
    steps = 5 * int(np.ceil(len(rows) / 200))
    assert 0 < moved.max() < 3 * 3e-3 * steps
    # the encoder is left as it was
    assert not np.shares_memory(classifier.coefs_[0], run.model.encoder.network[-1].weight.detach().numpy())


def test_the_norm_is_the_mean_of_the_jacobians_frobenius_norms(run):
    """By the singular values."""
    spectrum = jacobian_spectrum(run.model, run.splits.test)
    assert mean_norm(run.model, run.splits.test) == pytest.approx(np.sqrt((spectrum**2).sum(1)).mean(), rel=1e-5)
