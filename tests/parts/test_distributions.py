"""The distributions against torch's own, and the divergences against Monte Carlo."""

import math

import pytest
import torch
from torch import distributions as td

from aezoo.errors import CompositionError
from aezoo.parts import LaplaceDistribution as Laplace
from aezoo.parts import Levels, MixtureOfGaussians, Normal, Point, StandardNormal, divergence, has_density
from aezoo.parts.distributions import Bernoulli, ContinuousBernoulli

EXACT = {"rtol": 1e-10, "atol": 1e-10}
EVENT = (2, 4, 3)
SCALES = {
    "none": None,
    "scalar": (),
    "per-dimension": EVENT,
    "per-channel": (2, 1, 1),
    "last axis": (3,),
    "per-example": (5, 6, 1, 1, 1),
    "of every value": (5, 6, *EVENT),
}
PAIRS = [(Normal, td.Normal), (Laplace, td.Laplace)]


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def both(ours, theirs, shape, event=EVENT, batch=(5, 6)):
    """The same distribution twice: ours, and torch's."""
    loc = drawn(*batch, *event)
    log_scale = None if shape is None else drawn(*shape, seed=1) * 0.5
    scale = torch.ones_like(loc) if log_scale is None else log_scale.exp().expand_as(loc)
    return ours(loc, log_scale, len(event)), td.Independent(theirs(loc, scale), len(event))


