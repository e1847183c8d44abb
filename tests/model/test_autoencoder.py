"""The one objective against formulas written by hand, and what a user calls, on every kind of data."""

import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import distributions as td
from torch import nn

from aezoo.core.schedules import Linear
from aezoo.core.spec import DataSpec
from aezoo.errors import CapabilityError, CompositionError, DataError, UsageError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import (
    KL,
    VOCABULARY,
    Bernoulli,
    Corruption,
    Decoder,
    Gaussian,
    GaussianEncoder,
    LaplacePrior,
    MixtureOfGaussians,
    PointEncoder,
    Regularizer,
    StandardNormal,
    Weighted,
)
from aezoo.training import build_model

EXACT = {"rtol": 1e-10, "atol": 1e-10}
D, Z = 6, 3
TABLE = DataSpec(shape=(D,), scaling="none")
GREY = DataSpec(shape=(1, 4, 4), low=0.0, high=16.0, levels=17, scaling="scale")


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Penalty(Regularizer):
    """A penalty made of a function, whose arguments it asks for."""

    def __init__(self, function):
        super().__init__()
        self.forward = function

    def forward(self):
        raise AssertionError("replaced")


class Shift(Corruption):
    """Corruption that anyone would notice."""

    noise_variance = 0.25

    def forward(self, x):
        return x + 1000.0


def point(**options):
    torch.manual_seed(0)
    encoder = PointEncoder(nn.Sequential(nn.Linear(D, 5), nn.Tanh(), nn.Linear(5, Z)), nn.Sigmoid())
    return Autoencoder(encoder, Decoder(nn.Linear(Z, D), Gaussian(TABLE)), spec=TABLE, **options).double()


def variational(likelihood=None, **options):
    torch.manual_seed(0)
    likelihood = likelihood or Gaussian(TABLE, "shared")
    encoder = GaussianEncoder(nn.Sequential(nn.Linear(D, 5), nn.Tanh(), nn.Linear(5, 2 * Z)))
    decoder = Decoder(nn.Linear(Z, likelihood.outputs.size), likelihood)
    options = {"prior": StandardNormal((Z,)), "regularizers": [Weighted("kl", KL())]} | options
    return Autoencoder(encoder, decoder, spec=TABLE, **options).double()


def linear_gaussian(gap=0.0, **options):
    """A model whose likelihood is known in closed form: x = Wz + b + σε, and log p(x).

    W has orthogonal columns, so that the exact posterior is diagonal and the encoder can hold it; with ``gap`` it does
    not quite.
    """
    sigma = 0.7
    w = torch.linalg.qr(drawn(D, Z)).Q * torch.tensor([2.0, 1.0, 0.5])
    b = drawn(D, seed=1)
    m = w.T @ w + sigma**2 * torch.eye(Z, dtype=torch.float64)
    up, down = nn.Linear(D, 2 * Z), nn.Linear(Z, D)
    likelihood = Gaussian(TABLE, "shared", min_log_scale=-20.0)
    options = {"prior": StandardNormal((Z,)), "regularizers": [Weighted("kl", KL("sampled"))]} | options
    model = Autoencoder(GaussianEncoder(up), Decoder(down, likelihood), spec=TABLE, **options).double()
    back = torch.linalg.solve(m, w.T)
    up.weight.data = torch.cat([back, torch.zeros(Z, D)])
    up.bias.data = torch.cat([gap - back @ b, (sigma**2 / m.diagonal()).log() + 2 * gap])
    down.weight.data, down.bias.data = w.clone(), b.clone()
    raw = math.log(math.expm1(math.log(sigma) + 20)) - 20
    likelihood.log_scale.data = torch.tensor(raw, dtype=torch.float64)
    truth = td.MultivariateNormal(b, w @ w.T + sigma**2 * torch.eye(D, dtype=torch.float64))
    return model, truth


@pytest.fixture
def digits():
    return np.random.default_rng(0).integers(0, 17, (7, 1, 4, 4)).astype(np.float64)


# ---------------------------------------------------------------- the objective, family by family


