"""Priors: densities, and the identity of L1 with a Laplace prior."""

import math

import pytest
import torch
from torch import distributions as td

from aezoo.errors import UsageError
from aezoo.parts import LaplacePrior, MixtureOfGaussians, StandardNormal, build_part
from aezoo_sparse.penalties import L1

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("code", [(3,), (2, 3)])
def test_the_standard_normal_is_torchs(code):
    prior = StandardNormal(code).double()()
    assert prior.event_shape == code
    zero = torch.zeros(code).double()
    truth = td.Independent(td.Normal(zero, zero + 1), len(code))
    z = drawn(7, 5, *code)
    torch.testing.assert_close(prior.log_prob(z), truth.log_prob(z), **EXACT)
    assert prior.sample((4,)).shape == (4, *code)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_l1_is_a_laplace_prior_up_to_its_constant(scale):
    prior = LaplacePrior((6,), scale).double()()
    z = drawn(7, 5, 6)
    torch.testing.assert_close(-prior.log_prob(z), L1()(z) / scale + 6 * math.log(2 * scale), rtol=1e-12, atol=1e-12)
    truth = td.Independent(td.Laplace(torch.zeros(6).double(), scale), 1)
    torch.testing.assert_close(prior.log_prob(z), truth.log_prob(z), **EXACT)


def test_a_mixture_has_the_density_of_its_parts():
    torch.manual_seed(0)
    prior = MixtureOfGaussians((2,), 5).double()
    prior.logits.data, prior.log_scales.data = drawn(5, seed=1), drawn(5, 2, seed=2) * 0.3
    z = drawn(7, 4, 2, seed=3)
    weights = prior.logits.softmax(0)
    density = torch.zeros(7, 4).double()
    for weight, mean, log_scale in zip(weights, prior.means, prior.log_scales, strict=True):
        each = ((z - mean) / log_scale.exp()).square() / -2 - log_scale - 0.5 * math.log(2 * math.pi)
        density = density + weight * each.sum(-1).exp()
    torch.testing.assert_close(prior().log_prob(z), density.log(), **EXACT)


def test_a_mixtures_samples_agree_with_its_density():
    torch.manual_seed(0)
    prior = MixtureOfGaussians((1,), 3).double()
    prior.means.data = torch.tensor([[-3.0], [0.0], [2.0]]).double()
    prior.logits.data = torch.tensor([0.5, -1.0, 0.2]).double()
    n = 200_000
    z = prior().sample((n,))
    assert z.shape == (n, 1)
    edges = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    density = prior().log_prob(edges[:, None]).exp().detach()
    for start, stop in ((0, 500), (500, 800), (800, 1600)):
        share = torch.trapezoid(density[start : stop + 1], edges[start : stop + 1]).item()
        seen = ((z >= edges[start]) & (z < edges[stop])).double().mean().item()
        assert abs(seen - share) < 4 * math.sqrt(share * (1 - share) / n)


def test_a_mixtures_components_start_apart_and_learn_differently():
    torch.manual_seed(0)
    prior = MixtureOfGaussians((2,), 4)
    prior().log_prob(torch.randn(50, 2)).sum().backward()
    for parameter in (prior.means, prior.log_scales):
        assert len(parameter.grad.unique(dim=0)) == 4
    assert prior.logits.grad.abs().sum() > 0


@pytest.mark.parametrize("prior", [StandardNormal((3,)), LaplacePrior((3,), 2.0)])
def test_a_fixed_prior_follows_its_model_and_leaves_nothing_in_a_checkpoint(prior):
    assert prior.double()().sample((2,)).dtype == torch.float64
    assert prior.state_dict() == {}


def test_priors_are_built_from_text():
    assert build_part("prior", "mixture=3", code_shape=(2,)).means.shape == (3, 2)
    assert build_part("prior", "laplace=2", code_shape=(2,))().scale.tolist() == pytest.approx([2.0, 2.0])
    with pytest.raises(UsageError, match=r"prior 'laplace': scale: .*greater than 0"):
        build_part("prior", "laplace=0", code_shape=(2,))
