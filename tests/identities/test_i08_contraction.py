"""I8: the contractive penalty of one layer, h = a(W·x + b), in closed form.

    ‖∂h/∂x‖²_F = Σ_j a'(u_j)²·‖W_j‖²      sigmoid  Σ_j (h_j·(1 − h_j))²·‖W_j‖²
                                           tanh     Σ_j (1 − h_j²)²·‖W_j‖²
                                           linear   ‖W‖²_F

Rifai et al. 2011, "Contractive auto-encoders: explicit invariance during feature extraction".

Held to 1e-10 in float64, the penalty and its gradient, against the formula and against torch's own Jacobian.
"""

import pytest
import torch
from torch import nn

from aezoo import Autoencoder
from aezoo.core.spec import DataSpec
from aezoo.parts import Bernoulli, Decoder, PointEncoder, Weighted, mlp
from aezoo.training import build_model
from aezoo_contractive.jacobian import Contraction

EXACT = {"rtol": 1e-10, "atol": 1e-10}
TABLE = DataSpec(shape=(6,), scaling="none")
IMAGES = DataSpec(shape=(1, 3, 4), low=0.0, high=1.0, scaling="none")
# a' as a function of h = a(u)
SLOPES = {
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h**2,
    "identity": lambda h: torch.ones_like(h),
}


def one_layer(activation, spec=TABLE, **options):
    torch.manual_seed(2)
    values = {"latent_dim": 5, "hidden": (), "code_activation": activation, **options}
    return build_model("contractive", values, spec).double()


def rows(spec, n=4):
    # of about the size of the weights' inverse, so that no activation is saturated or nearly linear
    return 2 * torch.rand(n, *spec.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def formula(model, x, activation):
    w = model.encoder.network[1].weight
    return (SLOPES[activation](model.code(x)) ** 2 * (w**2).sum(1)).sum(1)


def jacobian_norm(encode, x):
    jacobians = [
        torch.autograd.functional.jacobian(lambda row: encode(row[None])[0], row, create_graph=True) for row in x
    ]
    return torch.stack([(j**2).sum() for j in jacobians])


def gradients(penalty, model):
    """Of the mean over rows, for W and b; a penalty that b has no part in has the gradient 0."""
    layer = model.encoder.network[1]
    found = torch.autograd.grad(penalty.mean(), [layer.weight, layer.bias], allow_unused=True, retain_graph=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip((layer.weight, layer.bias), found, strict=True)]


def same(penalty, wanted, model):
    torch.testing.assert_close(penalty, wanted, **EXACT)
    for got, truth in zip(gradients(penalty, model), gradients(wanted, model), strict=True):
        torch.testing.assert_close(got, truth, **EXACT)


@pytest.mark.parametrize("spec", [TABLE, IMAGES], ids=["table", "images"])
@pytest.mark.parametrize("activation", SLOPES)
def test_the_penalty_and_its_gradient_are_those_of_the_formula_and_of_the_jacobian(activation, spec):
    model, x = one_layer(activation, spec), rows(spec)
    # behind a function the penalty knows nothing of the layers, and goes through the code value by value
    for encode in (model.code, lambda u: model.code(u)):
        penalty = Contraction("exact")(x, encode)
        assert penalty.shape == (len(x),)
        same(penalty, formula(model, x, activation), model)
        same(penalty, jacobian_norm(model.code, x), model)


@pytest.mark.parametrize("options", [{}, {"network": "mlp,tied=true"}, {"corruption": "masking=0.5"}])
@pytest.mark.parametrize("activation", SLOPES)
def test_the_step_of_a_model_adds_it_at_the_clean_input(activation, options):
    model, x = one_layer(activation, contraction=0.25, **options).train(), rows(TABLE)
    outcome = model.step(x)
    same(outcome.terms["contraction"], formula(model, x, activation).mean(), model)
    same(outcome.terms["contraction"], jacobian_norm(model.code, x).mean(), model)
    added = outcome.loss - outcome.terms["reconstruction"]
    same(added, 0.25 * jacobian_norm(model.code, x).mean(), model)


@pytest.mark.parametrize("activation", SLOPES)
def test_so_does_a_model_composed_by_hand(activation):
    torch.manual_seed(2)
    likelihood = Bernoulli(IMAGES)
    up, down = mlp(IMAGES, (5,), 5, likelihood.outputs, (), nn.Identity)
    code = {"sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "identity": None}[activation]
    penalty = Weighted("contraction", Contraction("exact"))
    model = Autoencoder(PointEncoder(up, code), Decoder(down, likelihood), spec=IMAGES, regularizers=[penalty]).double()
    x = rows(IMAGES) / 2
    same(model.step(x).terms["contraction"], formula(model, x, activation).mean(), model)


def test_a_linear_encoder_pays_weight_decay():
    model, x = one_layer("identity"), rows(TABLE)
    w = model.encoder.network[1].weight
    penalty = Contraction("exact")(x, model.code)
    torch.testing.assert_close(penalty, (w**2).sum().expand(len(x)), **EXACT)
    weight, bias = gradients(penalty, model)
    torch.testing.assert_close(weight, 2 * w.detach(), **EXACT)
    assert bias.abs().max() == 0


def test_a_saturated_unit_pays_nothing():
    """What the sigmoid has and weight decay has not: the penalty is satisfied by units far from their middle."""
    model, x = one_layer("sigmoid"), rows(TABLE)
    before = Contraction("exact")(x, model.code)
    with torch.no_grad():
        model.encoder.network[1].bias += torch.tensor([40.0, -40.0, 40.0, -40.0, 40.0])
    assert (before > 1e-2).all()
    assert (Contraction("exact")(x, model.code) < 1e-25).all()
