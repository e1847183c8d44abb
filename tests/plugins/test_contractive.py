"""The contractive penalty against the Jacobian that torch computes, and closed forms."""

import math
import re

import pytest
import torch
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, UsageError
from aezoo.parts import Outputs, conv
from aezoo.training import build_model
from aezoo_contractive.jacobian import Contraction, _directions

EXACT = {"rtol": 1e-10, "atol": 1e-10}
SPEC = DataSpec(shape=(6,), scaling="none")
ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def truth(encode, x):
    """The squared norm of each row's Jacobian, by torch's reverse mode, one row at a time."""
    rows = []
    for row in x:
        jacobian = torch.autograd.functional.jacobian(lambda r: encode(r[None])[0], row, create_graph=True)
        rows.append(jacobian.square().sum())
    return torch.stack(rows)


def contractive(hidden=(), activation="sigmoid", spec=SPEC, **options):
    torch.manual_seed(1)
    values = {"latent_dim": 4, "hidden": hidden, "code_activation": activation, **options}
    if hidden:
        values["activation"] = activation
    return build_model("contractive", values, spec).double()


def same_value_and_gradient(penalty, encode, x, parameters):
    got, wanted = penalty(x, encode), truth(encode, x)
    assert got.shape == (len(x),)
    torch.testing.assert_close(got, wanted, **EXACT)
    # a bias that only shifts has no effect on a Jacobian, and then no gradient either
    torch.autograd.backward(got.sum(), inputs=parameters)
    grads = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]
    for a, b in zip(grads, torch.autograd.grad(wanted.sum(), parameters, allow_unused=True), strict=True):
        torch.testing.assert_close(a, torch.zeros_like(a) if b is None else b, **EXACT)
    assert any(g.abs().sum() > 0 for g in grads)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("hidden", [(), (7,), (8, 5)])
def test_the_penalty_and_its_gradient_are_those_of_the_jacobian(hidden, activation):
    model = contractive(hidden, activation)
    same_value_and_gradient(Contraction("exact"), model.code, drawn(5, 6), list(model.encoder.parameters()))


def test_the_penalty_of_a_convolution_is_that_of_its_jacobian():
    spec = DataSpec(shape=(2, 5, 7), scaling="none")
    up, _ = conv(spec, (4,), 4, Outputs((2, 5, 7)), (3, 4), nn.Tanh)
    up = up.double()
    same_value_and_gradient(Contraction("exact"), up, drawn(3, 2, 5, 7), list(up.parameters()))


@pytest.mark.parametrize("activation", ["topk=2", "softplus"])
def test_the_penalty_follows_any_activation_of_the_code(activation):
    model = contractive(activation=activation)
    same_value_and_gradient(Contraction("exact"), model.code, drawn(5, 6), list(model.encoder.parameters()))


@pytest.mark.parametrize(
    ("activation", "slope"),
    [
        ("sigmoid", lambda h: h * (1 - h)),
        ("tanh", lambda h: 1 - h**2),
        ("identity", torch.ones_like),
        ("relu", lambda h: (h > 0).double()),
    ],
)
def test_one_layer_has_the_closed_form_of_the_paper(activation, slope):
    model, x = contractive(activation=activation), drawn(5, 6)
    w = model.encoder.network[1].weight
    closed = (slope(model.code(x)) ** 2 * (w**2).sum(1)).sum(1)
    torch.testing.assert_close(Contraction("exact")(x, model.code), closed, **EXACT)


def test_the_models_term_is_the_penalty_at_the_clean_input_whatever_the_corruption():
    model = contractive((7,), corruption="masking=0.5")
    x = drawn(5, 6)
    torch.testing.assert_close(model.train().step(x).terms["contraction"], truth(model.code, x).mean(), **EXACT)
    torch.testing.assert_close(model.eval().step(x).terms["contraction"], truth(model.code, x).mean(), **EXACT)


def test_the_weight_of_the_penalty_is_the_models_option():
    x = drawn(5, 6)
    for weight, step, wanted in ((0.5, 0, 0.5), ("linear:0:2:10", 5, 1.0)):
        outcome = contractive(contraction=weight).step(x, step)
        total = outcome.terms["reconstruction"] + wanted * outcome.terms["contraction"]
        torch.testing.assert_close(outcome.loss, total, **EXACT)


# ---------------------------------------------------------------- by random projections


@pytest.mark.parametrize("projections", [4, 5, 100])
def test_as_many_projections_as_the_code_has_values_are_exact(projections):
    model, x = contractive((7,)), drawn(5, 6)
    torch.testing.assert_close(Contraction(projections)(x, model.code), truth(model.code, x), **EXACT)


