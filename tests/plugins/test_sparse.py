"""Sparse penalties and the TopK code, against closed forms and torch.distributions."""

import pytest
import torch
from torch import distributions as td
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.training import build_model
from aezoo_sparse.penalties import L1, FiringRate
from aezoo_sparse.topk import TopK

EXACT = {"rtol": 1e-10, "atol": 1e-10}
SPEC = DataSpec(shape=(6,), scaling="none")


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_l1_is_the_codes_absolute_sum_for_codes_of_any_shape():
    z = drawn(3, 5, 2, 4)
    torch.testing.assert_close(L1()(z), z.abs().sum(3).sum(2), **EXACT)


@pytest.mark.parametrize("name", ["sparse", "sparse-l1"])
def test_the_sparse_model_pays_for_its_rectified_code(name):
    torch.manual_seed(0)
    model = build_model(name, {"latent_dim": 8, "l1": 0.3}, SPEC).double()
    x = drawn(7, 6)
    layer = model.encoder.network[1]
    code = (x @ layer.weight.T + layer.bias).clamp(min=0)
    torch.testing.assert_close(model.encode(x), code.detach(), **EXACT)
    outcome = model.step(x)
    torch.testing.assert_close(outcome.terms["l1"], code.sum(1).mean(), **EXACT)
    torch.testing.assert_close(outcome.loss, outcome.terms["reconstruction"] + 0.3 * outcome.terms["l1"], **EXACT)


@pytest.mark.parametrize(("hidden", "tied"), [((), False), ((9,), False)])
def test_atoms_are_of_unit_length_after_each_step_and_keep_their_directions(hidden, tied):
    torch.manual_seed(0)
    model = build_model("sparse", {"latent_dim": 8, "hidden": hidden}, SPEC)
    atoms = model.decoder.network[0].weight
    before = atoms.detach().clone()
    assert atoms.shape == (9 if hidden else 6, 8)
    assert model.after_step(model.step(torch.randn(7, 6)).values, 0) == []
    torch.testing.assert_close(atoms.norm(dim=0), torch.ones(8))
    torch.testing.assert_close(atoms, before / before.norm(dim=0))
    assert atoms.requires_grad


def test_a_dead_atom_stays_finite():
    model = build_model("sparse", {"latent_dim": 8}, SPEC)
    model.decoder.network[0].weight.data[:, 3] = 0
    model.after_step(model.step(torch.randn(7, 6)).values, 0)
    assert model.decoder.network[0].weight.isfinite().all()


@pytest.mark.parametrize(
    ("model", "options"), [("sparse", {"unit_norm": False}), ("undercomplete", {"regularizers": "l1=0.1"})]
)
def test_atoms_are_left_alone_unless_asked(model, options):
    built = build_model(model, {"latent_dim": 8, **options}, SPEC)
    before = built.decoder.network[0].weight.clone()
    built.after_step(built.step(torch.randn(7, 6)).values, 0)
    assert torch.equal(built.decoder.network[0].weight, before)


def test_unit_atoms_of_tied_weights_are_refused():
    with pytest.raises(CompositionError, match="leave tied weights out, or set unit_norm=false"):
        build_model("sparse", {"network": "mlp,tied=true"}, SPEC)
    build_model("sparse", {"network": "mlp,tied=true", "unit_norm": False}, SPEC)


# ---------------------------------------------------------------- firing rates


@pytest.mark.parametrize("rate", [0.05, 0.5])
@pytest.mark.parametrize("draws", [1, 3])
def test_the_firing_rate_penalty_is_torchs_divergence_of_the_mean_activation(rate, draws):
    z = drawn(draws, 50, 8).sigmoid()
    mean = z.mean((0, 1))
    truth = td.kl_divergence(td.Bernoulli(torch.full_like(mean, rate)), td.Bernoulli(mean)).sum()
    torch.testing.assert_close(FiringRate(rate)(z), truth, **EXACT)


def test_the_firing_rate_penalty_has_the_textbook_gradient():
    rate = 0.05
    z = drawn(1, 20, 4).sigmoid().requires_grad_()
    (got,) = torch.autograd.grad(FiringRate(rate)(z), z)
    mean = z.detach().mean((0, 1))
    truth = (-rate / mean + (1 - rate) / (1 - mean)) / 20
    torch.testing.assert_close(got, truth.expand(1, 20, 4), **EXACT)


