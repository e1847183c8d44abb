"""The penalty from an encoder's layers against the penalty by passes through it, and where each is used.

The passes are held to torch's own Jacobian in ``test_contractive.py``.
"""

import copy

import pytest
import torch
from torch import nn

from aezoo import Autoencoder
from aezoo.core.spec import DataSpec
from aezoo.parts import Decoder, Gaussian, Point, PointEncoder, Weighted
from aezoo.training import build_model
from aezoo_contractive.jacobian import Contraction

EXACT = {"rtol": 1e-10, "atol": 1e-10}
D = 12
SPEC = DataSpec(shape=(D,), scaling="none")
IMAGES = DataSpec(shape=(1, 3, 4), scaling="none")
CORE_ACTIVATIONS = ["identity", "relu", "leaky-relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus"]


def rows(spec=SPEC, n=5):
    return torch.randn(n, *spec.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def contractive(hidden=(), activation="sigmoid", spec=SPEC, **options):
    torch.manual_seed(1)
    values = {"latent_dim": 4, "hidden": hidden, "code_activation": activation, **options}
    if hidden:
        values.setdefault("activation", activation)
    return build_model("contractive", values, spec).double()


def composed(network, activation=None, spec=SPEC):
    """A model with a network of the user's own."""
    decoder = Decoder(nn.Linear(4, Gaussian(spec).outputs.size), Gaussian(spec))
    penalty = Weighted("contraction", Contraction("exact"))
    return Autoencoder(PointEncoder(network, activation), decoder, spec=spec, regularizers=[penalty]).double()


def by_passes(model):
    """The model's code behind a function, so that nothing is known of its layers."""
    return lambda u: model.code(u)


def same(model, x, penalty=None):
    """Value and gradient from the layers and by passes; the same random numbers are drawn for both."""
    penalty = penalty or Contraction("exact")
    found = []
    for encode in (model.code, by_passes(model)):
        torch.manual_seed(0)
        value = penalty(x, encode)
        parameters = list(model.encoder.parameters())
        grads = torch.autograd.grad(value.sum(), parameters, allow_unused=True)
        found.append(
            [value, *(torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads, strict=True))]
        )
    assert found[0][0].shape == (len(x),)
    assert (found[0][0] > 0).any()
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, **EXACT)


@pytest.fixture
def passes(monkeypatch):
    """Counts the calls that went through the code value by value."""
    calls = []
    genuine = torch.autograd.grad

    def counted(*arguments, is_grads_batched=False, **options):
        if is_grads_batched:
            calls.append(1)
        return genuine(*arguments, is_grads_batched=is_grads_batched, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    return calls


# ---------------------------------------------------------------- the same penalty


@pytest.mark.parametrize("activation", CORE_ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (6,), (5, 7), (6, 9, 5)])
def test_layers_give_the_same_penalty_and_gradient_as_passes(hidden, activation, passes):
    same(contractive(hidden, activation), rows())
    assert len(passes) == 1


def test_every_activation_of_the_core_is_covered():
    from aezoo import registry

    assert {n for n, part in registry.parts["activation"].items() if part.plugin == "core"} == set(CORE_ACTIVATIONS)


@pytest.mark.parametrize("network", ["mlp", "mlp,tied=true"])
@pytest.mark.parametrize("hidden", [(), (6,)])
def test_images_are_flattened_and_tied_weights_are_shared(hidden, network, passes):
    same(contractive(hidden, "tanh", IMAGES, network=network), rows(IMAGES))
    assert len(passes) == 1