def manual_point(model, x):
    network = model.encoder.network
    h = (x @ network[0].weight.T + network[0].bias).tanh()
    z = (h @ network[2].weight.T + network[2].bias).sigmoid()
    recon = z @ model.decoder.network.weight.T + model.decoder.network.bias
    return z, 0.5 * ((x - recon) ** 2).sum(1) + D / 2 * math.log(2 * math.pi)


def test_an_undercomplete_loss_is_the_reconstruction_error():
    model, x = point(), drawn(8, D)
    outcome = model.step(x)
    torch.testing.assert_close(outcome.loss, manual_point(model, x)[1].mean(), **EXACT)
    assert list(outcome.terms) == ["reconstruction"]


def test_penalties_of_every_shape_are_weighed_and_added():
    model = point(
        regularizers=[
            Weighted("draws", Penalty(lambda z: z.abs().sum(-1)), 0.3),
            Weighted("rows", Penalty(lambda x: x.square().sum(1)), Linear(start=0.0, end=2.0, steps=10)),
            Weighted("whole", Penalty(lambda z: z.mean()), -1.5),
        ]
    )
    x = drawn(8, D)
    z, error = manual_point(model, x)
    terms = {
        "reconstruction": error.mean(),
        "draws": z.abs().sum(1).mean(),
        "rows": x.square().sum(1).mean(),
        "whole": z.mean(),
    }
    for step, weight in ((0, 0.0), (5, 1.0), (50, 2.0)):
        outcome = model.step(x, step)
        for name, value in terms.items():
            torch.testing.assert_close(outcome.terms[name], value, **EXACT)
        total = terms["reconstruction"] + 0.3 * terms["draws"] + weight * terms["rows"] - 1.5 * terms["whole"]
        torch.testing.assert_close(outcome.loss, total, **EXACT)


def test_a_denoising_loss_sees_the_corrupted_and_targets_the_clean():
    model, x = point(corruption=Shift()), drawn(8, D)
    z, _ = manual_point(model, x + 1000.0)
    recon = z @ model.decoder.network.weight.T + model.decoder.network.bias
    error = 0.5 * ((x - recon) ** 2).sum(1) + D / 2 * math.log(2 * math.pi)
    torch.testing.assert_close(model.train().step(x).loss, error.mean(), **EXACT)
    torch.testing.assert_close(model.eval().step(x).loss, manual_point(model, x)[1].mean(), **EXACT)


def test_regularizers_see_both_the_clean_and_the_corrupted_input():
    seen = {}
    model = point(
        corruption=Shift(),
        regularizers=[Weighted("spy", Penalty(lambda x, x_in: seen.update(x=x, x_in=x_in) or x.sum()))],
    )
    x = drawn(8, D)
    model.train().step(x)
    assert torch.equal(seen["x"], x)
    assert torch.equal(seen["x_in"], x + 1000.0)


