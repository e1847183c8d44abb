"""I6: at the exact posterior L^A is log p(x) with zero variance, and L^B still varies."""

import numpy as np
import pytest
import torch
from linear_gaussian import SIGMA, LinearGaussian

from aezoo.evaluation import evidence_bound


@pytest.mark.parametrize("draws", [2, 7])
def test_the_bound_by_draws_is_the_evidence_itself_at_the_exact_posterior(draws):
    truth = LinearGaussian()
    sampled = evidence_bound(truth.model, truth.split, draws=draws, estimator="sampled")
    np.testing.assert_allclose(sampled.values, truth.log_evidence.numpy(), rtol=0, atol=1e-8)
    assert sampled.variances.max() < 1e-14


def test_with_the_closed_form_it_varies_as_the_reconstruction_does():
    truth = LinearGaussian()
    draws = 20_000
    analytic = evidence_bound(truth.model, truth.split, draws=draws, estimator="analytic")
    assert np.abs(analytic.values - truth.log_evidence.numpy()).max() < 4 * np.sqrt(analytic.variances.max() / draws)
    # log p(x | z) is −‖r − We‖²/2σ² and a constant, with r the residual at the mean and e ~ N(0, S): for A = WᵀW/2σ²
    # and c = Wᵀr/σ² its variance is 2·tr(ASAS) + cᵀSc
    w, b = truth.model.decoder.network.weight.detach(), truth.model.decoder.network.bias.detach()
    residual = truth.x - truth.posterior.mean @ w.T - b
    spread = truth.posterior.covariance_matrix[0]
    inner, slope = w.T @ w @ spread / (2 * SIGMA**2), residual @ w / SIGMA**2
    variance = 2 * torch.trace(inner @ inner) + torch.einsum("ni,ij,nj->n", slope, spread, slope)
    np.testing.assert_allclose(analytic.variances, variance.numpy(), rtol=0.1)
