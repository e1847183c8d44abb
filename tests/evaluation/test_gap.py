"""What lies between bound and likelihood, against closed forms of linear models."""

import numpy as np
import pytest
import torch
from linear_gaussian import D, LinearGaussian, Z
from torch import distributions as td
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import CapabilityError
from aezoo.evaluation import inference_gap
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import KL, Decoder, Gaussian, GaussianEncoder, LaplaceDistribution, StandardNormal, Weighted


def test_at_the_exact_posterior_there_is_no_gap():
    truth = LinearGaussian()
    gap = inference_gap(truth.model, truth.split, draws=50)
    np.testing.assert_allclose(gap.log_likelihood, truth.log_evidence.numpy(), rtol=0, atol=1e-8)
    np.testing.assert_allclose(gap.amortisation, 0, atol=1e-4)
    np.testing.assert_allclose(gap.approximation, 0, atol=1e-4)


def test_a_wrong_encoder_costs_its_divergence_and_its_family_nothing():
    truth = LinearGaussian(shift=0.5, stretch=0.4)
    q = truth.model.encoder(truth.x)
    cost = truth.divergence(q.loc, q.log_scale).detach().numpy()
    assert cost.min() > 0.8
    gap = inference_gap(truth.model, truth.split, draws=20_000)
    # the path gradient has no noise at the exact posterior, so Adam finds it to many digits
    np.testing.assert_allclose(gap.approximation, 0, atol=1e-6)
    np.testing.assert_allclose(gap.log_likelihood, truth.log_evidence.numpy(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(gap.amortisation, cost, atol=0.06)


def test_a_correlated_posterior_costs_independent_gaussians_their_divergence():
    truth = LinearGaussian(orthogonal=False)
    q = truth.model.encoder(truth.x)
    cost = truth.divergence(q.loc, q.log_scale).detach().numpy()
    assert cost.min() > 0.2
    gap = inference_gap(truth.model, truth.split, draws=20_000)
    # the encoder has the best diagonal Gaussian: the means, and the variances of the conditionals
    assert np.abs(gap.amortisation).max() < 0.01
    np.testing.assert_allclose(gap.approximation, cost, atol=0.04)
    assert np.abs(gap.log_likelihood - truth.log_evidence.numpy()).max() < 0.04


def test_both_parts_together_are_the_whole():
    truth = LinearGaussian(orthogonal=False, shift=0.2)
    gap = inference_gap(truth.model, truth.split, draws=20_000)
    q = truth.model.encoder(truth.x)
    best = truth.divergence(truth.posterior.mean, q.log_scale).detach().numpy()
    whole = truth.divergence(q.loc, q.log_scale).detach().numpy()
    np.testing.assert_allclose(gap.amortisation + gap.approximation, whole, atol=0.06)
    np.testing.assert_allclose(gap.approximation, best, atol=0.05)


def test_rows_do_not_depend_on_their_number_and_the_model_is_left_alone():
    truth = LinearGaussian(shift=0.5)
    before = torch.get_rng_state()
    first, again = (inference_gap(truth.model, truth.split, draws=20, steps=20) for _ in range(2))
    assert np.array_equal(first.optimised, again.optimised)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is None and p.requires_grad for p in truth.model.parameters())
    assert truth.model.training


def test_a_callers_inference_mode_does_not_matter():
    truth = LinearGaussian(shift=0.5)
    wanted = inference_gap(truth.model, truth.split, draws=20, steps=5)
    with torch.inference_mode():
        found = inference_gap(truth.model, truth.split, draws=20, steps=5)
    assert np.array_equal(found.optimised, wanted.optimised)


class LaplaceEncoder(GaussianEncoder):
    def forward(self, x):
        q = super().forward(x)
        return LaplaceDistribution(q.loc, q.log_scale, 1)


class TorchEncoder(GaussianEncoder):
    def forward(self, x):
        q = super().forward(x)
        return td.Independent(td.Normal(q.loc, q.scale), 1)


def with_encoder(kind):
    torch.manual_seed(0)
    spec = DataSpec(shape=(D,), scaling="none")
    decoder = Decoder(nn.Linear(Z, D), Gaussian(spec))
    kl = [Weighted("kl", KL("sampled"))]
    model = Autoencoder(kind(nn.Linear(D, 2 * Z)), decoder, spec=spec, prior=StandardNormal((Z,)), regularizers=kl)
    return model, Dataset(np.random.default_rng(0).normal(size=(4, D)), spec=spec).all()


def test_torchs_own_gaussian_is_as_good_and_another_family_is_refused():
    ours, theirs = (inference_gap(*with_encoder(kind), draws=10, steps=5) for kind in (GaussianEncoder, TorchEncoder))
    np.testing.assert_allclose(ours.optimised, theirs.optimised, rtol=1e-5)
    with pytest.raises(CapabilityError, match="this posterior is Laplace: use a model with a Gaussian encoder"):
        inference_gap(*with_encoder(LaplaceEncoder))