@pytest.mark.parametrize("shape", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_log_prob_entropy_and_moments_are_those_of_torch(ours, theirs, shape):
    p, truth = both(ours, theirs, shape)
    assert (p.batch_shape, p.event_shape) == (truth.batch_shape, truth.event_shape)
    for value in (drawn(*p.loc.shape, seed=2), drawn(4, *p.loc.shape, seed=3), drawn(*EVENT, seed=4)):
        torch.testing.assert_close(p.log_prob(value), truth.log_prob(value), **EXACT)
    for name in ("mean", "variance", "stddev"):
        torch.testing.assert_close(getattr(p, name), getattr(truth, name), **EXACT)
    torch.testing.assert_close(p.entropy(), truth.entropy(), **EXACT)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("scale", [None, ()])
def test_an_event_without_axes_is_a_batch_of_numbers(ours, theirs, scale):
    p, truth = both(ours, theirs, scale, event=())
    value = drawn(5, 6, seed=2)
    torch.testing.assert_close(p.log_prob(value), truth.log_prob(value), **EXACT)
    torch.testing.assert_close(p.entropy(), truth.entropy(), **EXACT)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("shape", [None, (), EVENT, (5, 6, 1, 1, 1)])
def test_the_gradients_of_log_prob_are_those_of_torch(ours, theirs, shape):
    loc = drawn(5, 6, *EVENT).requires_grad_()
    log_scale = None if shape is None else (drawn(*shape, seed=1) * 0.5).requires_grad_()
    value = drawn(5, 6, *EVENT, seed=2)
    wanted = [t for t in (loc, log_scale) if t is not None]
    scale = torch.ones_like(loc) if log_scale is None else log_scale.exp().expand_as(loc)
    got = torch.autograd.grad(ours(loc, log_scale, 3).log_prob(value).sum(), wanted)
    truth = torch.autograd.grad(td.Independent(theirs(loc, scale), 3).log_prob(value).sum(), wanted)
    for a, b in zip(got, truth, strict=True):
        torch.testing.assert_close(a, b, **EXACT)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("shape", [None, (3,), (2, 1)])
def test_draws_have_the_moments_of_the_density_and_carry_gradients(ours, theirs, shape):
    torch.manual_seed(0)
    loc = drawn(2, 3).requires_grad_()
    log_scale = None if shape is None else drawn(*shape, seed=1).requires_grad_()
    p = ours(loc, log_scale, 1)
    n = 200_000
    z = p.rsample((n,))
    assert z.shape == (n, 2, 3)
    deviation = (z - loc).detach()
    assert ((deviation.mean(0).abs()) < 4 * p.stddev / math.sqrt(n)).all()
    # four standard errors of a variance: its own is sqrt((kurtosis - 1)/n), kurtosis 3 or 6
    relative = math.sqrt((2 if ours is Normal else 5) / n)
    assert ((deviation.square().mean(0) / p.variance - 1).abs() < 4 * relative).all()
    # the whole distribution, not only two moments: its distribution function is uniform on the draws
    uniform = theirs(loc, p.scale).cdf(z.detach())
    for level in (0.01, 0.25, 0.5, 0.75, 0.99):
        assert (((uniform < level).double().mean(0) - level).abs() < 4 * math.sqrt(level * (1 - level) / n)).all()
    (moved,) = torch.autograd.grad(z.sum(), loc, retain_graph=True)
    torch.testing.assert_close(moved, torch.full_like(loc, n))
    if log_scale is not None:
        (stretched,) = torch.autograd.grad(z.sum(), log_scale)
        torch.testing.assert_close(stretched, deviation.sum(0).sum_to_size(log_scale.shape))


def test_laplace_draws_are_finite_at_both_ends_of_the_uniform(monkeypatch):
    for edge in (0.0, 1 - 2**-24):
        monkeypatch.setattr(torch, "rand", lambda size, edge=edge, **options: torch.full(size, edge, **options))
        assert Laplace(torch.zeros(3), None, 1).rsample((7,)).isfinite().all()


def test_bernoulli_is_torchs_on_bits_and_the_cross_entropy_between():
    logits = drawn(5, 6, *EVENT) * 3
    p, truth = Bernoulli(logits, 3), td.Independent(td.Bernoulli(logits=logits), 3)
    for value in (drawn(5, 6, *EVENT, seed=1) > 0, drawn(4, 5, 6, *EVENT, seed=1) > 0, drawn(*EVENT, seed=1) > 0):
        torch.testing.assert_close(p.log_prob(value.double()), truth.log_prob(value.double()), **EXACT)
    grey, probability = drawn(5, 6, *EVENT, seed=2).sigmoid(), logits.sigmoid()
    entropy = (grey * probability.log() + (1 - grey) * (1 - probability).log()).sum((-3, -2, -1))
    torch.testing.assert_close(p.log_prob(grey), entropy, **EXACT)
    torch.testing.assert_close(p.mean, truth.mean, **EXACT)


def test_a_bernoulli_far_in_its_tails_stays_finite():
    p = Bernoulli(torch.tensor([[-400.0, 400.0]]), 1)
    assert p.log_prob(torch.tensor([[1.0, 0.0]])).tolist() == [-800.0]


def test_bernoulli_draws_are_bits_of_the_right_share():
    torch.manual_seed(0)
    p = Bernoulli(drawn(3, 4), 1)
    draws = p.sample((100_000,))
    assert draws.shape == (100_000, 3, 4)
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    error = (p.mean * (1 - p.mean) / 100_000).sqrt()
    assert ((draws.mean(0) - p.mean).abs() < 4 * error).all()


@pytest.mark.parametrize(("low", "high", "levels"), [(0.0, 1.0, 2), (0.0, 16.0, 17), (-1.0, 1.0, 5)])
@pytest.mark.parametrize("event", [(3,), (2, 3, 2)])
def test_levels_are_torchs_categorical_in_the_units_of_the_data(low, high, levels, event):
    logits = drawn(5, 6, levels, *event)
    p = Levels(logits, len(event), low, high)
    assert (p.batch_shape, p.event_shape) == ((5, 6), event)
    truth = td.Independent(td.Categorical(logits=logits.movedim(2, -1)), len(event))
    grid = torch.linspace(low, high, levels, dtype=torch.float64)
    for shape in ((5, 6, *event), (4, 5, 6, *event), (6, *event)):
        index = torch.randint(0, levels, shape, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(p.log_prob(grid[index]), truth.log_prob(index), **EXACT)
    mean = (truth.base_dist.probs * grid).sum(-1)
    torch.testing.assert_close(p.mean, mean, **EXACT)


def test_levels_take_the_nearest_level_and_sum_to_one():
    p = Levels(drawn(1, 17, 1), 1, 0.0, 16.0)
    every = torch.arange(17, dtype=torch.float64)[:, None, None]
    assert p.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(p.log_prob(every + 0.4), p.log_prob(every))
    torch.testing.assert_close(p.log_prob(torch.tensor([[99.0]]).double()), p.log_prob(every[-1]))


def test_levels_draw_levels_with_their_probabilities():
    torch.manual_seed(0)
    p = Levels(drawn(2, 5, 3), 1, -1.0, 1.0)
    draws = p.sample((100_000,))
    assert draws.shape == (100_000, 2, 3)
    grid = torch.linspace(-1, 1, 5).double()
    probability = p.logits.softmax(1)
    for index, level in enumerate(grid):
        share = (draws == level).double().mean(0)
        wanted = probability[:, index]
        assert ((share - wanted).abs() < 4 * (wanted * (1 - wanted) / 100_000).sqrt()).all()
    assert p.log_prob(draws[:10]).shape == (10, 2)


@pytest.mark.parametrize("q_shape", [None, (5,), (6, 5)])
@pytest.mark.parametrize("p_shape", [None, (), (5,)])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_divergences_of_one_kind_are_those_of_torch(ours, theirs, q_shape, p_shape):
    q, q_truth = both(ours, theirs, q_shape, (5,), (6,))
    origin = drawn(5, seed=5)
    log_scale = None if p_shape is None else drawn(*p_shape, seed=6) * 0.5
    scale = torch.ones(5).double() if log_scale is None else log_scale.exp().expand(5)
    p, p_truth = ours(origin, log_scale, 1), td.Independent(theirs(origin, scale), 1)
    got = td.kl_divergence(q, p)
    assert got.shape == (6,)
    torch.testing.assert_close(got, td.kl_divergence(q_truth, p_truth).expand(6), **EXACT)
    torch.testing.assert_close(td.kl_divergence(q, q), torch.zeros(6).double(), **EXACT)


@pytest.mark.parametrize("p_shape", [None, (), (3,)])
@pytest.mark.parametrize(("q_kind", "p_kind"), [(Normal, Normal), (Laplace, Laplace), (Normal, Laplace)])
def test_divergences_agree_with_monte_carlo(q_kind, p_kind, p_shape):
    torch.manual_seed(1)
    q = q_kind(drawn(4, 3), drawn(4, 3, seed=1) * 0.7, 1)
    p = p_kind(drawn(3, seed=2), None if p_shape is None else drawn(*p_shape, seed=3) * 0.5, 1)
    z = q.rsample((100_000,))
    draws = q.log_prob(z) - p.log_prob(z)
    exact = td.kl_divergence(q, p)
    assert exact.shape == (4,)
    assert ((draws.mean(0) - exact).abs() < 4 * draws.std(0) / math.sqrt(len(draws))).all()


def test_the_laplace_divergence_is_the_textbook_formula():
    b1, b2, distance = 0.7, 1.9, 1.3
    q = Laplace(torch.tensor([distance], dtype=torch.float64), torch.tensor(math.log(b1), dtype=torch.float64), 1)
    p = Laplace(torch.zeros(1).double(), torch.tensor(math.log(b2), dtype=torch.float64), 1)
    formula = math.log(b2 / b1) + (b1 * math.exp(-distance / b1) + distance) / b2 - 1
    assert td.kl_divergence(q, p).item() == pytest.approx(formula, abs=1e-12)


def test_the_divergence_from_a_laplace_prior_matches_numerical_integration():
    mean, scale, b = 0.8, 0.6, 1.7
    q = Normal(torch.tensor([mean], dtype=torch.float64), torch.tensor(math.log(scale), dtype=torch.float64), 1)
    p = Laplace(torch.zeros(1).double(), torch.tensor(math.log(b), dtype=torch.float64), 1)
    grid = torch.linspace(mean - 12 * scale, mean + 12 * scale, 400_001, dtype=torch.float64)[:, None]
    log_q = q.log_prob(grid)
    integral = torch.trapezoid(log_q.exp() * (log_q - p.log_prob(grid)), grid[:, 0])
    assert td.kl_divergence(q, p).item() == pytest.approx(integral.item(), abs=1e-8)


# ---------------------------------------------------------------- divergence(), the estimators


def mixture():
    torch.manual_seed(0)
    return MixtureOfGaussians((3,), 4).double()()


def test_divergence_takes_the_closed_form_where_there_is_one():
    q, p = Normal(drawn(4, 3), drawn(4, 3, seed=1), 1), Normal(torch.zeros(3).double(), None, 1)
    z = q.rsample((7,))
    closed = td.kl_divergence(q, p)
    for estimator in ("auto", "analytic"):
        torch.testing.assert_close(divergence(q, p, z, estimator=estimator), closed)
    sampled = divergence(q, p, z, estimator="sampled")
    assert sampled.shape == (7, 4)
    torch.testing.assert_close(sampled, q.log_prob(z) - p.log_prob(z))


def test_divergence_takes_draws_where_there_is_no_closed_form():
    q = Normal(drawn(4, 3), None, 1)
    z = q.rsample((7,))
    torch.testing.assert_close(divergence(q, mixture(), z), q.log_prob(z) - mixture().log_prob(z))


def test_divergence_takes_torchs_own_distributions():
    q = td.Independent(td.Normal(drawn(4, 3), torch.ones(4, 3).double()), 1)
    p = td.Independent(td.Normal(torch.zeros(3).double(), torch.ones(3).double()), 1)
    torch.testing.assert_close(divergence(q, p, estimator="analytic"), td.kl_divergence(q, p))


def test_divergence_takes_a_prior_that_torchs_closed_form_does_not_broadcast():
    # probabilities of 0 and 1 are those that torch picks by masks
    q_probs = torch.tensor([[0.0, 0.25], [1.0, 0.5], [0.75, 0.9]], dtype=torch.float64)
    p_probs = torch.tensor([0.5, 0.2], dtype=torch.float64)
    q, p = (td.Independent(td.Bernoulli(probs), 1) for probs in (q_probs, p_probs))
    cases = [(q_probs, p_probs), (1 - q_probs, 1 - p_probs)]
    by_hand = sum(torch.special.xlogy(a, a / b).sum(-1) for a, b in cases)
    for estimator in ("auto", "analytic", "at-mean"):
        torch.testing.assert_close(divergence(q, p, estimator=estimator), by_hand)


@pytest.mark.parametrize(
    ("q", "p", "options", "message"),
    [
        (Point(torch.zeros(4, 3)), "normal", {}, "encoder with a density.*use a variational model, or drop the kl"),
        (None, "mixture", {"estimator": "analytic"}, r"no closed form of KL\(Normal.*Mixture.*use estimator=sampled"),
        (None, "mixture", {}, "has no closed form and needs draws"),
        (None, "normal", {"estimator": "sampled"}, "needs draws"),
    ],
)
def test_a_divergence_that_cannot_be_had_says_what_to_do(q, p, options, message):
    q = q or Normal(drawn(4, 3), None, 1)
    p = mixture() if p == "mixture" else Normal(torch.zeros(3).double(), None, 1)
    with pytest.raises(CompositionError, match=message) as caught:
        divergence(q, p, **options)
    assert "\n" not in str(caught.value)


def test_a_point_is_its_own_mean_and_has_no_density():
    code = drawn(4, 3).requires_grad_()
    point = Point(code)
    assert point.rsample((5,)).shape == (5, 4, 3)
    assert torch.equal(point.rsample((5,))[2], code)
    point.rsample((5,)).sum().backward()
    torch.testing.assert_close(code.grad, torch.full_like(code, 5))
    assert not has_density(point)
    assert has_density(Normal(code, None, 1))


def test_a_posterior_of_torchs_own_parts_meets_our_prior_in_closed_form():
    loc, scale = torch.randn(5, 3, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64) + 0.1
    q = td.Independent(td.Normal(loc, scale), 1)
    truth = td.kl_divergence(q, td.Independent(td.Normal(torch.zeros_like(loc), torch.ones_like(loc)), 1))
    torch.testing.assert_close(divergence(q, StandardNormal((3,)).double()(), estimator="analytic"), truth)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("logit", [-200.0, -50.0, -20.0, -1.0, -0.06, -0.04, -1e-4, 0.0, 1e-3, 0.05, 3.0, 20.0, 200.0])
def test_a_continuous_bernoulli_stays_a_density_at_every_logit(logit, dtype):
    px = ContinuousBernoulli(torch.tensor([logit], dtype=dtype), 1)
    # most of the mass lies within 1/|l| of an end, so the grid is dense there
    edge = torch.logspace(-9, 0, 20_001, dtype=torch.float64)
    x = torch.cat([torch.zeros(1, dtype=torch.float64), edge])
    x = x if logit <= 0 else 1 - x.flip(0)
    density = px.log_prob(x[:, None].to(dtype)).double().exp()
    tolerance = 1e-4 if dtype == torch.float32 else 1e-6
    assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=tolerance)
    assert torch.trapezoid(density * x, x).item() == pytest.approx(px.mean.item(), abs=tolerance)
    torch.manual_seed(0)
    draws = px.rsample((40_000,)).double()
    spread = torch.trapezoid(density * (x - px.mean.item()) ** 2, x).sqrt().item()
    assert draws.mean().item() == pytest.approx(px.mean.item(), abs=4 * spread / 200 + 1e-6)
    assert draws.std().item() == pytest.approx(spread, rel=0.05, abs=1e-6)


def test_a_continuous_bernoullis_gradient_is_the_distance_from_its_mean():
    logits = torch.tensor(
        [-300.0, -20.0, -0.051, -0.049, 0.0, 0.01, 7.0, 300.0], dtype=torch.float64, requires_grad=True
    )
    x = torch.rand(8, dtype=torch.float64)
    px = ContinuousBernoulli(logits, 1)
    (slope,) = torch.autograd.grad(px.log_prob(x), logits)
    torch.testing.assert_close(slope, x - px.mean.detach(), atol=1e-8, rtol=0)


@pytest.mark.parametrize("logit", [-0.06, -0.04, -5e-4, 0.0, 5e-4, 0.04, 3.0])
def test_a_continuous_bernoullis_draws_follow_their_logit(logit):
    logits = torch.full((200_000,), logit, dtype=torch.float64, requires_grad=True)
    px = ContinuousBernoulli(logits, 0)
    torch.manual_seed(0)
    x = px.rsample()
    assert x.mean().item() == pytest.approx(px.mean[0].item(), abs=4 * x.std().item() / 447)
    (slope,) = torch.autograd.grad(x.sum(), logits)
    # the mean's own slope, which is the variance
    assert slope.mean().item() == pytest.approx(x.var().item(), rel=0.02)