@pytest.mark.parametrize("projections", [1, 2, 3])
def test_projections_are_unbiased_row_by_row(projections):
    model, x = contractive((7,)), drawn(4, 6)
    torch.manual_seed(0)
    penalty, n = Contraction(projections), 250
    with torch.no_grad():
        draws = torch.stack([penalty(x, model.code) for _ in range(n)])
    error = 4 * draws.std(0) / math.sqrt(n)
    assert (error > 0).all()
    assert ((draws.mean(0) - truth(model.code, x).detach()).abs() < error).all()


def test_more_projections_vary_less_and_rows_have_directions_of_their_own():
    model, x = contractive((7,)), drawn(1, 6).expand(500, 6)
    torch.manual_seed(0)
    with torch.no_grad():
        spread = [Contraction(p)(x, model.code).std() for p in (1, 3)]
    assert spread[0] > spread[1] > 0


def test_the_gradient_of_projections_is_unbiased():
    model, x = contractive(), drawn(3, 6)
    weight = model.encoder.network[1].weight
    (wanted,) = torch.autograd.grad(truth(model.code, x).sum(), weight)
    torch.manual_seed(0)
    penalty, n = Contraction(2), 200
    draws = torch.stack([torch.autograd.grad(penalty(x, model.code).sum(), weight)[0] for _ in range(n)])
    assert ((draws.mean(0) - wanted).abs() < 4.5 * draws.std(0) / math.sqrt(n) + 1e-12).all()


def test_projections_reach_the_model_through_its_options():
    model = contractive(projections=2)
    assert model.regularizers["contraction"].projections == 2
    torch.manual_seed(0)
    x = drawn(5, 6)
    assert model.step(x).terms["contraction"] != model.step(x).terms["contraction"]
    with pytest.raises(UsageError, match=r"projections: .*greater than or equal to 1"):
        contractive(projections=0)


# ---------------------------------------------------------------- where it can be used


def test_the_penalty_works_without_gradients_and_leaves_no_graph():
    model, x = contractive((7,)), drawn(5, 6)
    with torch.no_grad():
        value = Contraction("exact")(x, model.code)
        assert not torch.is_grad_enabled()
    assert not value.requires_grad
    torch.testing.assert_close(value, truth(model.code, x).detach(), **EXACT)
    assert model.measure([x])["contraction"] == pytest.approx(truth(model.code, x).mean().item(), abs=1e-10)
    assert x.grad is None
    assert not x.requires_grad


@pytest.mark.parametrize(
    ("model", "options", "spec"),
    [
        ("contractive", {"network": "mlp,norm=batch", "hidden": (7,)}, SPEC),
        ("contractive", {"network": "conv,norm=batch", "hidden": (3,)}, DataSpec(shape=(1, 4, 4))),
        ("undercomplete", {"network": "mlp,norm=batch", "regularizers": "contraction=0.1"}, SPEC),
    ],
)
def test_batch_normalisation_is_refused(model, options, spec):
    with pytest.raises(CompositionError, match="batch normalisation mixes rows: use norm=layer or none"):
        build_model(model, options, spec)


def test_layer_normalisation_is_not():
    model = contractive((7,), network="mlp,norm=layer")
    same_value_and_gradient(Contraction("exact"), model.code, drawn(5, 6), list(model.encoder.parameters()))


@pytest.mark.parametrize("model", ["undercomplete", "vae", "sparse-kl"])
def test_any_model_takes_the_penalty(model):
    torch.manual_seed(0)
    built = build_model(model, {"latent_dim": 3, "regularizers": "contraction=0.5,projections=1"}, SPEC)
    outcome = built.step(torch.randn(5, 6))
    outcome.loss.backward()
    assert outcome.terms["contraction"] > 0
    assert built.regularizers["contraction"].projections == 1


# ---------------------------------------------------------------- what is chosen, and said


