"""Likelihoods: densities, their scales, and what they refuse."""

import math

import pytest
import torch
from torch import distributions as td

from aezoo.core.config import Choice
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, UsageError
from aezoo.parts import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    Decoder,
    Gaussian,
    Laplace,
    Outputs,
    build_part,
)

EXACT = {"rtol": 1e-10, "atol": 1e-10}
TABLE = DataSpec(shape=(6,))
IMAGE = DataSpec(shape=(2, 3, 4), low=0.0, high=1.0, scaling="none")
BITS = DataSpec(shape=(6,), low=0.0, high=1.0, levels=2, scaling="none")
GREY = DataSpec(shape=(1, 2, 3), low=0.0, high=16.0, levels=17, scaling="none")
FORMS = ("unit", "shared", "per-dimension", "per-example", "per-value")
REAL = [(Gaussian, td.Normal), (Laplace, td.Laplace)]


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def scaled(kind, form, spec=TABLE, **options):
    """A likelihood whose learned scales are no longer the initial ones."""
    likelihood = kind(spec, form, **options).double()
    for parameter in likelihood.parameters():
        parameter.data = drawn(*parameter.shape, seed=9) * 0.1
    return likelihood


@pytest.mark.parametrize("spec", [TABLE, IMAGE])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "theirs"), REAL)
def test_a_real_likelihood_is_torchs_density_around_the_output(kind, theirs, form, spec):
    likelihood = scaled(kind, form, spec)
    size = likelihood.outputs.size
    assert size == spec.size + {"per-example": 1, "per-value": spec.size}.get(form, 0)
    output, x = drawn(3, 5, size), drawn(5, *spec.shape, seed=1)
    # the code's own scale is the last output, the learned ones move ten times as fast; all are bounded below, softly
    raw = {
        "unit": torch.zeros(()).double(),
        "per-example": output[..., -1].reshape(3, 5, *[1] * len(spec.shape)),
        # where a learned one starts
        "per-value": output[..., spec.size :].reshape(3, 5, *spec.shape) - 1 if form == "per-value" else None,
    }.get(form)
    if raw is None:
        raw = likelihood.log_scale.detach()
    log_scale = raw if form == "unit" else torch.log(torch.exp(raw + 6) + 1) - 6
    loc = output[..., : spec.size].reshape(3, 5, *spec.shape)
    px = likelihood(output)
    assert (px.batch_shape, px.event_shape) == ((3, 5), spec.shape)
    truth = td.Independent(theirs(loc, log_scale.exp().expand_as(loc)), len(spec.shape))
    torch.testing.assert_close(px.log_prob(x), truth.log_prob(x), **EXACT)
    torch.testing.assert_close(px.mean, loc, **EXACT)
    torch.testing.assert_close(px.variance, truth.variance, **EXACT)
    assert likelihood.capabilities == ("density",)


def test_a_unit_gaussian_is_half_the_squared_error_and_a_constant():
    output, x = drawn(2, 5, 6), drawn(5, 6, seed=1)
    error = 0.5 * (x - output).square().sum(-1) + 3 * math.log(2 * math.pi)
    torch.testing.assert_close(-Gaussian(TABLE)(output).log_prob(x), error, **EXACT)


@pytest.mark.parametrize("form", ["shared", "per-dimension", "per-example", "per-value"])
@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_a_learned_scale_gets_a_gradient(kind, form):
    likelihood = scaled(kind, form)
    output = drawn(2, 5, likelihood.outputs.size).requires_grad_()
    likelihood(output).log_prob(drawn(5, 6, seed=1)).sum().backward()
    moved = output.grad[..., 6:] if form.startswith("per-") and form != "per-dimension" else likelihood.log_scale.grad
    assert (moved != 0).all()


def test_the_best_shared_variance_is_the_mean_squared_error():
    likelihood = Gaussian(TABLE, "shared", min_log_scale=-20.0).double()
    output, x = drawn(1, 50, 6), drawn(50, 6, seed=1)
    mse = (x - output[0]).square().mean()
    # Newton's method on the learned parameter alone
    for _ in range(30):
        loss = -likelihood(output).log_prob(x).mean()
        (slope,) = torch.autograd.grad(loss, likelihood.log_scale, create_graph=True)
        (curve,) = torch.autograd.grad(slope, likelihood.log_scale)
        likelihood.log_scale.data -= slope.detach() / curve
    px = likelihood(output)
    torch.testing.assert_close(px.variance.unique(), mse[None], **EXACT)
    nll = 3 * (math.log(2 * math.pi * mse.item()) + 1)
    assert -px.log_prob(x).mean().item() == pytest.approx(nll, abs=1e-10)


@pytest.mark.parametrize("form", ["shared", "per-dimension", "per-example", "per-value"])
@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_a_learned_scale_never_falls_below_its_bound(kind, form):
    likelihood = kind(TABLE, form, min_log_scale=-2.0)
    for parameter in likelihood.parameters():
        parameter.data.fill_(-100.0)
    scale = likelihood(torch.full((1, 1, likelihood.outputs.size), -100.0)).scale
    torch.testing.assert_close(scale, torch.full((1, 1, 6), math.exp(-2.0)))


