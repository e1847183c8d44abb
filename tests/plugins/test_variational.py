"""The variational family and the linear model: what they are composed of."""

import pytest
import torch

import aezoo
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, UsageError
from aezoo.parts import KL, GaussianEncoder, LaplacePrior, MixtureOfGaussians, StandardNormal
from aezoo.training import build_model

SPEC = DataSpec(shape=(6,), scaling="none")
BITS = DataSpec(shape=(6,), low=0.0, high=1.0, levels=2, scaling="none")


def made(name, spec=SPEC, **options):
    torch.manual_seed(0)
    return build_model(name, {"latent_dim": 3, "hidden": (8,), **options}, spec)


@pytest.mark.parametrize(
    ("name", "options", "draws", "bound", "estimator", "weight"),
    [
        ("vae", {}, 1, "mean", "auto", 1.0),
        ("vae", {"draws": 7, "estimator": "sampled"}, 7, "mean", "sampled", 1.0),
        ("beta-vae", {}, 1, "mean", "auto", 4.0),
        ("beta-vae", {"beta": 0.5, "draws": 2}, 2, "mean", "auto", 0.5),
        ("iwae", {}, 5, "importance", "sampled", 1.0),
        ("iwae", {"draws": 50}, 50, "importance", "sampled", 1.0),
    ],
)
def test_the_family_is_composed_as_its_papers_say(name, options, draws, bound, estimator, weight):
    model = made(name, **options)
    assert isinstance(model.encoder, GaussianEncoder)
    assert isinstance(model.prior, StandardNormal)
    assert (model.draws, model.bound) == (draws, bound)
    assert model.weight("kl", None) == weight
    kl = model.regularizers["kl"]
    assert isinstance(kl, KL)
    assert kl.estimator == estimator
    assert model.encode(torch.randn(4, 6)).shape == (4, 3)


def test_beta_weighs_the_divergence():
    x = torch.randn(9, 6)
    for beta in (0.0, 1.0, 4.0):
        model = made("beta-vae", beta=beta)
        torch.manual_seed(1)
        outcome = model.step(x)
        torch.testing.assert_close(outcome.loss, outcome.terms["reconstruction"] + beta * outcome.terms["kl"])


def test_a_schedule_of_beta_is_read_at_the_step():
    model, x = made("beta-vae", beta="linear:0:2:100"), torch.randn(9, 6)
    for step, beta in ((0, 0.0), (25, 0.5), (100, 2.0), (10_000, 2.0)):
        torch.manual_seed(1)
        outcome = model.step(x, step)
        torch.testing.assert_close(outcome.loss, outcome.terms["reconstruction"] + beta * outcome.terms["kl"])


@pytest.mark.parametrize(
    ("text", "kind"), [("normal", StandardNormal), ("laplace=2", LaplacePrior), ("mixture=3", MixtureOfGaussians)]
)
@pytest.mark.parametrize("name", ["vae", "beta-vae", "iwae"])
def test_every_model_of_the_family_takes_every_prior(name, text, kind):
    model = made(name, prior=text)
    assert isinstance(model.prior, kind)
    assert model.sample(4).shape == (4, 6)
    model.step(torch.randn(5, 6)).loss.backward()
    assert all(p.grad is not None for p in model.prior.parameters())


@pytest.mark.parametrize(("likelihood", "last"), [("bernoulli", "mass"), ("gaussian", "density")])
def test_the_bound_is_on_a_mass_or_a_density(likelihood, last):
    assert made("vae", BITS, likelihood=likelihood).capabilities == ("stochastic", "samples", "bound", last)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("vae", {"prior": "mixture", "estimator": "analytic"}, CompositionError, "use estimator=sampled"),
        ("vae", {"estimator": "guess"}, UsageError, "model 'vae': estimator: .*'analytic'"),
        ("vae", {"draws": 0}, UsageError, "model 'vae': draws: .*greater than or equal to 1"),
        ("vae", {"draws": "5"}, UsageError, "draws: .*valid integer"),
        ("iwae", {"estimator": "sampled"}, UsageError, "model 'iwae' has no option 'estimator'"),
        ("iwae", {"regularizers": "contraction=0.1"}, CompositionError, "'contraction' has no draw axis"),
        ("vae", {"likelihood": "bernoulli"}, CompositionError, "Bernoulli needs data in .0, 1."),
        ("vae", {"network": "mlp,tied=true"}, CompositionError, "gives 6 values for 3: use network mlp without tied"),
        ("vae", {"code_activation": "relu"}, UsageError, "model 'vae' has no option 'code_activation'"),
        ("undercomplete", {"regularizers": "kl"}, CompositionError, "prior"),
    ],
)
def test_wrong_combinations_say_what_to_do(name, options, error, message):
    with pytest.raises(error, match=message) as caught:
        made(name, **options)
    assert "\n" not in str(caught.value)


