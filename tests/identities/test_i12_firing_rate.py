"""I12: the firing-rate penalty Σ_j KL(ρ ‖ ρ̂_j) has the gradient −ρ/ρ̂_j + (1 − ρ)/(1 − ρ̂_j), zero at ρ̂_j = ρ.

ρ̂_j is unit j's mean activation over draws and rows. Ng 2011, "Sparse autoencoder", CS294A lecture notes.

Held to 1e-10 in float64.
"""

import pytest
import torch
from torch import distributions as td

from aezoo.core.spec import DataSpec
from aezoo.parts import build_part
from aezoo.training import build_model

EXACT = {"rtol": 1e-10, "atol": 1e-10}
RATES = [0.01, 0.05, 0.3, 0.5, 0.9]
MEANS = torch.tensor([0.002, 0.01, 0.05, 0.2, 0.3, 0.5, 0.77, 0.9, 0.995], dtype=torch.float64)


def penalty(rate):
    return build_part("regularizer", f"firing-rate,rate={rate}")


def formula(rate, mean):
    return -rate / mean + (1 - rate) / (1 - mean)


@pytest.mark.parametrize("rate", RATES)
def test_the_gradient_for_the_rates_is_the_formula(rate):
    mean = MEANS.clone().requires_grad_()
    (slope,) = torch.autograd.grad(penalty(rate)(mean.expand(2, 6, -1)), mean)
    torch.testing.assert_close(slope, formula(rate, MEANS), **EXACT)


@pytest.mark.parametrize("rate", RATES)
def test_every_activation_carries_its_share_of_that_gradient(rate):
    draws, rows = 3, 4
    z = torch.rand(draws, rows, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(penalty(rate)(z), z)
    wanted = formula(rate, z.detach().mean((0, 1))) / (draws * rows)
    torch.testing.assert_close(slope, wanted.expand_as(z), **EXACT)


@pytest.mark.parametrize("rate", RATES)
def test_at_the_wanted_rate_penalty_and_gradient_vanish(rate):
    mean = torch.full((5,), rate, dtype=torch.float64, requires_grad=True)
    value = penalty(rate)(mean.expand(1, 8, -1))
    assert value.item() == pytest.approx(0, abs=1e-10)
    (slope,) = torch.autograd.grad(value, mean)
    torch.testing.assert_close(slope, torch.zeros_like(slope), **EXACT)


@pytest.mark.parametrize("rate", RATES)
def test_the_penalty_is_torchs_divergence_of_bernoullis(rate):
    wanted = td.kl_divergence(td.Bernoulli(torch.tensor(rate, dtype=torch.float64)), td.Bernoulli(MEANS)).sum()
    torch.testing.assert_close(penalty(rate)(MEANS.expand(2, 3, -1)), wanted, **EXACT)


def test_a_models_gradient_is_the_formula_through_its_sigmoid():
    rate, weight = 0.1, 0.7
    torch.manual_seed(0)
    options = {"latent_dim": 4, "rate": rate, "sparsity": weight}
    model = build_model("sparse-kl", options, DataSpec(shape=(5,), scaling="none")).double()
    x = torch.randn(9, 5, dtype=torch.float64)
    outcome = model.step(x)
    layer = model.encoder.network[-1]
    (slope,) = torch.autograd.grad(outcome.loss - outcome.terms["reconstruction"], layer.weight)
    code = model.encode(x)
    through = formula(rate, code.mean(0)) * code * (1 - code) / len(x)
    torch.testing.assert_close(slope, weight * through.T @ x, **EXACT)
