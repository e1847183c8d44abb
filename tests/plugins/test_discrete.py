"""Codes of bits and of categories: their masses, divergences, draws and gradients."""

import itertools
import math

import pytest
import torch
from torch import distributions as td
from torch import nn

import aezoo
from aezoo import registry
from aezoo.errors import CompositionError
from aezoo.parts import Decoder, Gaussian, divergence, divergence_of_each, draw, score_function
from aezoo.training import build_model
from aezoo_variational.discrete import (
    BernoulliEncoder,
    BernoulliPrior,
    Bits,
    CategoricalEncoder,
    CategoricalPrior,
    Categories,
)

SPEC = aezoo.DataSpec(shape=(5,), scaling="none")
N = 40_000


def close_to_mean(values, wanted, spread):
    """Whether the mean of N independent draws is the wanted one, to five standard errors."""
    assert ((values.mean(0) - wanted).abs() < 5 * spread / math.sqrt(len(values)) + 1e-6).all()


def test_draws_of_bits_are_zeros_and_ones_as_often_as_they_should_be():
    logits = torch.tensor([-3.0, 0.0, 0.5, 4.0])
    torch.manual_seed(0)
    for drawn in (Bits(logits, 0.5).rsample((N,)), Bits(logits, 2.0).sample((N,))):
        assert set(drawn.unique().tolist()) == {0.0, 1.0}
        rate = logits.sigmoid()
        close_to_mean(drawn, rate, (rate * (1 - rate)).sqrt())


def test_draws_of_categories_are_one_hot_and_as_often_as_they_should_be():
    logits = torch.tensor([[0.0, 1.0, -1.0], [2.0, 2.0, -5.0]])
    torch.manual_seed(0)
    drawn = Categories(logits, 0.5).rsample((N,))
    assert drawn.shape == (N, 2, 3)
    assert torch.equal(drawn.sum(-1), torch.ones(N, 2))
    rate = logits.softmax(-1)
    close_to_mean(drawn, rate, (rate * (1 - rate)).sqrt())


def codes(kind, size):
    if kind == "bits":
        return torch.tensor(list(itertools.product((0.0, 1.0), repeat=size)))
    single = torch.eye(3)
    return torch.stack([torch.stack(code) for code in itertools.product(single, repeat=size)])


def encoded(kind, x):
    torch.manual_seed(1)
    if kind == "bits":
        return BernoulliEncoder(nn.Linear(5, 4))(x)
    return CategoricalEncoder(nn.Linear(5, 6), (2, 3))(x)


def prior_of(kind):
    return BernoulliPrior((4,), rate=0.3)() if kind == "bits" else CategoricalPrior((2, 3))()


@pytest.mark.parametrize("kind", ["bits", "categories"])
def test_masses_sum_to_one_and_the_divergence_is_the_sum_over_all_codes(kind):
    q, p = encoded(kind, torch.randn(6, 5)), prior_of(kind)
    every = codes(kind, 4 if kind == "bits" else 2)
    log_q = q.log_prob(every[:, None].expand(-1, 6, *every.shape[1:]))
    log_p = p.log_prob(every)
    torch.testing.assert_close(log_q.exp().sum(0), torch.ones(6))
    torch.testing.assert_close(log_p.exp().sum(), torch.tensor(1.0))
    exact = (log_q.exp() * (log_q - log_p[:, None])).sum(0)
    torch.testing.assert_close(divergence(q, p), exact)
    torch.testing.assert_close(divergence_of_each(q, p).sum(1), exact)
    # by draws, it is the same in the mean
    torch.manual_seed(0)
    sampled = divergence(q, p, draw(q, N), estimator="sampled")
    close_to_mean(sampled, exact, sampled.std(0))


def expected_error(kind, network, decoder, x):
    """E_q[−log p(x | z)] of one row by summing over all codes, and its gradient in the network's bias."""
    q = BernoulliEncoder(network)(x) if kind == "bits" else CategoricalEncoder(network, (2, 3))(x)
    every = codes(kind, 4 if kind == "bits" else 2)[:, None]
    error = -decoder(every).log_prob(x)
    exact = (q.log_prob(every).exp() * error).sum()
    return q, torch.autograd.grad(exact, network.bias, retain_graph=True)[0]