def test_a_layer_of_the_users_own_needs_no_flattening(passes):
    same(composed(nn.Linear(D, 4), nn.Tanh()), rows())
    same(composed(nn.Sequential(nn.Sequential(nn.Linear(D, 4), nn.Softplus()), nn.Tanh())), rows())
    same(composed(nn.Sequential(nn.Linear(D, 5, bias=False), nn.Linear(5, 4))), rows())
    assert len(passes) == 3


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_the_one_of_the_pass(training, passes):
    model = contractive((6,), "tanh", network="mlp,dropout=0.5").train(training)
    same(model, rows())
    assert len(passes) == 1
    x = rows()
    varies = not torch.equal(Contraction("exact")(x, model.code), Contraction("exact")(x, model.code))
    assert varies == training


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_the_gradient_is_the_slope_of_the_penalty(hidden):
    """By finite differences, which know of no automatic differentiation."""
    model, x = contractive(hidden, "sigmoid"), rows()
    direction = [torch.randn_like(p) for p in model.encoder.parameters()]
    grads = torch.autograd.grad(Contraction("exact")(x, model.code).sum(), list(model.encoder.parameters()))
    slope = sum((g * d).sum() for g, d in zip(grads, direction, strict=True))
    ends = []
    for sign in (1, -1):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for p, d in zip(moved.encoder.parameters(), direction, strict=True):
                p += sign * 1e-5 * d
            ends.append(Contraction("exact")(x, moved.code).sum())
    torch.testing.assert_close((ends[0] - ends[1]) / 2e-5, slope, rtol=1e-6, atol=0)


def test_frozen_layers_still_pay():
    model, x = contractive((6,)), rows()
    wanted = Contraction("exact")(x, by_passes(model)).detach()
    first, last = model.encoder.network[1], model.encoder.network[-1]
    first.requires_grad_(False)
    value = Contraction("exact")(x, model.code)
    torch.testing.assert_close(value.detach(), wanted, **EXACT)
    torch.testing.assert_close(
        torch.autograd.grad(value.sum(), last.weight),
        torch.autograd.grad(Contraction("exact")(x, by_passes(model)).sum(), last.weight),
        **EXACT,
    )
    model.encoder.requires_grad_(False)
    torch.testing.assert_close(Contraction("exact")(x, model.code), wanted, **EXACT)


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_without_gradients_no_graph_is_left(hidden, passes):
    model, x = contractive(hidden), rows()
    wanted = Contraction("exact")(x, by_passes(model)).detach()
    with torch.no_grad():
        value = Contraction("exact")(x, model.code)
    assert not value.requires_grad
    torch.testing.assert_close(value, wanted, **EXACT)
    assert not x.requires_grad
    assert len(passes) == 1


def test_sums_stay_in_single_precision_under_autocast():
    """Where the second layer cancels most of the first, products of 16 bits would leave nothing of the penalty."""
    model = composed(nn.Sequential(nn.Linear(D, 6), nn.Linear(6, 4)))
    first, last = model.encoder.network
    with torch.no_grad():
        first.weight += 20
        last.weight -= last.weight.mean(1, keepdim=True)
    wanted = (last.weight @ first.weight).square().sum()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = Contraction("exact")(rows().float(), model.float().code)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, wanted.float().expand(5), rtol=1e-3, atol=0)


# ---------------------------------------------------------------- of the model as it is now


def test_a_copy_pays_for_its_own_weights():
    model, x = contractive(), rows()
    twin = copy.deepcopy(model)
    assert twin.regularizers["contraction"] is not model.regularizers["contraction"]
    with torch.no_grad():
        twin.encoder.network[1].weight *= 3
    torch.testing.assert_close(
        twin.step(x).terms["contraction"], Contraction("exact")(x, by_passes(twin)).mean(), **EXACT
    )
    torch.testing.assert_close(
        model.step(x).terms["contraction"], Contraction("exact")(x, by_passes(model)).mean(), **EXACT
    )
    model.zero_grad()
    twin.step(x).terms["contraction"].backward()
    assert model.encoder.network[1].weight.grad is None


def test_one_penalty_in_two_models_pays_for_each():
    penalty, x = Weighted("contraction", Contraction("exact")), rows()
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        decoder = Decoder(nn.Linear(4, D), Gaussian(SPEC))
        models.append(
            Autoencoder(PointEncoder(nn.Linear(D, 4), nn.Tanh()), decoder, spec=SPEC, regularizers=[penalty]).double()
        )
    for model in models:
        torch.testing.assert_close(
            model.step(x).terms["contraction"], Contraction("exact")(x, by_passes(model)).mean(), **EXACT
        )


