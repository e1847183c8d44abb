"""I10: the best shared σ² is the mean squared error; the NLL there is D/2·(log 2πMSE + 1). Rybkin et al. 2021."""

import math

import numpy as np
import pytest
import torch
from linear_gaussian import LinearGaussian, drawn
from torch import distributions as td
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import CapabilityError
from aezoo.evaluation import decoder_variance
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Decoder, Gaussian, Laplace, Likelihood, PointEncoder

D = 6
SPEC = DataSpec(shape=(D,), scaling="none")
EXACT = {"rel": 1e-10, "abs": 1e-10}


def fixed(likelihood):
    """A deterministic model, rows, and the errors of its reconstructions."""
    torch.manual_seed(0)
    model = Autoencoder(PointEncoder(nn.Linear(D, 2)), Decoder(nn.Linear(2, D), likelihood), spec=SPEC).double()
    x = drawn(40, D)
    error = (x - model.decoder.network(model.encoder.network(x))).detach().numpy()
    return model, Dataset(x.numpy(), spec=SPEC).all(), error


def test_the_optimal_shared_scale_of_a_gaussian_is_the_root_of_the_mean_squared_error():
    model, split, error = fixed(Gaussian(SPEC, "shared", min_log_scale=-10.0))
    mse = np.square(error).mean()
    nll = D / 2 * (math.log(2 * math.pi * mse) + 1)
    found = decoder_variance(model, split)
    assert found.optimal == pytest.approx(math.sqrt(mse), **EXACT)
    assert found.optimal_nll == pytest.approx(nll, **EXACT)
    raw = model.decoder.likelihood.log_scale
    for shift in (-0.1, 0.0, 0.1):
        wanted = 0.5 * math.log(mse) + shift
        raw.data.fill_(math.log(math.expm1(wanted + 10)) - 10)
        found = decoder_variance(model, split)
        assert found.scale == pytest.approx(math.exp(wanted), **EXACT)
        # off the optimum the NLL is worse by D·(shift + (exp(−2·shift) − 1)/2)
        assert found.nll == pytest.approx(nll + D * (shift + math.expm1(-2 * shift) / 2), **EXACT)


def test_the_optimal_scale_of_a_laplace_is_the_mean_absolute_error():
    model, split, error = fixed(Laplace(SPEC))
    mae = np.abs(error).mean()
    found = decoder_variance(model, split)
    assert found.optimal == pytest.approx(mae, **EXACT)
    assert found.optimal_nll == pytest.approx(D * (math.log(2 * mae) + 1), **EXACT)
    assert (found.scale, found.nll) == (1.0, pytest.approx(np.abs(error).sum(1).mean() + D * math.log(2), **EXACT))


@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_training_with_the_optimal_scale_minimises_that_very_nll(kind):
    model, split, _ = fixed(kind(SPEC, "optimal", min_log_scale=-20.0))
    x = split.rows()
    loss = model.train().step(x).loss
    found = decoder_variance(model, split)
    assert loss.item() == pytest.approx(found.optimal_nll, **EXACT)
    # one batch was all that the moving average saw
    assert (found.scale, found.nll) == (pytest.approx(found.optimal, **EXACT), pytest.approx(loss.item(), **EXACT))


def test_over_draws_it_is_the_mean_over_all_of_them():
    truth = LinearGaussian()
    found = decoder_variance(truth.model, truth.split, draws=5000)
    w, b = (p.detach() for p in truth.model.decoder.network.parameters())
    # the residual at the posterior's mean, and the posterior's own spread through W
    residual = (truth.x - truth.posterior.mean @ w.T - b).square().mean()
    spread = torch.trace(w @ truth.posterior.covariance_matrix[0] @ w.T) / len(w)
    assert found.optimal**2 == pytest.approx((residual + spread).item(), rel=0.01)
    assert found.scale == pytest.approx(0.7, abs=1e-8)


def test_by_value_and_by_row_they_are_the_parts_of_the_whole():
    model, split, error = fixed(Gaussian(SPEC, "per-dimension", min_log_scale=-20.0))
    model.decoder.likelihood.log_scale.data = drawn(D, seed=3)
    found = decoder_variance(model, split)
    scale = np.exp(drawn(D, seed=3).numpy())
    np.testing.assert_allclose(found.by_value[0], scale, rtol=1e-7)
    np.testing.assert_allclose(found.by_value[1], np.sqrt(np.square(error).mean(0)), rtol=1e-10)
    np.testing.assert_allclose(found.by_row[0], np.sqrt(np.square(scale).mean()), rtol=1e-7)
    np.testing.assert_allclose(found.by_row[1], np.sqrt(np.square(error).mean(1)), rtol=1e-10)


class OfTorch(Likelihood):
    """Any distribution of torch around the decoder's output."""

    def __init__(self, kind):
        super().__init__(SPEC)
        self.kind = kind

    def forward(self, output):
        return td.Independent(self.kind(output), 1)


def test_a_likelihood_of_torch_has_the_variance_of_its_distribution():
    model, split, error = fixed(OfTorch(lambda loc: td.Normal(loc, 1.7)))
    ours = fixed(Gaussian(SPEC))[0]
    found, beside = decoder_variance(model, split), decoder_variance(ours, split)
    assert (found.scale, found.optimal) == (pytest.approx(1.7, **EXACT), pytest.approx(beside.optimal, **EXACT))
    # −log N = Σe²/2σ² + D·log(σ√2π)
    nll = np.square(error).sum(1).mean() / (2 * 1.7**2) + D * math.log(1.7 * math.sqrt(2 * math.pi))
    assert found.nll == pytest.approx(nll, **EXACT)
    # Student's t of 5 degrees has the variance 5/3
    heavy = decoder_variance(fixed(OfTorch(lambda loc: td.StudentT(5.0, loc, 1.0)))[0], split)
    assert heavy.scale == pytest.approx(math.sqrt(5 / 3), rel=1e-6)


def test_a_variance_that_is_not_finite_is_refused():
    model, split, _ = fixed(OfTorch(lambda loc: td.StudentT(1.5, loc, 1.0)))
    with pytest.raises(CapabilityError, match="the variance of the likelihood OfTorch is not finite"):
        decoder_variance(model, split)
