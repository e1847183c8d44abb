"""I11: under a Laplace prior of scale b, −log p(z) = ‖z‖₁/b + Z·log 2b.

So an L1 penalty of weight 1/b is that prior's, up to a constant, and has its gradient. Olshausen & Field 1996,
"Emergence of simple-cell receptive field properties by learning a sparse code for natural images".

Held to 1e-12 in float64.
"""

import math

import pytest
import torch
from torch import distributions as td

from aezoo.core.spec import DataSpec
from aezoo.parts import build_part
from aezoo.training import build_model

EXACT = {"rtol": 0, "atol": 1e-12}
SPEC = DataSpec(shape=(5,), scaling="none")
DRAWS, ROWS, Z = 2, 7, 4
SCALES = [0.25, 1.0, 3.0]


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def prior_of(scale):
    return build_part("prior", f"laplace={scale}", code_shape=(Z,)).double()()


@pytest.mark.parametrize("scale", SCALES)
def test_the_negative_log_density_is_the_absolute_sum_and_a_constant(scale):
    z = drawn(DRAWS, ROWS, Z)
    got = -prior_of(scale).log_prob(z)
    torch.testing.assert_close(got, z.abs().sum(-1) / scale + Z * math.log(2 * scale), **EXACT)
    torch.testing.assert_close(got, -td.Laplace(torch.zeros(Z).double(), scale).log_prob(z).sum(-1), **EXACT)


@pytest.mark.parametrize("scale", SCALES)
def test_l1_is_the_priors_penalty_up_to_the_constant(scale):
    z = drawn(DRAWS, ROWS, Z).requires_grad_()
    penalty = build_part("regularizer", "l1")(z) / scale
    density = -prior_of(scale).log_prob(z)
    torch.testing.assert_close(density - penalty, torch.full_like(density, Z * math.log(2 * scale)), **EXACT)
    slopes = [torch.autograd.grad(value.sum(), z)[0] for value in (penalty, density)]
    torch.testing.assert_close(*slopes, **EXACT)
    torch.testing.assert_close(slopes[0], z.detach().sign() / scale, **EXACT)


@pytest.mark.parametrize("scale", SCALES)
def test_a_sparse_models_loss_is_the_joint_density_of_data_and_code(scale):
    torch.manual_seed(0)
    options = {"latent_dim": Z, "code_activation": "identity", "l1": 1 / scale, "unit_norm": False}
    model = build_model("sparse-l1", options, SPEC).double()
    x = drawn(ROWS, 5, seed=1)
    z = model.encoder(x).mean[None]
    joint = model.decoder(z).log_prob(x) + prior_of(scale).log_prob(z)
    loss = model.step(x).loss
    assert (-joint.mean() - loss).item() == pytest.approx(Z * math.log(2 * scale), abs=1e-12)
    ours = torch.autograd.grad(loss, model.own_parameters())
    for got, wanted in zip(ours, torch.autograd.grad(-joint.mean(), model.own_parameters()), strict=True):
        torch.testing.assert_close(got, wanted, **EXACT)