def parts_of(kind):
    torch.manual_seed(2)
    size = 4 if kind == "bits" else 6
    network = nn.Linear(5, size)
    decode = nn.Linear(size, 5) if kind == "bits" else nn.Sequential(nn.Flatten(), nn.Linear(size, 5))
    return network, Decoder(decode, Gaussian(SPEC)), torch.randn(1, 5)


@pytest.mark.parametrize("kind", ["bits", "categories"])
def test_the_score_function_is_unbiased(kind):
    network, decoder, x = parts_of(kind)
    q, exact = expected_error(kind, network, decoder, x)
    gradients = []
    for seed in range(400):
        torch.manual_seed(seed)
        z = draw(q, 50).detach()
        error = -decoder(z).log_prob(x)
        loss = score_function(error, q, z)
        gradients.append(torch.autograd.grad(loss, network.bias, retain_graph=True)[0])
    found = torch.stack(gradients)
    close_to_mean(found, exact, found.std(0))


@pytest.mark.parametrize("kind", ["bits", "categories"])
def test_the_relaxed_gradient_points_the_same_way_and_varies_less(kind):
    network, decoder, x = parts_of(kind)
    q, exact = expected_error(kind, network, decoder, x)
    spreads = {}
    for how in ("relaxed", "score"):
        gradients = []
        for seed in range(200):
            torch.manual_seed(seed)
            z = draw(q, 2)
            if how == "score":
                z = z.detach()
            error = -decoder(z).log_prob(x)
            loss = error.mean() if how == "relaxed" else score_function(error, q, z, baseline=False)
            gradients.append(torch.autograd.grad(loss, network.bias, retain_graph=True)[0])
        found = torch.stack(gradients)
        spreads[how] = found.std(0).norm()
        if how == "relaxed":
            assert torch.cosine_similarity(found.mean(0), exact, dim=0) > 0.7
    assert spreads["relaxed"] < spreads["score"]


def test_a_logit_that_broke_is_not_hidden():
    network, broken = nn.Linear(5, 6), torch.full((1, 5), math.nan)
    for encoder in (BernoulliEncoder(network), CategoricalEncoder(network, (2, 3))):
        assert encoder(broken).rsample((2,)).isnan().all()


@pytest.mark.parametrize("name", ["bernoulli-vae", "categorical-vae"])
@pytest.mark.parametrize("gradient", ["reparameterised", "score-function"])
def test_it_learns_and_codes_say_something(name, gradient):
    run = aezoo.train(name, "digits", gradient=gradient, epochs=60, progress=False)
    assert run.results["penalty_kl"] > 3
    assert run.results["squared_error"] < 3.5
    assert run.model.sample(4).shape == (4, 1, 8, 8)
    drawn = run.model.encode(run.splits.test.rows()[:3], draws=2)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    # the bound is one on log p(x), which importance sampling of hard codes estimates
    likelihood = run.model.log_likelihood(run.splits.test.rows()[:100], draws=200).mean()
    assert likelihood >= -run.model.score(run.splits.test.rows()[:100], draws=50).mean() - 0.1


@pytest.mark.parametrize(
    ("name", "prior"), [("vae", "bernoulli"), ("bernoulli-vae", "normal"), ("categorical-vae", "laplace")]
)
def test_a_prior_of_other_numbers_is_refused(name, prior):
    with pytest.raises(CompositionError, match="use another prior, such as normal for vae"):
        build_model(name, {"prior": prior}, SPEC)


def test_a_rate_of_the_prior_is_that_of_its_samples():
    model = build_model("bernoulli-vae", {"prior": "bernoulli=0.9", "latent_dim": 50}, SPEC)
    torch.manual_seed(0)
    drawn = model.prior_distribution().sample((2000,))
    close_to_mean(drawn.mean(1), torch.tensor(0.9), 0.3 / math.sqrt(50))
    assert isinstance(model.prior_distribution().base_dist, td.Bernoulli)


def test_free_bits_of_bits():
    run = aezoo.train("bernoulli-vae", "digits", free_bits=0.5, epochs=3, progress=False)
    assert registry.models["bernoulli-vae"].family == "variational"
    assert math.isfinite(run.results["penalty_kl"])