def test_a_replaced_encoder_pays():
    model, x = contractive(), rows()
    model.encoder = PointEncoder(nn.Linear(D, 4), nn.Tanh()).double()
    torch.testing.assert_close(
        model.step(x).terms["contraction"], Contraction("exact")(x, by_passes(model)).mean(), **EXACT
    )


def test_the_penalty_owns_no_weights():
    model = contractive((6,))
    assert list(model.regularizers["contraction"].state_dict()) == []
    assert not any(name.startswith("regularizers") for name in model.state_dict())


# ---------------------------------------------------------------- where layers are not known


class Doubled(nn.Tanh):
    """A subclass that computes something else."""

    def forward(self, z):
        return super().forward(2 * z).flip(-1)


class Cosine(PointEncoder):
    """An encoder with a posterior of its own."""

    def forward(self, x):
        return Point(super().forward(x).mean.cos())


class Cubed(Autoencoder):
    """A model whose code is not its encoder's."""

    def code(self, x):
        return super().code(x) ** 3


@pytest.mark.parametrize(
    ("network", "activation"),
    [
        (nn.Sequential(nn.Linear(D, 4), Doubled()), None),
        (nn.Linear(D, 4), nn.Softmax(-1)),
        (nn.Sequential(nn.Linear(D, 5), nn.LayerNorm(5), nn.Linear(5, 4)), nn.Tanh()),
        (nn.Sequential(nn.Tanh(), nn.Linear(D, 4)), None),
        (nn.Sequential(nn.Linear(D, 5), nn.ELU(inplace=True), nn.Linear(5, 4)), None),
        (nn.utils.parametrizations.weight_norm(nn.Linear(D, 4)), nn.Tanh()),
    ],
    ids=["subclass", "softmax", "layer-norm", "before-the-layer", "inplace", "parametrized"],
)
def test_other_layers_go_by_passes(network, activation, passes):
    model = composed(network, activation)
    passes.clear()
    same(model, rows())
    assert len(passes) == 2


@pytest.mark.parametrize(
    ("name", "options", "spec"),
    [
        ("contractive", {"code_activation": "topk=2"}, SPEC),
        ("contractive", {"hidden": (6,), "network": "mlp,norm=layer"}, SPEC),
        ("contractive", {"hidden": (3,), "network": "conv"}, IMAGES),
        ("vae", {"regularizers": "contraction=0.1"}, SPEC),
    ],
)
def test_other_encoders_go_by_passes(name, options, spec, passes):
    torch.manual_seed(1)
    model = build_model(name, {"latent_dim": 4, **options}, spec).double()
    passes.clear()
    same(model, rows(spec))
    assert len(passes) == 2


@pytest.mark.parametrize(
    ("shape", "network"),
    [((2, D), nn.Linear(D, 2)), ((2, 3, 4), nn.Sequential(nn.Flatten(2), nn.Linear(D, 2)))],
)
def test_axes_that_are_not_flattened_go_by_passes(shape, network, passes):
    """A layer on the last axis of a datum has a Jacobian of blocks."""
    spec = DataSpec(shape=shape, scaling="none")
    decoder = Decoder(nn.Sequential(nn.Flatten(), nn.Linear(4, 2 * D)), Gaussian(spec))
    model = Autoencoder(PointEncoder(network, nn.Tanh()), decoder, spec=spec).double()
    same(model, rows(spec))
    assert len(passes) == 2


def test_a_code_or_an_encoder_of_its_own_goes_by_passes(passes):
    for kind, encoder in ((Cubed, PointEncoder), (Autoencoder, Cosine)):
        decoder = Decoder(nn.Linear(4, D), Gaussian(SPEC))
        same(kind(encoder(nn.Linear(D, 4)), decoder, spec=SPEC).double(), rows())
    assert len(passes) == 4