def test_the_bound_leaves_a_scale_well_above_it_alone():
    likelihood = Gaussian(TABLE, "shared", min_log_scale=-20.0).double()
    assert likelihood(drawn(1, 1, 6)).scale.unique().item() == pytest.approx(math.exp(-1), abs=1e-8)


@pytest.mark.parametrize(("kind", "power"), [(Gaussian, 2), (Laplace, 1)])
def test_the_optimal_scale_is_the_batchs_own_in_training_and_gradients_flow_through_it(kind, power):
    likelihood = kind(TABLE, "optimal").double()
    output, x = drawn(3, 50, 6).requires_grad_(), drawn(50, 6, seed=1)
    spread = (x - output).abs().pow(power).mean()
    nll = 3 * (math.log(2 * math.pi) + spread.log() + 1) if power == 2 else 6 * ((2 * spread).log() + 1)
    loss = -likelihood(output).log_prob(x).mean()
    torch.testing.assert_close(loss, nll, **EXACT)
    (ours,), (truth,) = (torch.autograd.grad(value, output, retain_graph=True) for value in (loss, nll))
    torch.testing.assert_close(ours, truth, **EXACT)
    assert not list(likelihood.parameters())


def test_the_optimal_scale_is_a_moving_average_in_evaluation_that_is_saved_and_moved_by_training_alone():
    likelihood = Gaussian(TABLE, "optimal").double()
    output, x = drawn(1, 50, 6), drawn(50, 6, seed=1)
    assert likelihood.eval()(output).variance.unique().tolist() == [1.0]
    expected, mse = 0.0, (x - output[0]).square().mean()
    for batch in range(1, 16):
        likelihood.train()(output).log_prob(batch * x + (1 - batch) * output[0])
        expected += (batch**2 * mse - expected) * max(1 / batch, 0.1)
    with torch.no_grad():
        likelihood(output).log_prob(9 * x)
    likelihood.eval()(output).log_prob(9 * x)
    px = likelihood(output)
    torch.testing.assert_close(px.variance, expected.expand(1, 50, 6), **EXACT)
    truth = td.Independent(td.Normal(output, expected.sqrt()), 1).log_prob(x)
    torch.testing.assert_close(px.log_prob(x), truth, **EXACT)
    torch.testing.assert_close(likelihood(output[:, :7]).log_prob(x[:7]), truth[:, :7], **EXACT)
    again = Gaussian(TABLE, "optimal").double()
    again.load_state_dict(likelihood.state_dict())
    assert torch.equal(again.eval()(output).log_prob(x), px.log_prob(x))


@pytest.mark.parametrize("form", ["shared", "per-dimension", "per-example", "per-value", "optimal"])
@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_data_that_is_decoded_exactly_has_a_finite_density_and_no_gradient_that_is_not(kind, form):
    likelihood = kind(TABLE, form, min_log_scale=-4.0)
    output = torch.zeros(2, 5, likelihood.outputs.size, requires_grad=True)
    optimizer = torch.optim.Adam([output, *likelihood.parameters()], lr=1.0)
    for _ in range(100):
        loss = -likelihood(output).log_prob(torch.ones(5, 6)).mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad.isfinite().all() for p in (output, *likelihood.parameters()))
        optimizer.step()
    with torch.no_grad():
        output[..., :6] = 1.0
        output[..., 6:] = -100.0
    most = 6 * (4 - 0.5 * math.log(2 * math.pi) if kind is Gaussian else 4 - math.log(2))
    px = likelihood(output)
    assert px.log_prob(torch.ones(5, 6)).max().item() <= most + 1e-4
    assert px.log_prob(torch.ones(5, 6)).isfinite().all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "theirs"), REAL)
def test_a_sigmoid_keeps_the_mean_between_0_and_1(kind, theirs, form):
    likelihood, plain = (scaled(kind, form, IMAGE, mean=mean) for mean in ("sigmoid", "linear"))
    output, x = drawn(3, 5, likelihood.outputs.size), drawn(5, *IMAGE.shape, seed=1).sigmoid()
    px = likelihood(output)
    loc = output[..., : IMAGE.size].sigmoid().reshape(3, 5, *IMAGE.shape)
    torch.testing.assert_close(px.mean, loc, **EXACT)
    truth = td.Independent(theirs(loc, plain(output).scale), 3)
    torch.testing.assert_close(px.log_prob(x), truth.log_prob(x), **EXACT)


@pytest.mark.parametrize("spec", [BITS, IMAGE])
def test_bernoulli_is_the_cross_entropy_of_the_logits(spec):
    likelihood = Bernoulli(spec)
    assert likelihood.outputs == Outputs(spec.shape)
    output = drawn(3, 5, spec.size)
    px = likelihood(output)
    logits = output.reshape(3, 5, *spec.shape)
    x = (drawn(5, *spec.shape, seed=1) > 0).double()
    truth = td.Independent(td.Bernoulli(logits=logits), len(spec.shape))
    torch.testing.assert_close(px.log_prob(x), truth.log_prob(x), **EXACT)
    torch.testing.assert_close(px.mean, logits.sigmoid(), **EXACT)


