"""What is explained of the data, and what codes say of the numbers behind it."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from torch import nn

import aezoo
from aezoo.data import Dataset, open_data
from aezoo.errors import UsageError
from aezoo.evaluation import reconstruction_figures, truth_r2
from aezoo.parts import Decoder, Gaussian, PointEncoder, initialise

SPEC = aezoo.DataSpec(shape=(3,), scaling="none")
X = (1e3 + np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([1.0, 5.0, 0.1])).astype("float32")


def giving(weight, bias):
    """A model that gives back weight·x + bias."""
    layer = nn.Linear(3, 3)
    layer.weight.data, layer.bias.data = weight * torch.eye(3), torch.as_tensor(bias, dtype=torch.float32)
    return aezoo.Autoencoder(PointEncoder(layer), Decoder(nn.Identity(), Gaussian(SPEC)), spec=SPEC)


def explained(model):
    return reconstruction_figures(model, Dataset(X, spec=SPEC).all())["explained_variance"]


def test_the_mean_of_each_column_explains_nothing_and_the_datum_itself_all():
    assert explained(giving(0.0, X.mean(0))) == pytest.approx(0, abs=1e-6)
    assert explained(giving(1.0, np.zeros(3))) == 1
    # one mean for all columns, zero here, is no explanation
    assert explained(giving(0.0, np.zeros(3))) < -1e4


def test_of_scikit_learn_it_is_the_r2_of_all_values_weighted_by_their_variance():
    rebuilt = 0.9 * X + 100
    found = explained(giving(0.9, 100 * np.ones(3)))
    assert found == pytest.approx(r2_score(X, rebuilt, multioutput="variance_weighted"), rel=1e-4)


def test_values_that_never_change_are_left_out():
    data = Dataset(np.ones((9, 3), dtype="float32"), spec=SPEC)
    assert "explained_variance" not in reconstruction_figures(giving(1.0, np.zeros(3)), data.all())


def test_circles_are_where_their_truth_says():
    data = open_data("circles,rows=200,size=20,seed=3")
    x, truth = np.asarray(data.x)[:, 0].astype(float), data.truth
    mass = x.sum((1, 2))
    pixels = np.arange(20)
    np.testing.assert_allclose((x.sum(1) * pixels).sum(1) / mass, truth["across"], atol=0.15)
    np.testing.assert_allclose((x.sum(2) * pixels).sum(1) / mass, truth["down"], atol=0.15)
    # π·r², to what an edge of a pixel leaves open
    np.testing.assert_allclose(mass, np.pi * truth["radius"] ** 2, rtol=0.15)
    assert x.min() == 0
    assert x.max() == 1
    # no disc is cut off
    assert x[:, 0].max() < 1
    noisy = open_data("circles,rows=200,size=20,seed=3,noise=0.1")
    assert np.std(np.asarray(noisy.x)[:, 0] - x) > 0.03


def test_r2_of_the_truth_is_that_of_least_squares():
    data = open_data("swiss-roll,rows=600")
    splits = data.split()
    run = aezoo.train("linear", data, latent_dim=2, epochs=5)
    found = truth_r2(run.model, splits.train, splits.test)
    codes = [run.model.encode(part.rows()).numpy() for part in (splits.train, splits.test)]
    for name in ("angle", "height"):
        train, test = (data.truth[name][part.index] for part in (splits.train, splits.test))
        wanted = LinearRegression().fit(codes[0].astype(float), train).predict(codes[1].astype(float))
        assert found[name] == pytest.approx(r2_score(test, wanted), rel=1e-6)
    assert run.results["r2_height"] == pytest.approx(found["height"])


def test_a_code_that_is_the_truth_has_an_r2_of_one():
    data = open_data("circles,rows=500")
    truth = np.stack([*data.truth.values()], 1).astype("float32")
    spec = aezoo.DataSpec(shape=(3,), scaling="none")
    beside = Dataset(truth, spec=spec, truth=data.truth)
    splits = beside.split()
    model = giving(2.0, np.ones(3))
    assert all(value == pytest.approx(1) for value in truth_r2(model, splits.train, splits.test).values())
    shuffled = Dataset(np.random.default_rng(0).normal(size=(500, 3)).astype("float32"), spec=spec, truth=data.truth)
    splits = shuffled.split()
    assert all(abs(value) < 0.1 for value in truth_r2(model, splits.train, splits.test).values())


def test_data_without_a_truth_for_each_row_has_none():
    assert not [name for name in aezoo.train("linear", "sparse-dictionary,rows=300", epochs=1).results if "r2" in name]
    assert not [name for name in aezoo.train("linear", "digits", epochs=1).results if "r2" in name]


# ------------------------------------------------------------------ what weights are drawn from


@pytest.mark.parametrize(("how", "variance"), [("glorot", 2 / (300 + 200)), ("he", 2 / 300), ("orthogonal", 1 / 300)])
def test_weights_have_their_variance_and_biases_are_zero(how, variance):
    torch.manual_seed(0)
    layer = nn.Linear(300, 200)
    initialise(layer, how)
    assert float(layer.weight.detach().var()) == pytest.approx(variance, rel=0.05)
    assert not layer.bias.any()
    if how == "orthogonal":
        torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(200), atol=1e-5, rtol=0)


def test_init_reaches_both_networks_and_is_saved():
    run = aezoo.train("undercomplete", "digits", init="orthogonal", lr=1e-9, epochs=1)
    for network in (run.model.encoder.network, run.model.decoder.network):
        weight = network[-1].weight
        small = weight @ weight.T if weight.shape[0] < weight.shape[1] else weight.T @ weight
        torch.testing.assert_close(small, torch.eye(len(small)), atol=1e-3, rtol=0)
    assert run.config.init == "orthogonal"
    with pytest.raises(UsageError, match="init"):
        aezoo.train("undercomplete", "digits", init="xavier")