def manual_variational(model, x, draws, seed):
    """log p(x|z), log q(z|x), log p(z) at each draw, and the posterior, by torch's own distributions."""
    network = model.encoder.network
    h = (x @ network[0].weight.T + network[0].bias).tanh()
    mean, log_variance = (h @ network[2].weight.T + network[2].bias).chunk(2, 1)
    scale = log_variance.exp().sqrt()
    torch.manual_seed(seed)
    z = mean + scale * torch.randn(draws, len(x), Z, dtype=torch.float64)
    loc = z @ model.decoder.network.weight.T + model.decoder.network.bias
    raw = model.decoder.likelihood.log_scale
    sigma = torch.exp(torch.log(1 + torch.exp(raw + 6)) - 6)
    q = td.Independent(td.Normal(mean, scale), 1)
    p = td.Independent(td.Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    return td.Normal(loc, sigma).log_prob(x).sum(-1), q.log_prob(z), p.log_prob(z), q, p


@pytest.mark.parametrize("draws", [1, 4])
@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_a_variational_loss_is_the_weighted_evidence_bound(draws, weight):
    x = drawn(8, D)
    for estimator in ("analytic", "sampled", "auto"):
        model = variational(draws=draws, regularizers=[Weighted("kl", KL(estimator), weight)])
        data, log_q, log_p, q, p = manual_variational(model, x, draws, 3)
        kl = (log_q - log_p).mean() if estimator == "sampled" else td.kl_divergence(q, p).mean()
        torch.manual_seed(3)
        outcome = model.step(x)
        torch.testing.assert_close(outcome.terms["kl"], kl, **EXACT)
        torch.testing.assert_close(outcome.loss, -data.mean() + weight * kl, **EXACT)


@pytest.mark.parametrize("draws", [1, 5])
def test_an_importance_weighted_loss_is_burdas_bound(draws):
    x = drawn(8, D)
    model = variational(draws=draws, bound="importance", regularizers=[Weighted("kl", KL("sampled"))])
    data, log_q, log_p, *_ = manual_variational(model, x, draws, 3)
    bound = torch.logsumexp(data + log_p - log_q, 0) - math.log(draws)
    torch.manual_seed(3)
    torch.testing.assert_close(model.step(x).loss, -bound.mean(), **EXACT)


def test_the_gradient_of_the_objective_is_that_of_the_formula():
    x, model = drawn(8, D), variational()
    data, *_, q, p = manual_variational(model, x, 1, 3)
    truth = torch.autograd.grad(-data.mean() + td.kl_divergence(q, p).mean(), model.own_parameters())
    torch.manual_seed(3)
    for got, wanted in zip(torch.autograd.grad(model.step(x).loss, model.own_parameters()), truth, strict=True):
        torch.testing.assert_close(got, wanted, **EXACT)


# ---------------------------------------------------------------- identities of the linear-Gaussian model


def losses(model, x, count, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        return torch.stack([model.step(x).loss for _ in range(count)])


def test_the_two_estimators_of_the_bound_have_one_mean():
    model, _ = linear_gaussian(gap=0.3)
    other, _ = linear_gaussian(gap=0.3, regularizers=[Weighted("kl", KL("analytic"))])
    x = drawn(4, D)
    a, b = losses(model, x, 4000), losses(other, x, 4000, seed=1)
    assert a.std() > 0.01
    error = (a.var() / 4000 + b.var() / 4000).sqrt()
    assert (a.mean() - b.mean()).abs() < 4 * error


def test_at_the_exact_posterior_the_sampled_bound_is_the_likelihood_and_does_not_vary():
    model, truth = linear_gaussian()
    x = drawn(4, D)
    sampled = losses(model, x, 50)
    torch.testing.assert_close(sampled, -truth.log_prob(x).mean().expand(50), **EXACT)
    other, _ = linear_gaussian(regularizers=[Weighted("kl", KL("analytic"))])
    analytic = losses(other, x, 4000)
    assert analytic.std() > 0.01
    assert (analytic.mean() + truth.log_prob(x).mean()).abs() < 4 * analytic.std() / math.sqrt(4000)


def test_the_importance_weighted_bound_grows_with_the_draws_and_stays_below_the_likelihood():
    x = drawn(16, D)
    options = {"bound": "importance", "regularizers": [Weighted("kl", KL("sampled"))]}
    _, truth = linear_gaussian()
    wanted = truth.log_prob(x).mean()
    bounds, errors = [], []
    for draws in (1, 4, 16, 256):
        model, _ = linear_gaussian(gap=0.4, draws=draws, **options)
        bound = -losses(model, x, 8000 // draws)
        bounds.append(bound.mean())
        errors.append(bound.std() / math.sqrt(len(bound)))
    for (low, a), (high, b) in zip(
        zip(bounds, errors, strict=True), list(zip(bounds, errors, strict=True))[1:], strict=False
    ):
        assert high - low > -4 * (a**2 + b**2).sqrt()
    assert bounds[1] - bounds[0] > 0.1
    assert all(bound < wanted + 4 * error for bound, error in zip(bounds, errors, strict=True))
    assert wanted - bounds[-1] < 0.05


def test_the_same_draws_regrouped_give_a_bound_that_never_falls():
    model, _ = linear_gaussian(gap=0.4)
    x = drawn(5, D)
    q, p = model.encoder(x), model.prior_distribution()
    z = q.rsample((64,))
    weights = (model.decoder(z).log_prob(x) + p.log_prob(z) - q.log_prob(z)).detach()
    by_size = [weights.unflatten(0, (-1, k)).logsumexp(1).sub(math.log(k)).mean(0) for k in (1, 2, 4, 8, 16, 32, 64)]
    assert all((b >= a).all() for a, b in pairwise(by_size))


def test_log_likelihood_is_exact_at_the_exact_posterior_and_below_it_elsewhere():
    model, truth = linear_gaussian()
    x = drawn(4, D)
    torch.testing.assert_close(model.log_likelihood(x, draws=3), truth.log_prob(x), **EXACT)
    other, _ = linear_gaussian(gap=0.4)
    rough, fine = (other.log_likelihood(x, draws=n).mean() for n in (1, 5000))
    assert rough < fine - 0.1
    assert (fine - truth.log_prob(x).mean()).abs() < 0.02


def test_score_with_draws_is_the_negative_bound_and_without_it_the_posteriors_mean():
    model, truth = linear_gaussian()
    x = drawn(4, D)
    mean = model.encoder(x).mean
    px = td.Normal(mean @ model.decoder.network.weight.T + model.decoder.network.bias, 0.7)
    q = td.Normal(mean, model.encoder(x).stddev)
    kl = td.kl_divergence(q, td.Normal(torch.zeros(Z).double(), torch.ones(Z).double())).sum(-1)
    torch.testing.assert_close(model.score(x), (kl - px.log_prob(x).sum(-1)).detach(), **EXACT)
    many = model.score(x, draws=20_000)
    torch.testing.assert_close(many, -truth.log_prob(x), atol=0.05, rtol=0)


def test_the_score_of_a_model_without_a_prior_is_its_reconstruction_error():
    model, x = point(), drawn(4, D)
    torch.testing.assert_close(model.score(x), manual_point(model, x)[1].detach(), **EXACT)


# ---------------------------------------------------------------- what a user calls


@pytest.fixture(params=["undercomplete", "denoising", "vae", "sparse-kl"])
def model(request):
    torch.manual_seed(0)
    likelihood = "bernoulli" if request.param == "vae" else "gaussian"
    return build_model(request.param, {"latent_dim": 3, "hidden": (8,), "likelihood": likelihood}, GREY)


METHODS = ["encode", "reconstruct", "score"]


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_input_gives_the_same_and_gets_back_its_kind(model, method, digits):
    call = getattr(model, method)
    truth = call(digits)
    assert isinstance(truth, np.ndarray)
    assert truth.shape == {"encode": (7, 3), "reconstruct": (7, 1, 4, 4), "score": (7,)}[method]
    assert truth.dtype == np.float32
    assert isinstance(call(digits.tolist()), np.ndarray)
    tensor = call(torch.from_numpy(digits))
    assert isinstance(tensor, torch.Tensor)
    assert not tensor.requires_grad
    inputs = [
        digits.tolist(),
        digits.astype(np.uint8),
        digits.astype(">i2"),
        digits.astype(np.longdouble),
        digits.astype(np.uint16),
        digits[::-1].copy()[::-1],
        digits.reshape(7, 16),
        digits[:, 0],
        torch.from_numpy(digits).byte(),
        torch.from_numpy(digits).float().requires_grad_(),
    ]
    frozen = digits.copy()
    frozen.flags.writeable = False
    for given in [*inputs, frozen]:
        np.testing.assert_allclose(call(given), truth, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("draws", [None, 4])
def test_one_datum_comes_back_without_a_batch_axis(model, method, draws, digits):
    call = getattr(model, method)
    many, one = call(digits[:1], draws=draws), call(digits[0], draws=draws)
    axis = 1 if draws and method != "score" else 0
    np.testing.assert_array_equal(one, many.take(0, axis))


@pytest.mark.parametrize("method", METHODS)
def test_rows_do_not_depend_on_the_passes(model, method, digits):
    call = getattr(model, method)
    for size in (1, 2, 7, 100):
        np.testing.assert_allclose(call(digits, batch_size=size), call(digits), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(call(digits[3:5]), call(digits)[3:5], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["encode", "reconstruct"])
def test_draws_come_before_the_rows_whatever_the_passes(model, method, digits):
    for size in (None, 2):
        out = getattr(model, method)(digits, draws=5, batch_size=size)
        assert out.shape[:2] == (5, 7)
    if "stochastic" not in model.capabilities:
        np.testing.assert_allclose(out[4], getattr(model, method)(digits), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", [*METHODS, "log_likelihood"])
def test_draws_are_reproducible_by_seed_and_differ_by_seed(method, digits):
    torch.manual_seed(0)
    model = build_model("vae", {"latent_dim": 3, "hidden": (8,)}, GREY)
    call = getattr(model, method)
    a, b, c = call(digits, draws=5), call(digits, draws=5), call(digits, draws=5, seed=1)
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    if method in ("encode", "reconstruct"):
        assert not np.array_equal(a[0], a[1])


def test_log_likelihood_takes_what_the_other_calls_take(digits):
    torch.manual_seed(0)
    model = build_model("vae", {"latent_dim": 3, "hidden": (8,)}, GREY)
    whole = model.log_likelihood(digits, draws=3)
    assert isinstance(whole, np.ndarray)
    assert whole.shape == (7,)
    np.testing.assert_allclose(model.log_likelihood(digits.tolist(), draws=3), whole, rtol=1e-5)
    tensor = model.log_likelihood(torch.from_numpy(digits), draws=3)
    np.testing.assert_allclose(tensor, whole, rtol=1e-5)
    one = model.log_likelihood(digits[0], draws=3)
    assert one.shape == ()
    np.testing.assert_allclose(one, model.log_likelihood(digits[:1], draws=3)[0], rtol=1e-5)
    # passes draw anew, so that only the number of rows is theirs to keep
    assert model.log_likelihood(digits, draws=3, batch_size=2).shape == (7,)


def test_draws_that_do_not_fit_in_one_pass_count_the_same(monkeypatch):
    model, truth = linear_gaussian(gap=0.4)
    x = drawn(4, D)
    monkeypatch.setattr("aezoo.model.passes.PASS_VALUES", 4 * D * 30)
    pieces = model.log_likelihood(x, draws=5000)
    assert (pieces - truth.log_prob(x)).abs().max() < 0.1


def test_the_draws_of_a_code_have_the_posteriors_moments():
    model = variational()
    x = drawn(2, D)
    draws = model.encode(x, draws=20_000)
    q = model.encoder(x)
    assert ((draws.mean(0) - q.mean).abs() < 4 * q.stddev / math.sqrt(20_000)).all()
    assert ((draws.std(0) / q.stddev - 1).abs() < 4 / math.sqrt(40_000)).all()


@pytest.mark.parametrize("draws", [None, 3])
@pytest.mark.parametrize("method", [*METHODS, "log_likelihood", "sample"])
def test_calls_leave_mode_random_state_and_gradients_as_they_were(method, draws, digits):
    torch.manual_seed(0)
    model = build_model("vae", {"latent_dim": 3, "hidden": (8,), "network": "mlp,dropout=0.5,norm=batch"}, GREY)
    model.train()
    model.decoder.network.eval()
    modes = [module.training for module in model.modules()]
    before = copy.deepcopy(model.state_dict())
    state, seeded = torch.get_rng_state(), np.random.get_state()[1].copy()
    arguments = {"draws": draws} if draws and method != "sample" else {}
    with torch.enable_grad():
        for _ in range(2):
            if method == "sample":
                model.sample(5, noise=True)
            else:
                getattr(model, method)(digits, **arguments)
        assert torch.is_grad_enabled()
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], seeded)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_a_call_that_fails_restores_the_mode(digits):
    model = build_model("vae", {"latent_dim": 3}, GREY).train()
    model.decoder.likelihood.forward = None
    with pytest.raises(TypeError):
        model.score(digits)
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("method", METHODS)
def test_corruption_and_dropout_are_never_active_outside_training(method, digits):
    torch.manual_seed(0)
    options = {"latent_dim": 3, "hidden": (8,), "network": "mlp,dropout=0.9", "corruption": "masking=0.9"}
    model = build_model("vae", options, GREY)
    call = getattr(model.train(), method)
    assert not torch.equal(*(model.step(torch.rand(5, 1, 4, 4)).loss for _ in range(2)))
    trained = call(digits)
    np.testing.assert_array_equal(trained, call(digits))
    model.eval()
    np.testing.assert_array_equal(trained, call(digits))


def test_a_float64_model_keeps_its_precision(digits):
    torch.manual_seed(0)
    model = build_model("vae", {"latent_dim": 3, "hidden": (8,)}, GREY).double()
    x = digits + 1e-9 * np.random.default_rng(1).normal(size=digits.shape)
    assert model.encode(x).dtype == np.float64
    q = model.encoder(torch.from_numpy(x) / 16)
    np.testing.assert_allclose(model.encode(x), q.mean.detach(), rtol=1e-12)
    assert not np.array_equal(model.encode(x), model.encode(digits))
    assert model.sample(2).dtype == torch.float64


def test_results_are_in_raw_units(digits):
    spec = DataSpec(shape=(4,), scaling="standardize")
    torch.manual_seed(0)
    model = build_model("vae", {"latent_dim": 2, "hidden": ()}, spec)
    rows = np.random.default_rng(0).normal(size=(500, 4)) * [1, 10, 100, 1000] + [0, 50, -3, 1e4]
    model.preprocess.fit([torch.from_numpy(rows)])
    u = (rows - rows.mean(0)) / rows.std(0)
    code = model.encoder(torch.from_numpy(u).float()).mean
    np.testing.assert_allclose(model.encode(rows), code.detach(), rtol=1e-4, atol=1e-5)
    inside = model.decoder(code[None]).mean[0].detach().numpy()
    np.testing.assert_allclose(model.reconstruct(rows), inside * rows.std(0) + rows.mean(0), rtol=1e-4, atol=1e-4)
    samples = model.sample(20_000, noise=True).numpy()
    # what is decoded from an untrained model spreads about as widely as the raw data
    assert (np.abs(samples.mean(0) - rows.mean(0)) < 1.5 * rows.std(0)).all()
    assert (samples.std(0) > 0.3 * rows.std(0)).all()
    assert (samples.std(0) < 1.5 * rows.std(0)).all()


def test_samples_are_decoded_from_the_prior():
    model, truth = linear_gaussian()
    n = 40_000
    means, noisy = model.sample(n), model.sample(n, noise=True)
    assert means.shape == noisy.shape == (n, D)
    w = model.decoder.network.weight
    for samples, covariance in ((means, w @ w.T), (noisy, truth.covariance_matrix)):
        error = 4 * (covariance.diagonal() / n).sqrt()
        assert ((samples.mean(0) - truth.mean).abs() < error).all()
        spread = covariance.diagonal()
        tolerance = 4 * ((spread[:, None] * spread + covariance**2) / n).sqrt()
        assert ((torch.cov(samples.T) - covariance).abs() < tolerance).all()
    assert torch.equal(model.sample(10), model.sample(10))
    assert not torch.equal(model.sample(10), model.sample(10, seed=1))


@pytest.mark.parametrize("prior", [LaplacePrior((Z,), 2.0), MixtureOfGaussians((Z,), 3)])
def test_other_priors_are_sampled_and_scored(prior):
    model = variational(prior=prior)
    x = drawn(4, D)
    assert model.sample(5).shape == (5, D)
    z = model.encode(x, draws=50)
    q, p = model.encoder(x), prior()
    weight = model.decoder(z).log_prob(x) + p.log_prob(z) - q.log_prob(z)
    estimate = weight.logsumexp(0) - math.log(50)
    torch.testing.assert_close(model.log_likelihood(x, draws=50), estimate.detach(), **EXACT)


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (point, ()),
        (lambda: point(corruption=Shift()), ("score-function",)),
        (variational, ("stochastic", "samples", "bound", "density")),
        (lambda: variational(prior=None, regularizers=()), ("stochastic",)),
        (lambda: point(prior=StandardNormal((Z,))), ("samples",)),
    ],
)
def test_capabilities_follow_the_parts(build, wanted):
    assert build().capabilities == wanted


@pytest.mark.parametrize(
    ("method", "needs", "remedy"),
    [
        ("log_likelihood", "bound", "a variational model such as vae"),
        ("sample", "samples", "a variational model such as vae"),
        ("score_function", "score-function", "corruption gaussian"),
    ],
)
def test_what_the_parts_cannot_give_is_refused_with_a_remedy(method, needs, remedy):
    argument = 3 if method == "sample" else drawn(2, D)
    with pytest.raises(
        CapabilityError, match=f"{method} needs a model with '{needs}' .*none.*: use .*{remedy}"
    ) as caught:
        getattr(point(), method)(argument)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [0, -1, 2.0, "3", True])
def test_counts_that_are_none_are_refused(count):
    model = variational()
    for call in (
        lambda: model.encode(drawn(2, D), draws=count),
        lambda: model.score(drawn(2, D), batch_size=count),
        lambda: model.log_likelihood(drawn(2, D), draws=count),
        lambda: model.sample(count),
        lambda: model.sample(2, batch_size=count),
    ):
        with pytest.raises(UsageError, match="must be a whole number of at least 1"):
            call()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5)), r"built for data of shape \(6,\), and got rows of shape \(5,\)"),
        (np.full((2, 6), np.nan), "row 0, column 0 .*is NaN"),
        (torch.tensor([[0.0] * 5 + [math.inf]]), "row 0, column 5 .*is infinity"),
        (np.zeros((0, 6)), "has no rows"),
        ([["a"] * 6], "dtype <U1"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_bad_rows_are_refused_before_the_model_sees_them(method, x, message):
    with pytest.raises(DataError, match=message):
        getattr(point(), method)(x)


def test_measure_is_the_mean_over_rows_and_leaves_the_stream_alone():
    model, x = variational(), drawn(10, D)
    state = torch.get_rng_state()
    a = model.train().measure(x.split(4))
    assert a == model.measure(x.split(4))
    assert torch.equal(torch.get_rng_state(), state)
    assert a["loss"] == pytest.approx(a["reconstruction"] + a["kl"])
    q = model.encoder(x)
    kl = td.kl_divergence(td.Normal(q.mean, q.stddev), td.Normal(0.0, 1.0)).sum(-1).mean()
    assert a["kl"] == pytest.approx(kl.item(), abs=1e-10)
    assert model.measure(x.split(4), seed=1)["reconstruction"] != a["reconstruction"]


# ---------------------------------------------------------------- parts that do not fit


def test_an_unknown_argument_is_refused_when_the_model_is_built():
    with pytest.raises(CompositionError, match="regularizer 'mine' asks for 'y'") as caught:
        point(regularizers=[Weighted("mine", Penalty(lambda z, y: z.sum()))])
    assert ", ".join(VOCABULARY) in str(caught.value)


@pytest.mark.parametrize("draws", [1, 2, 3])
@pytest.mark.parametrize(
    "function",
    [
        lambda z: z,
        lambda z: z.sum((0, 2))[:1].expand(5),
        lambda z: 0.0,
        lambda z: None,
        lambda z: z.sum(-1).T if len(z) != 1 else z,
        lambda z: z.sum((1, 2)) if len(z) != 1 else z,
    ],
)
def test_a_penalty_of_the_wrong_shape_is_refused(function, draws):
    with pytest.raises(CompositionError, match=r"'odd' returned .*\(K, B\), one a row \(B,\), or one in all"):
        point(draws=draws, regularizers=[Weighted("odd", Penalty(function))])


@pytest.mark.parametrize("function", [lambda x: x.sum(1), lambda x: x.sum()])
@pytest.mark.parametrize("draws", [1, 2, 3])
def test_the_importance_weighted_bound_wants_a_penalty_for_each_draw(function, draws):
    with pytest.raises(CompositionError, match="'rows' has no draw axis: use estimator=sampled for a KL"):
        variational(draws=draws, bound="importance", regularizers=[Weighted("rows", Penalty(function))])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: point(regularizers=[Weighted("kl", KL())]), "KL divergence needs a(n encoder with a density| prior)"),
        (
            lambda: point(prior=StandardNormal((Z,)), regularizers=[Weighted("kl", KL())]),
            "this encoder is deterministic: use a variational model",
        ),
        (lambda: variational(prior=None), "needs a prior, and this model has none: use a variational model"),
        (
            lambda: variational(prior=MixtureOfGaussians((Z,)), regularizers=[Weighted("kl", KL("analytic"))]),
            "no closed form.*use estimator=sampled",
        ),
        (
            lambda: Autoencoder(nn.Linear(D, Z), Decoder(nn.Linear(Z, D), Gaussian(TABLE)), spec=TABLE),
            "Linear returned Tensor, which is no posterior: .*wrap a plain network in PointEncoder",
        ),
        (
            lambda: Autoencoder(PointEncoder(nn.Linear(D, Z)), Decoder(nn.Linear(Z, 5), Gaussian(TABLE)), spec=TABLE),
            "gives 5 values a row.*needs 6",
        ),
        (lambda: point(regularizers=[Weighted("dense", nn.Linear(2, 2))]), "'dense' is Linear, no aezoo Regularizer"),
    ],
)
def test_parts_that_do_not_fit_are_refused_when_the_model_is_built(build, message):
    with pytest.raises(CompositionError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_building_leaves_the_random_state_alone():
    parts = PointEncoder(nn.Linear(D, Z)), Decoder(nn.Linear(Z, D), Gaussian(TABLE))
    state = torch.get_rng_state()
    Autoencoder(*parts, spec=TABLE, draws=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_regularizers_of_one_name_are_numbered_and_never_take_the_place_of_a_figure():
    one = Penalty(lambda z: z.sum())
    names = ["l1", "l1", "loss", "reconstruction", "l1"]
    model = point(regularizers=[Weighted(name, copy.deepcopy(one), 2.0) for name in names])
    assert list(model.regularizers) == ["l1", "l1-2", "loss-2", "reconstruction-2", "l1-3"]
    assert list(model.step(drawn(2, D)).terms) == ["reconstruction", *model.regularizers]


@pytest.mark.parametrize("draws", [1, 3])
def test_torchs_own_posterior_fits(draws):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(D, Z)

        def forward(self, x):
            mean = self.layer(x)
            return td.Independent(td.Normal(mean, torch.ones_like(mean)), 1)

    prior = StandardNormal((Z,))
    decoder = Decoder(nn.Linear(Z, D), Gaussian(TABLE))
    model = Autoencoder(Own(), decoder, spec=TABLE, prior=prior, regularizers=[Weighted("kl", KL())], draws=draws)
    assert model.capabilities == ("stochastic", "samples", "bound", "density")
    assert model.score(torch.randn(4, D), draws=2).shape == (4,)


def test_a_model_without_preprocessing_takes_data_as_it_is():
    spec = DataSpec(shape=(D,), low=0.0, high=1.0, scaling="none")
    model = Autoencoder(PointEncoder(nn.Linear(D, Z)), Decoder(nn.Linear(Z, D), Bernoulli(spec)), spec=spec)
    x = torch.rand(3, D)
    torch.testing.assert_close(model.encode(x), model.encoder.network(x).detach())


def test_a_copy_of_a_model_is_a_model_of_its_own():
    model = point(regularizers=[Weighted("own", Penalty(lambda z: z.sum()))], corruption=Shift())
    other = copy.deepcopy(model)
    other.encoder.network[0].weight.data.zero_()
    x = drawn(3, D)
    assert not torch.equal(model.encode(x), other.encode(x))
    assert model.step(x).loss != other.step(x).loss


@pytest.mark.parametrize(("option", "remedy"), [("bound", "mean or importance"), ("gradient", "reparameterised or")])
def test_a_bound_or_gradient_that_is_none_is_refused_and_not_taken_for_another(option, remedy):
    with pytest.raises(CompositionError, match=f"no {option} 'imporance': use {remedy}"):
        variational(**{option: "imporance"})
