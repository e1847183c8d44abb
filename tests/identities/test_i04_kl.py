"""I4: divergences in closed form.

    Gaussian     KL(N(m₁, s₁²) ‖ N(m₂, s₂²)) = log(s₂/s₁) + (s₁² + Δ²)/(2·s₂²) − 1/2,  Δ = m₁ − m₂
    Laplace      KL(L(m₁, b₁) ‖ L(m₂, b₂))   = log(b₂/b₁) + (b₁·exp(−|Δ|/b₁) + |Δ|)/b₂ − 1
    Bernoulli    KL(q ‖ p)                   = q·log(q/p) + (1 − q)·log((1 − q)/(1 − p))
    categorical  KL(q ‖ p)                   = Σ_l q_l·log(q_l/p_l)

each summed over the event. Held to 1e-6 against the formula and torch.distributions, and within four standard errors
against the mean of log q − log p over draws of q, in both directions.
"""

import math

import pytest
import torch
from torch import distributions as td

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.parts import Bernoulli, Categorical, LaplaceDistribution, Levels, Normal, divergence

TOLERANCE = {"rtol": 0, "atol": 1e-6}
DRAWS = 10_000
ROWS, EVENT = 5, (2, 3)
# location and log-scale by which the second distribution lies apart from the first
APART = {"near": (0.05, 0.02), "shifted": (1.5, 0.0), "wider": (0.0, 0.9), "narrower": (0.4, -0.6)}


def drawn(*shape, seed):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def location_scales(kind, apart):
    shift, stretch = APART[apart]
    loc, log_scale = drawn(ROWS, *EVENT, seed=0), 0.4 * drawn(ROWS, *EVENT, seed=1)
    further = loc + shift * drawn(ROWS, *EVENT, seed=2).sign()
    return kind(loc, log_scale, len(EVENT)), kind(further, log_scale + stretch, len(EVENT))


def bernoullis(apart):
    shift, stretch = APART[apart]
    spec = DataSpec(shape=EVENT, low=0.0, high=1.0, levels=2)
    logits = drawn(ROWS, 6, seed=3)
    return Bernoulli(spec)(logits), Bernoulli(spec)(shift + math.exp(stretch) * logits)


def categoricals(apart):
    shift, stretch = APART[apart]
    spec = DataSpec(shape=EVENT, low=0.0, high=16.0, levels=5)
    logits = drawn(ROWS, 30, seed=4)
    return Categorical(spec)(logits), Categorical(spec)(shift * drawn(ROWS, 30, seed=5) + math.exp(stretch) * logits)


def gaussian_formula(q, p):
    shift = q.mean - p.mean
    return (p.scale / q.scale).log() + (q.scale**2 + shift**2) / (2 * p.scale**2) - 0.5


def laplace_formula(q, p):
    shift = (q.mean - p.mean).abs()
    return (p.scale / q.scale).log() + (q.scale * (-shift / q.scale).exp() + shift) / p.scale - 1


def bernoulli_formula(q, p):
    a, b = q.mean, p.mean
    return a * (a / b).log() + (1 - a) * ((1 - a) / (1 - b)).log()


def categorical_formula(q, p):
    a, b = q.logits.softmax(-3), p.logits.softmax(-3)
    return (a * (a / b).log()).sum(-3)


KINDS = {
    "gaussian": (lambda apart: location_scales(Normal, apart), gaussian_formula),
    "laplace": (lambda apart: location_scales(LaplaceDistribution, apart), laplace_formula),
    "bernoulli": (bernoullis, bernoulli_formula),
    "categorical": (categoricals, categorical_formula),
}
PEERS = {
    "gaussian": lambda p: td.Normal(p.mean, p.scale),
    "laplace": lambda p: td.Laplace(p.mean, p.scale),
    "bernoulli": lambda p: td.Bernoulli(logits=p.logits),
    "categorical": lambda p: td.Categorical(logits=p.logits.movedim(-3, -1)),
}


@pytest.fixture(params=["forward", "backward"])
def direction(request):
    return request.param


@pytest.fixture(params=APART)
def apart(request):
    return request.param


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def pair(kind, apart, direction):
    """Two distributions with batch (ROWS,) and event EVENT."""
    q, p = KINDS[kind][0](apart)
    return (q, p) if direction == "forward" else (p, q)


def test_the_divergence_is_the_formula_and_torchs(kind, pair):
    got = divergence(*pair, estimator="analytic")
    assert got.shape == (ROWS,)
    torch.testing.assert_close(got, KINDS[kind][1](*pair).sum((-2, -1)), **TOLERANCE)
    peer = td.kl_divergence(*(td.Independent(PEERS[kind](side), len(EVENT)) for side in pair))
    torch.testing.assert_close(got, peer, **TOLERANCE)


def test_the_divergence_is_the_mean_log_ratio_of_draws(pair):
    q, p = pair
    torch.manual_seed(0)
    z = q.sample((DRAWS,))
    ratio = q.log_prob(z) - p.log_prob(z)
    error = ratio.std(0) / math.sqrt(DRAWS)
    assert ((ratio.mean(0) - divergence(q, p, estimator="analytic")).abs() < 4 * error).all()


def test_a_distribution_does_not_diverge_from_itself(kind):
    q, _ = KINDS[kind][0]("near")
    torch.testing.assert_close(divergence(q, q, estimator="analytic"), torch.zeros(ROWS).double(), **TOLERANCE)


@pytest.mark.parametrize(("q", "p"), [(400.0, -400.0), (-90.0, 90.0), (90.0, 120.0), (-400.0, -400.0)])
def test_bernoullis_that_are_all_but_certain_keep_a_finite_divergence(q, p):
    spec = DataSpec(shape=(1,), low=0.0, high=1.0, levels=2)
    both = [Bernoulli(spec)(torch.tensor([[logit]])) for logit in (q, p)]
    # a certain value costs what the other gives it: −log sigmoid
    wanted = max(0.0, -p if q > 0 else p)
    assert divergence(*both, estimator="analytic").item() == pytest.approx(wanted, abs=1e-5)


def test_different_levels_have_no_closed_form():
    logits = drawn(ROWS, 5, 3, seed=6)
    q, p = Levels(logits, 1, 0.0, 4.0), Levels(logits, 1, 0.0, 1.0)
    with pytest.raises(CompositionError, match=r"no closed form of KL\(Levels ‖ Levels\): use estimator=sampled"):
        divergence(q, p, estimator="analytic")


def test_a_batch_diverges_from_one_distribution_without_a_batch():
    bits = Bernoulli(DataSpec(shape=(3,), low=0.0, high=1.0, levels=2))
    levels = Categorical(DataSpec(shape=(3,), low=0.0, high=4.0, levels=5))
    for likelihood, outputs in ((bits, 3), (levels, 15)):
        q, one = likelihood(drawn(ROWS, outputs, seed=7)), drawn(outputs, seed=8)
        wanted = td.kl_divergence(q, likelihood(one.expand(ROWS, -1)))
        torch.testing.assert_close(divergence(q, likelihood(one), estimator="analytic"), wanted, **TOLERANCE)