def test_an_importance_weighted_model_takes_penalties_with_a_draw_axis():
    model = made("iwae", regularizers="l1=0.1")
    model.step(torch.randn(5, 6)).loss.backward()
    assert list(model.regularizers) == ["kl", "l1"]


# ---------------------------------------------------------------- undercomplete and linear


@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
def test_the_linear_model_is_linear(hidden):
    model = made("linear", hidden=hidden).double()
    x, y = torch.randn(2, 4, 6, dtype=torch.float64)
    for call in (model.encode, model.reconstruct):
        torch.testing.assert_close(call(0.3 * x + 0.7 * y), 0.3 * call(x) + 0.7 * call(y))


def test_the_linear_model_refuses_an_activation():
    with pytest.raises(UsageError, match="a linear model has no activation relu: use model undercomplete"):
        made("linear", activation="relu")


def test_the_undercomplete_model_has_no_penalty_and_any_code():
    model = made("undercomplete", code_activation="tanh")
    x = torch.randn(5, 6)
    assert list(model.step(x).terms) == ["reconstruction"]
    torch.testing.assert_close(model.encode(x), model.encoder.network(x).tanh().detach())


@pytest.mark.parametrize("name", ["vae", "beta-vae", "iwae"])
@pytest.mark.parametrize(("length", "steps"), [(0.5, 6), (1, 12), (4, 4), (50, 6), (0, 0)])
def test_the_divergence_gains_weight_over_a_share_of_the_steps_or_so_many(name, length, steps):
    splits = aezoo.Dataset(torch.randn(48, 6), spec=SPEC).split(validation=0)
    model = made(name, kl_warmup=length)
    trainer = aezoo.Trainer(model, splits, aezoo.TrainConfig(epochs=3, batch_size=12, device="cpu"))
    end = 4.0 if name == "beta-vae" else 1.0
    found = [model.weight("kl", step) for step in range(12)]
    assert found == pytest.approx([end * min(1.0, step / steps) if steps else end for step in range(12)])
    # what is measured is the bound itself
    x = torch.randn(9, 6)
    terms = model.measure([x])
    if name != "iwae":
        assert terms["loss"] == pytest.approx(terms["reconstruction"] + end * terms["kl"], rel=1e-6)
    assert trainer.fit()[-1]["step"] == 12


def test_a_schedule_of_beta_takes_the_place_of_the_warm_up():
    model = made("beta-vae", beta="linear:2:3:10", kl_warmup=0.5)
    assert [model.weight("kl", step) for step in (0, 5, 10)] == pytest.approx([2, 2.5, 3])


def test_a_warm_up_of_part_of_a_step_is_refused():
    with pytest.raises(UsageError, match="whole number of steps"):
        made("vae", kl_warmup=2.5)


@pytest.mark.parametrize("prior", ["normal", "laplace"])
def test_free_bits_are_a_floor_for_each_dimensions_mean_over_the_batch(prior):
    model, x = made("vae", free_bits=0.2, prior=prior, kl_warmup=0), torch.randn(50, 6)
    q = model.encoder(x)
    if prior == "normal":
        each = 0.5 * (q.loc.square() + q.scale.square() - 1) - q.scale.log()
    else:
        draws = q.rsample((40_000,))
        ours = torch.distributions.Normal(q.loc, q.scale).log_prob(draws)
        each = (ours - torch.distributions.Laplace(torch.zeros(3), 1.0).log_prob(draws)).mean(0)
    truth = each.mean(0).clamp_min(0.2).sum()
    assert (each.mean(0) < 0.2).any()
    found = model.train().step(x).terms["kl"]
    torch.testing.assert_close(found, truth, rtol=1e-5 if prior == "normal" else 0.02, atol=0)
    torch.testing.assert_close(model.eval().step(x).terms["kl"], each.sum(1).mean(), rtol=0.02, atol=0)


def test_dimensions_below_the_floor_get_no_gradient_and_those_above_all_of_it():
    model, x = made("vae", free_bits=50.0), torch.randn(50, 6)
    model.train().step(x).terms["kl"].backward()
    assert not any(p.grad is not None and p.grad.any() for p in model.encoder.parameters())
    free, plain = (made("vae", free_bits=bits).train().step(100 * x).terms["kl"] for bits in (1e-6, 0.0))
    torch.testing.assert_close(free, plain, rtol=1e-4, atol=0)


def test_free_bits_of_a_prior_whose_dimensions_depend_on_each_other_are_refused():
    with pytest.raises(CompositionError, match="dimension by dimension"):
        made("vae", free_bits=0.1, prior="mixture")


def test_a_code_of_a_swiss_roll_does_not_collapse():
    """Two principal components leave 0.97; without a warm-up the error was 2.19, and the divergence 0.21."""
    results = aezoo.train("vae", "swiss-roll,rows=3000", latent_dim=2).results
    assert results["squared_error"] < 0.97
    assert results["penalty_kl"] > 1.5