def test_the_firing_rate_penalty_is_zero_with_a_zero_gradient_at_the_rate():
    z = torch.full((1, 10, 4), 0.2, dtype=torch.float64, requires_grad=True)
    value = FiringRate(0.2)(z)
    (gradient,) = torch.autograd.grad(value, z)
    torch.testing.assert_close(value, torch.zeros(()).double(), **EXACT)
    torch.testing.assert_close(gradient, torch.zeros_like(z), **EXACT)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_unit_that_is_off_or_on_for_a_whole_batch_costs_a_finite_amount(level):
    assert FiringRate()(torch.full((1, 10, 4), level)).isfinite()


def test_the_firing_rate_model_has_a_sigmoid_code_and_its_options_count():
    torch.manual_seed(0)
    model = build_model("sparse-kl", {"latent_dim": 8, "rate": 0.3, "sparsity": 0.7}, SPEC).double()
    x = drawn(20, 6)
    code = model.encode(x)
    torch.testing.assert_close(code, model.encoder.network(x).sigmoid().detach(), **EXACT)
    mean = code.mean(0)
    term = td.kl_divergence(td.Bernoulli(torch.full_like(mean, 0.3)), td.Bernoulli(mean)).sum()
    outcome = model.step(x)
    torch.testing.assert_close(outcome.terms["firing-rate"], term, **EXACT)
    torch.testing.assert_close(outcome.loss, outcome.terms["reconstruction"] + 0.7 * term, **EXACT)


@pytest.mark.parametrize(
    ("model", "options"),
    [("undercomplete", {}), ("undercomplete", {"code_activation": "tanh"}), ("vae", {}), ("topk", {"k": 2})],
)
def test_firing_rates_of_codes_that_are_no_rates_are_refused(model, options):
    with pytest.raises(CompositionError, match="codes between 0 and 1: set code_activation sigmoid"):
        build_model(model, {"latent_dim": 4, "regularizers": "firing-rate=0.1", **options}, SPEC)


# ---------------------------------------------------------------- TopK


@pytest.mark.parametrize("k", [1, 3, 8])
def test_topk_keeps_the_largest_positive_values_where_they_were(k):
    z = drawn(50, 8)
    kept = TopK(k)(z)
    assert ((kept != 0).sum(1) <= k).all()
    for before, after in zip(z.tolist(), kept.tolist(), strict=True):
        largest = sorted(before, reverse=True)[:k]
        assert after == [value if value in largest and value > 0 else 0.0 for value in before]


def test_topk_rectifies():
    assert (TopK(3)(-drawn(5, 8).abs()) == 0).all()


def test_dropped_units_get_no_gradient_and_kept_ones_all_of_it():
    z = drawn(50, 8).requires_grad_()
    kept = TopK(3)(z)
    weight = drawn(50, 8, seed=1)
    (gradient,) = torch.autograd.grad((kept * weight).sum(), z)
    torch.testing.assert_close(gradient, torch.where(kept > 0, weight, 0.0))


def test_topk_acts_on_the_last_axis_of_any_batch():
    z = drawn(2, 3, 8)
    torch.testing.assert_close(TopK(2)(z)[1, 2], TopK(2)(z[1, 2]))


def test_the_topk_model_has_codes_of_k_units():
    torch.manual_seed(0)
    model = build_model("topk", {"latent_dim": 16, "k": 3}, SPEC)
    code = model.encode(torch.randn(50, 6))
    assert code.shape == (50, 16)
    assert (code != 0).sum(1).max() == 3
    assert isinstance(model.encoder.activation, TopK)
    assert list(model.regularizers) == ["aux-k"]


@pytest.mark.parametrize(("model", "options"), [("topk", {"k": 9}), ("undercomplete", {"code_activation": "topk=9"})])
def test_keeping_more_units_than_there_are_is_refused_when_the_model_is_built(model, options):
    with pytest.raises(CompositionError, match="topk keeps k=9 of a code of 8: lower k or raise latent_dim"):
        build_model(model, {"latent_dim": 8, **options}, SPEC)


def test_topk_is_an_activation_of_hidden_layers_too():
    model = build_model("undercomplete", {"hidden": (12,), "activation": "topk=2", "latent_dim": 3}, SPEC)
    hidden = model.encoder.network[2]
    assert isinstance(hidden, TopK)
    assert hidden.k == 2
    assert isinstance(model.decoder.network[0], nn.Linear)