@pytest.mark.parametrize(
    ("options", "shape", "said"),
    [
        ({}, (1, 8, 8), r"^exact, by products of the layers$"),
        ({"hidden": ()}, (784,), r"^exact, in closed form$"),
        (
            {"hidden": (256,), "code_activation": "identity"},
            (784,),
            r"^exact, through the Gram matrices of the first lay",
        ),
        (
            {"hidden": (512,), "latent_dim": 32},
            (784,),
            r"^estimated from 1 random projection of 32: the exact norm takes",
        ),
        (
            {"hidden": (512,), "latent_dim": 32, "projections": 4},
            (784,),
            r"^estimated from 4 random projections of 32$",
        ),
        (
            {"hidden": (512,), "latent_dim": 32, "projections": "exact"},
            (784,),
            r"^exact, through the Gram matrix of the f",
        ),
        ({"projections": 32}, (784,), r"^exact, through the Gram matrix of the first layer$"),
        (
            {"network": "conv", "hidden": (4,)},
            (1, 8, 8),
            r"^estimated from 1 random projection: the exact norm takes a ba",
        ),
        (
            {"network": "conv", "hidden": (4,), "projections": "exact"},
            (1, 8, 8),
            r"^exact, by a backward pass for each va",
        ),
    ],
)
def test_auto_is_exact_where_that_costs_little_and_what_is_chosen_is_said(options, shape, said):
    torch.manual_seed(0)
    model = build_model("contractive", options, DataSpec(shape=shape, low=0, high=1, scaling="none"))
    penalty, x = model.regularizers["contraction"], torch.rand(6, *shape)
    remark = penalty.how(model.encoder, (128, *shape))
    assert re.search(said, remark)
    # what was asked for, or is exact, is no news
    unasked = remark.startswith("estimated") and "projections" not in options
    assert penalty.remark(model.encoder, (128, *shape)) == (remark if unasked else "")
    with torch.no_grad():
        first, second = penalty(x, model.code), penalty(x, model.code)
    assert torch.equal(first, second) == remark.startswith("exact")
    if remark.startswith("exact"):
        torch.testing.assert_close(first, truth(model.code, x).detach(), rtol=1e-4, atol=1e-6)


def test_a_run_tells_its_user_where_the_norm_is_estimated():
    from aezoo import train

    run = train("contractive", "digits", epochs=1, network="conv", hidden=(4,))
    assert any(note.startswith("contraction: estimated from 1 random projection") for note in run.notes)
    assert not any("contraction" in note for note in train("contractive", "digits", epochs=1).notes)


def test_projections_are_a_number_or_a_word():
    assert contractive().regularizers["contraction"].projections == "auto"
    # as a run's config says that was written before there were words
    assert contractive(projections=None).regularizers["contraction"].projections == "exact"
    assert "projections=exact" in repr(contractive(projections="exact"))
    with pytest.raises(UsageError, match=r"projections: this is a whole number, or one of the words auto and exact"):
        contractive(projections="all")
    for wrong in (0, -1, 1.5, "all", None):
        with pytest.raises(UsageError, match="projections must be a whole number of at least 1"):
            Contraction(wrong)


# ---------------------------------------------------------------- the directions


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 16, 33])
def test_directions_are_orthogonal_and_weigh_all_values_of_the_code_alike(size):
    torch.manual_seed(size)
    for count in range(1, size + 1):
        drawn_now = _directions(5, size, count, torch.zeros((), dtype=torch.float64))
        assert drawn_now.shape == (count, 5, size)
        for row in drawn_now.unbind(1):
            eye = torch.eye(count, dtype=torch.float64)
            torch.testing.assert_close(row @ row.T, size / count * eye, **EXACT)
            torch.testing.assert_close(row.square().sum(0), torch.ones(size, dtype=torch.float64), **EXACT)
        assert count == size or not torch.equal(drawn_now[:, 0], drawn_now[:, 1]) or size < 3


@pytest.mark.parametrize("projections", [1, 2, 3])
def test_projections_leave_only_products_of_different_values_to_chance(projections):
    """Rows of the Jacobian that are orthogonal have none, and every draw is exact."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 4)).double()
    nn.init.orthogonal_(network[1].weight)
    with torch.no_grad():
        network[1].weight *= torch.tensor([[0.1], [1.0], [2.0], [5.0]])
    x = drawn(5, 6)
    torch.testing.assert_close(Contraction(projections)(x, network), truth(network, x), **EXACT)


@pytest.mark.parametrize("projections", [1, 3])
def test_convolutions_are_estimated_without_bias(projections):
    spec = DataSpec(shape=(1, 4, 4), scaling="none")
    up, _ = conv(spec, (4,), 4, Outputs((1, 4, 4)), (3,), nn.Tanh)
    up, x, n = up.double(), drawn(3, 1, 4, 4), 200
    torch.manual_seed(0)
    penalty, weight = Contraction(projections), up[0].weight
    wanted = truth(up, x)
    values, slopes = [], []
    for _ in range(n):
        value = penalty(x, up)
        values.append(value.detach())
        slopes.append(torch.autograd.grad(value.sum(), weight)[0])
    for found, exact in ((values, wanted.detach()), (slopes, torch.autograd.grad(wanted.sum(), weight)[0])):
        draws = torch.stack(found)
        assert ((draws.mean(0) - exact).abs() < 4.5 * draws.std(0) / math.sqrt(n) + 1e-12).all()
    assert torch.stack(values).std(0).min() > 0