@pytest.mark.parametrize("hidden", [(), (6,), (D,), (6, 9)])
@pytest.mark.parametrize("projections", [1, 2, 3, 4, 9])
def test_projections_go_through_the_layers_too(hidden, projections, passes):
    model, x = contractive(hidden), rows()
    same(model, x, Contraction(projections))
    # as many as the code has values are exact, and draw nothing; fewer are not
    first, second = Contraction(projections)(x, model.code), Contraction(projections)(x, model.code)
    assert torch.equal(first, second) == (projections >= 4)
    assert len(passes) == 1


# ---------------------------------------------------------------- what the encoder has computed already


@pytest.fixture
def layer_calls(monkeypatch):
    """Counts how often a fully connected layer is run."""
    calls = []
    genuine = nn.Linear.forward

    def counted(self, x):
        calls.append(self)
        return genuine(self, x)

    monkeypatch.setattr(nn.Linear, "forward", counted)
    return calls


@pytest.mark.parametrize(
    ("hidden", "options", "again"),
    [
        ((), {}, 0),
        ((6,), {}, 1),
        ((6, 5), {}, 2),
        # what the encoder saw is not the clean input
        ((), {"corruption": "masking=0.5"}, 1),
        ((6,), {"corruption": "masking=0.5"}, 2),
        # dropout, run again, is another
        ((6,), {"network": "mlp,dropout=0.5"}, 2),
        # constant slopes need no forward pass
        ((6,), {"activation": "identity", "code_activation": "identity"}, 0),
        ((6,), {"code_activation": "identity"}, 1),
    ],
)
def test_the_step_takes_from_the_encoder_what_it_can(hidden, options, again, layer_calls):
    model, x = contractive(hidden, **{"activation": "sigmoid", **options}).train(), rows()
    layer_calls.clear()
    torch.manual_seed(0)
    term = model.step(x).terms["contraction"]
    assert [layer in list(model.encoder.modules()) for layer in layer_calls].count(True) == len(hidden) + 1 + again
    if "network" not in options:
        torch.testing.assert_close(term, Contraction("exact")(x, by_passes(model)).mean(), **EXACT)
        wanted = torch.autograd.grad(Contraction("exact")(x, by_passes(model)).mean(), model.encoder.network[1].weight)
        torch.testing.assert_close(torch.autograd.grad(term, model.encoder.network[1].weight), wanted, **EXACT)


def test_a_jacobian_is_of_one_dropout_mask():
    """All masks of a linear encoder with one hidden unit: the unit is there, doubled, or not."""
    network = nn.Sequential(nn.Linear(D, 1), nn.Dropout(0.5), nn.Linear(1, 4))
    model, x = composed(network, nn.Tanh()).train(), rows(n=200)
    norms = []
    with torch.no_grad():
        for mask in (0.0, 2.0):
            code = network[2](mask * network[0](x)).tanh()
            jacobian = (1 - code**2)[:, :, None] * network[2].weight * mask @ network[0].weight
            norms.append(jacobian.square().sum((1, 2)))
        torch.manual_seed(0)
        q = model.encoder(x)
        found = Contraction("exact")(x, model.code, x, q)
    none, all_of_it = ((found - norm).abs() < 1e-10 for norm in norms)
    assert (none | all_of_it).all()
    assert none.any()
    assert all_of_it.any()


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_torch_func_finds_the_same_gradient(hidden):
    model, x = contractive(hidden), rows()
    held = {name: p.detach() for name, p in model.named_parameters()}

    def term(held):
        return torch.func.functional_call(model, held, (x,)).terms["contraction"]

    names = [name for name, _ in model.named_parameters() if name.startswith("encoder")]
    wanted = torch.autograd.grad(model.step(x).terms["contraction"], [dict(model.named_parameters())[n] for n in names])
    stacked = {name: torch.stack([value, 2 * value]) for name, value in held.items()}
    found, both = torch.func.grad(term)(held), torch.func.vmap(torch.func.grad(term))(stacked)
    for name, truth in zip(names, wanted, strict=True):
        torch.testing.assert_close(found[name], truth, **EXACT)
        torch.testing.assert_close(both[name][0], truth, **EXACT)
        assert not torch.allclose(both[name][1], truth)
