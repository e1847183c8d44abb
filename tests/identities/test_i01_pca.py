"""I1: a linear autoencoder with squared error has the residual of PCA at its optimum, Σ_{i>k} λ_i.

λ_i are the eigenvalues of the training rows' covariance (with 1/n). Baldi & Hornik 1989, "Neural networks and principal
component analysis: learning from examples without local minima".

Held to 1e-10 in float64 with the weights set from PCA, where the loss has no slope left; and within 0.1 % by training.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import aezoo
from aezoo.data import Split, open_data
from aezoo.evaluation import evaluate, pca_squared_error, prepared_split, reconstruction_figures
from aezoo.training import build_model

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
EXACT = {"rtol": 0, "atol": 1e-10}
K = 4


def fit(rows, components):
    return PCA(components, svd_solver="covariance_eigh").fit(rows)


def rebuilt(pca, rows):
    return pca.inverse_transform(pca.transform(rows))


def residual(pca, rows):
    return float(np.square(rows - rebuilt(pca, rows)).sum(1).mean())


def set_from_pca(model, pca, turn):
    """Writes the components into the two linear layers, the code turned by an invertible matrix, as any optimum is."""
    axes, mean = torch.from_numpy(pca.components_), torch.from_numpy(pca.mean_)
    up, down = model.encoder.network[-1], model.decoder.network[-1]
    with torch.no_grad():
        up.weight.copy_(turn @ axes)
        up.bias.copy_(-turn @ axes @ mean)
        down.weight.copy_(axes.T @ torch.linalg.inv(turn))
        down.bias.copy_(mean)
    return model


@pytest.fixture(scope="module")
def digits():
    return open_data("digits").split(validation=0)


@pytest.fixture(scope="module")
def optimum(digits):
    """The linear model at the optimum on the digits, its rows as it sees them (n, D), and scikit-learn's PCA."""
    model = build_model("linear", {"latent_dim": K}, digits.train.dataset.spec).double()
    rows = prepared_split(model, digits.train)
    pca = fit(rows, K)
    turn = torch.randn(K, K, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return set_from_pca(model, pca, turn), rows, pca


def test_with_the_weights_of_pca_the_residual_is_the_discarded_variance(optimum, digits):
    model, rows, pca = optimum
    got = reconstruction_figures(model, digits.train)["squared_error"]
    discarded = np.linalg.svd(rows - rows.mean(0), compute_uv=False)[K:] ** 2 / len(rows)
    assert got == pytest.approx(discarded.sum(), abs=1e-10)
    assert got == pytest.approx(residual(pca, rows), abs=1e-10)


def test_with_the_weights_of_pca_every_reconstruction_is_that_of_pca(optimum, digits):
    model, _, pca = optimum
    for split in (digits.train, digits.test):
        rows = prepared_split(model, split)
        wanted = torch.from_numpy(rebuilt(pca, rows))
        got = model.reconstruct(split.rows().double())
        torch.testing.assert_close(got.flatten(1) / 16, wanted, **EXACT)


def test_at_the_weights_of_pca_the_loss_is_stationary_and_least_among_neighbours(optimum):
    model, rows, _ = optimum
    x = torch.from_numpy(rows).view(-1, 1, 8, 8)
    least = model.step(x).loss
    slopes = torch.autograd.grad(least, model.own_parameters())
    for slope in slopes:
        torch.testing.assert_close(slope, torch.zeros_like(slope), **EXACT)
    torch.manual_seed(0)
    for _ in range(20):
        noise = [1e-3 * torch.randn_like(p) for p in model.own_parameters()]
        with torch.no_grad():
            moved = {name: p + n for (name, p), n in zip(model.named_parameters(), noise, strict=True)}
            assert torch.func.functional_call(model, moved, (x,)).loss > least


def test_the_evaluations_baseline_is_the_same_residual(optimum, digits):
    model, rows, pca = optimum
    test = prepared_split(model, digits.test)
    wanted = residual(pca, test)
    assert pca_squared_error(rows, test, K) == pytest.approx(wanted, abs=1e-10)
    figures = evaluate(model, digits)
    for name in ("squared_error", "pca_squared_error"):
        assert figures[name] == pytest.approx(wanted, abs=1e-10)


def test_training_finds_the_residual_of_pca():
    run = aezoo.train(
        "linear", "digits", latent_dim=K, epochs=150, lr=0.03, schedule="cosine", device="cpu", progress=False
    )
    rows = prepared_split(run.model, run.splits.train)
    wanted = residual(fit(rows, K), rows)
    got = reconstruction_figures(run.model, run.splits.train)["squared_error"]
    assert 0.9999 * wanted < got < 1.001 * wanted


@pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST is not at hand beside the repository")
def test_mnist_has_its_known_residuals():
    data = open_data("mnist", data_dir=MNIST)
    inside = np.setdiff1d(np.arange(len(data)), data.test)
    train, test = Split(data, inside), Split(data, data.test)
    model = build_model("linear", {"latent_dim": 32}, data.spec).double()
    set_from_pca(model, fit(prepared_split(model, train), 32), torch.eye(32).double())
    for split, known in ((train, 13.5184), (test, 13.1933)):
        got = reconstruction_figures(model, split)["squared_error"]
        assert got == pytest.approx(known, abs=5e-5)