def test_only_bits_give_bernoulli_a_mass():
    assert Bernoulli(BITS).capabilities == ("mass",)
    assert Bernoulli(IMAGE).capabilities == ()


@pytest.mark.parametrize("logit", [-8.0, -1.0, -1e-4, 0.0, 0.3, 5.0])
def test_the_continuous_bernoulli_integrates_to_one_and_its_mean_is_right(logit):
    likelihood = ContinuousBernoulli(DataSpec(shape=(1,), low=0.0, high=1.0, scaling="none"))
    px = likelihood(torch.full((1, 1, 1), logit, dtype=torch.float64))
    grid = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    density = px.log_prob(grid[:, None, None, None]).exp().flatten()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1, abs=1e-6)
    assert px.mean.item() == pytest.approx(torch.trapezoid(grid * density, grid).item(), abs=1e-6)
    assert density[-1].log() - density[0].log() == pytest.approx(logit, abs=1e-6)


def test_the_continuous_bernoulli_keeps_the_shape_of_images():
    px = ContinuousBernoulli(IMAGE)(drawn(3, 5, 24))
    assert (px.batch_shape, px.event_shape) == ((3, 5), (2, 3, 4))
    assert px.log_prob(drawn(5, 2, 3, 4).sigmoid()).shape == (3, 5)


def test_a_categorical_has_a_softmax_for_each_value_in_the_units_of_the_data():
    likelihood = Categorical(GREY)
    assert likelihood.outputs.size == 17 * 6
    output = drawn(2, 5, 102)
    px = likelihood(output)
    assert (px.batch_shape, px.event_shape) == ((2, 5), (1, 2, 3))
    x = torch.randint(0, 17, (5, 1, 2, 3), generator=torch.Generator().manual_seed(1))
    logits = output.reshape(2, 5, 17, 6).log_softmax(2)
    truth = sum(logits[:, range(5), x.reshape(5, 6)[:, i], i] for i in range(6))
    torch.testing.assert_close(px.log_prob(x.double()), truth, **EXACT)
    wanted = (logits.exp() * torch.arange(17).double()[:, None]).sum(2).reshape(2, 5, 1, 2, 3)
    torch.testing.assert_close(px.mean, wanted, **EXACT)
    torch.manual_seed(0)
    draw = px.sample()
    assert draw.shape == (2, 5, 1, 2, 3)
    assert set(draw.unique().tolist()) <= set(range(17))


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        (Bernoulli, TABLE, "Bernoulli needs data in .0, 1., and this data is not bounded: use --preprocess minmax"),
        (ContinuousBernoulli, GREY, "this data is between 0 and 16"),
        (Bernoulli, DataSpec(shape=(2,), low=-1.0, high=1.0), "between -1 and 1.*--likelihood gaussian"),
        (Categorical, TABLE, "levels and range are known.*use --likelihood gaussian"),
        (Categorical, IMAGE, "levels and range are known"),
    ],
)
def test_data_that_a_likelihood_cannot_model_is_refused(kind, spec, message):
    with pytest.raises(CompositionError, match=message) as caught:
        kind(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_a_mean_between_0_and_1_is_refused_for_data_beyond(kind):
    message = f"{kind.__name__} with mean=sigmoid needs data in .0, 1., .* use --preprocess minmax, or mean=linear"
    for spec in (TABLE, GREY):
        with pytest.raises(CompositionError, match=message) as caught:
            kind(spec, mean="sigmoid")
        assert "\n" not in str(caught.value)


def test_likelihoods_are_built_from_text():
    likelihood = build_part("likelihood", "gaussian=per-example,min_log_scale=-3,mean=sigmoid", spec=BITS)
    assert (likelihood.form, likelihood.min_log_scale, likelihood.mean) == ("per-example", -3, "sigmoid")
    assert build_part("likelihood", "laplace=optimal", spec=TABLE).form == "optimal"
    with pytest.raises(UsageError, match=r"likelihood 'gaussian': scale: .*'per-dimension'"):
        build_part("likelihood", "gaussian=huge", spec=TABLE)
    with pytest.raises(UsageError, match="likelihood 'bernoulli' takes no value"):
        build_part("likelihood", Choice(name="bernoulli", value=2), spec=BITS)


@pytest.mark.parametrize("likelihood", [Gaussian(IMAGE, "per-example"), Categorical(GREY), Bernoulli(BITS)])
def test_a_decoder_gives_every_draw_and_row_its_distribution(likelihood):
    network = torch.nn.Linear(4, likelihood.outputs.size)
    z = torch.randn(3, 5, 4)
    px = Decoder(network, likelihood)(z)
    assert px.batch_shape == (3, 5)
    torch.testing.assert_close(px.mean[1, 2], likelihood(network(z[1, 2])[None, None]).mean[0, 0])


def test_a_decoder_of_the_wrong_size_names_both_sizes():
    with pytest.raises(CompositionError, match=r"gives 5 values a row.*Gaussian needs 7 for data of shape \(6,\)"):
        Decoder(torch.nn.Linear(4, 5), Gaussian(TABLE, "per-example"))(torch.randn(1, 2, 4))
