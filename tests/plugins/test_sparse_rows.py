"""Codes by their active values alone: the same figures and gradients as dense ones, to rounding, at less cost."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from aezoo import Autoencoder
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import CompositionError
from aezoo.parts import Decoder, Gaussian, Point, PointEncoder, SparseCode, SparsePoint, Support, sparse
from aezoo.training import TrainConfig, Trainer, build_model
from aezoo.training.engine.update import Descent
from aezoo_sparse import topk
from aezoo_sparse.topk import TopK

EXACT = {"rtol": 1e-12, "atol": 1e-12}
D, Z, B = 10, 24, 7
SPEC = DataSpec(shape=(D,), scaling="none")


@pytest.fixture(autouse=True)
def by_rows(monkeypatch):
    """Products by rows at sizes of a test, where they do not pay."""
    use(monkeypatch, True)


def use(monkeypatch, rows):
    monkeypatch.setattr(sparse, "WEIGHTS", 0 if rows else math.inf)
    monkeypatch.setitem(sparse.UNITS_A_VALUE, "cpu", 0)


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Affine:
    """A linear layer of given tensors."""

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def __call__(self, x):
        return F.linear(x, self.weight, self.bias)


def decoded(x, up, up_bias, down, down_bias, k):
    values, support = sparse.affine_at(x, Affine(up, up_bias), TopK(k))
    return sparse.affine_of(SparseCode(values.relu(), support), Affine(down, down_bias))


def decoded_densely(x, up, up_bias, down, down_bias, k):
    before = F.linear(x, up, up_bias)
    values, index = before.topk(k)
    return F.linear(torch.zeros_like(before).scatter(-1, index, values.relu()), down, down_bias)


def tensors(kind="random"):
    x, up, up_bias, down, down_bias = drawn(B, D), drawn(Z, D, seed=1), drawn(Z, seed=2), drawn(D, Z, seed=3), drawn(D)
    if kind == "no positive value":
        up_bias = up_bias - 100.0
    if kind == "few positive values":
        up_bias = up_bias - 6.0
    if kind == "no bias":
        up_bias = down_bias = None
    return [None if t is None else t.requires_grad_() for t in (x, up, up_bias, down, down_bias)]


KINDS = ("random", "few positive values", "no positive value", "no bias")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 5, Z])
def test_values_and_gradients_of_three_orders_are_those_of_the_dense_products(kind, k):
    given = tensors(kind)
    wanted = [t for t in given if t is not None]
    found = []
    for function in (decoded, decoded_densely):
        y = function(*given, k)
        terms, value = [y], (y.square() * drawn(B, D, seed=9)).sum()
        for _ in range(3):
            gradients = torch.autograd.grad(value, wanted, create_graph=True, materialize_grads=True)
            terms += gradients
            value = sum((g * drawn(*g.shape, seed=8)).sum() for g in gradients)
        found.append(terms)
    assert len(found[0]) == 1 + 3 * len(wanted)
    for got, truth in zip(*found, strict=True):
        torch.testing.assert_close(got, truth, rtol=1e-12, atol=1e-12 * (1 + truth.abs().max().item()))


def test_gradients_of_two_orders_are_the_limits_of_differences():
    given = tensors()
    assert torch.autograd.gradcheck(lambda *t: decoded(*t, 3), given, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda *t: decoded(*t, 3), given, fast_mode=True)


def test_equal_values_leave_k_units_and_their_gradient():
    up = torch.zeros(Z, D, dtype=torch.float64, requires_grad=True)
    bias = torch.ones(Z, dtype=torch.float64, requires_grad=True)
    values, support = sparse.affine_at(drawn(B, D), Affine(up, bias), TopK(5))
    code = SparseCode(values.relu(), support).dense()
    assert ((code != 0).sum(1) == 5).all()
    code.sum().backward()
    torch.testing.assert_close(bias.grad, code.detach().sum(0), **EXACT)


def test_a_unit_named_twice_counts_twice():
    support = Support.of_rows(torch.tensor([[2, 2], [0, 2]]), 4)
    down = drawn(D, 4)
    y = sparse.affine_of(SparseCode(torch.tensor([1.0, 2.0, 3.0, 4.0]).double(), support), Affine(down, None))
    torch.testing.assert_close(y, torch.stack([3 * down[:, 2], 3 * down[:, 0] + 4 * down[:, 2]]), **EXACT)


# ---------------------------------------------------------------- which values are the largest


@pytest.mark.parametrize("size", [64, 80, 81])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("kind", ["random", "ties", "equal", "infinite"])
def test_the_largest_values_of_a_wide_code_are_found_by_groups(monkeypatch, size, k, kind):
    monkeypatch.setattr(topk, "WIDE", 0)
    monkeypatch.setattr(topk, "GROUPS", 4)
    z = drawn(200, size)
    z = {"random": z, "ties": z.round(), "equal": 0 * z, "infinite": z.masked_fill(z > 1, math.inf)}[kind]
    units = TopK(k).select(z).units.view(200, k)
    assert (units.sort().values.diff() > 0).all()
    assert torch.equal(z.gather(1, units).sort().values, z.sort().values[:, -k:])


def test_groups_are_taken_of_wide_codes_alone(monkeypatch):
    asked = []
    whole = torch.Tensor.topk
    monkeypatch.setattr(torch.Tensor, "topk", lambda z, *a, **o: asked.append(z.shape[1]) or whole(z, *a, **o))
    TopK(2).select(drawn(3, 128))
    TopK(2).select(drawn(3, 4096))
    TopK(200).select(drawn(3, 4096))
    assert asked == [128, 256, 32, 4096]


# ---------------------------------------------------------------- models

MODELS = {
    "topk": ("topk", {"k": 4}),
    "all of the code": ("topk", {"k": Z}),
    "hidden layers": ("topk", {"k": 4, "hidden": [9], "activation": "tanh"}),
    "a penalty on the code": ("topk", {"k": 4, "regularizers": ["l1=0.3"]}),
    "a penalty of the contractive family": ("contractive", {"code_activation": "topk=4", "network": "mlp"}),
    "and its estimate": (
        "contractive",
        {"code_activation": "topk=4", "hidden": [9], "projections": 3, "network": "mlp"},
    ),
    "tied weights": ("topk", {"k": 4, "network": "mlp,tied=true"}),
    "normalised layers": ("topk", {"k": 4, "hidden": [9], "network": "mlp,norm=layer"}),
    "topk in the hidden layers too": ("topk", {"k": 4, "hidden": [12], "activation": "topk=6"}),
}


def built(name, options, draws=1):
    torch.manual_seed(0)
    model = build_model(name, {"latent_dim": Z, **options}, SPEC).double()
    model.draws = draws
    return model


def figures(model, x):
    outcome = model.step(x)
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(outcome.loss, list(parameters.values()))
    return outcome, {**outcome.terms, "loss": outcome.loss, **dict(zip(parameters, gradients, strict=True))}


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("which", MODELS)
def test_a_model_has_the_same_terms_and_gradients_as_with_a_dense_code(monkeypatch, which, draws):
    model = built(*MODELS[which], draws=draws)
    torch.manual_seed(1)  # projections are drawn
    outcome, got = figures(model, drawn(B, D))
    assert isinstance(outcome.values["q"], SparsePoint)
    assert ("z" in outcome.values._known) == (which in ("a penalty on the code", "tied weights"))
    use(monkeypatch, False)
    torch.manual_seed(1)
    dense, truth = figures(model, drawn(B, D))
    assert not isinstance(dense.values["q"], SparsePoint)
    assert got.keys() == truth.keys()
    for name, value in truth.items():
        torch.testing.assert_close(got[name], value, **EXACT, msg=lambda text, name=name: f"{name}: {text}")
    for name in ("z", "q"):
        a, b = outcome.values[name], dense.values[name]
        torch.testing.assert_close(*((a, b) if name == "z" else (a.mean, b.mean)), **EXACT)
    torch.testing.assert_close(outcome.values["q"].before, dense.values["q"].before, **EXACT)


def test_dropout_is_another_for_each_draw():
    model = built("topk", {"k": 4, "hidden": [9], "network": "mlp,dropout=0.5"}, draws=2)
    first, second = model.train().step(drawn(B, D)).values["px"].mean
    assert not torch.equal(first, second)


def test_what_a_model_gives_is_the_same_as_with_a_dense_code(monkeypatch):
    model = built("topk", {"k": 4, "hidden": [9]})
    x = drawn(50, D)
    found = [(model.encode(x), model.reconstruct(x), model.score(x), model.encode(x, draws=2))]
    use(monkeypatch, False)
    found.append((model.encode(x), model.reconstruct(x), model.score(x), model.encode(x, draws=2)))
    for got, truth in zip(*found, strict=True):
        torch.testing.assert_close(got, truth, **EXACT)


class Sizes(TorchDispatchMode):
    """How many values the largest result of any operation has."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.found.append(result.numel())
        return result


def test_only_the_encoders_product_has_a_value_for_every_unit_of_every_row():
    units, rows = 4096, 64
    model = build_model("topk", {"latent_dim": units, "k": 3}, SPEC)
    x = torch.randn(rows, D)
    with Sizes() as forward:
        loss = model.step(x).loss
    with Sizes() as backward:
        loss.backward()
    # addmm's, and the groups' view of it
    assert sum(size >= units * rows for size in forward.found) <= 3
    assert max(backward.found) == units * D < units * rows / 4


def test_the_code_carries_gradients_whoever_asked_for_it_first():
    model = built("topk", {"k": 4})
    q = model.encoder(drawn(B, D))
    with torch.no_grad():
        assert (q.mean != 0).sum(1).max() == 4
        assert q.before.shape == (B, Z)
    assert q.mean.requires_grad
    assert q.before.requires_grad
    with torch.no_grad():
        assert not model.encoder(drawn(B, D)).mean.requires_grad


# ---------------------------------------------------------------- where it is not for


@pytest.mark.parametrize("layer", ["encoder", "decoder"])
def test_a_hook_on_a_layer_is_called(layer):
    model = built("topk", {"k": 4, "hidden": [9]})
    first, last = model.decoder.network[0], model.encoder.network[-1]
    called = []
    (last if layer == "encoder" else first).register_forward_hook(lambda *_: called.append(1))
    outcome = model.step(drawn(B, D))
    assert called == [1]
    assert isinstance(outcome.values["q"], SparsePoint) == (layer == "decoder")


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize("up", [True, False])
def test_layers_of_other_kinds_are_left_to_themselves(up):
    torch.manual_seed(0)
    kinds = (Doubled, nn.Linear) if up else (nn.Linear, Doubled)
    encoder, decoder = kinds[0](D, Z).double(), kinds[1](Z, D).double()
    model = Autoencoder(PointEncoder(encoder, TopK(4)), Decoder(decoder, Gaussian(SPEC)), spec=SPEC)
    x = drawn(B, D)
    values, index = encoder(x).topk(4)
    code = torch.zeros(B, Z).double().scatter(1, index, values.relu())
    torch.testing.assert_close(model.step(x).values["px"].mean[0], decoder(code), **EXACT)
    assert type(model.encoder(x)) is (Point if up else SparsePoint)


def test_networks_of_a_single_layer_are_known():
    torch.manual_seed(0)
    model = Autoencoder(
        PointEncoder(nn.Linear(D, Z).double(), TopK(4)), Decoder(nn.Linear(Z, D).double(), Gaussian(SPEC)), spec=SPEC
    )
    assert "z" not in model.step(drawn(B, D)).values._known


class Own(Decoder):
    def forward(self, z):
        assert z.shape[-1] == Z
        return super().forward(z + 1)


def test_a_decoder_with_a_forward_of_its_own_is_given_whole_codes():
    torch.manual_seed(0)
    parts = PointEncoder(nn.Linear(D, Z).double(), TopK(4)), Own(nn.Linear(Z, D).double(), Gaussian(SPEC))
    model = Autoencoder(*parts, spec=SPEC)
    outcome = model.step(drawn(B, D))
    torch.testing.assert_close(outcome.values["px"].mean, parts[1].network(outcome.values["z"] + 1), **EXACT)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_torch_func_sees_the_dense_products():
    model = built("topk", {"k": 4})
    parameters = dict(model.named_parameters())
    x = drawn(B, D)

    def loss(parameters, x):
        return torch.func.functional_call(model, parameters, (x,)).loss

    _, truth = figures(model, x)
    for got in (
        torch.func.grad(loss)(parameters, x),
        {
            n: g[1]
            for n, g in torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, torch.stack([-x, x])).items()
        },
    ):
        for name, gradient in got.items():
            torch.testing.assert_close(gradient, truth[name], **EXACT)
    _, slope = torch.func.jvp(model.code, (x,), (drawn(B, D, seed=5),))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, drawn(B, D, seed=5))
        torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(model.code(dual)).tangent, slope, **EXACT)


def test_a_code_too_small_is_refused_as_ever():
    with pytest.raises(CompositionError, match="topk keeps k=9 of a code of 8: lower k or raise latent_dim"):
        build_model("topk", {"latent_dim": 8, "k": 9}, SPEC)


def test_rows_are_for_codes_of_many_units_of_which_few_are_kept(monkeypatch):
    monkeypatch.undo()
    cpu = torch.device("cpu")
    assert sparse.pays(1024, 16, 784, cpu)
    assert sparse.pays(1024, 64, 784, cpu)
    assert not sparse.pays(1024, 65, 784, cpu)
    assert not sparse.pays(128, 4, 784, cpu)
    assert sparse.pays(65_536, 64, 4096, torch.device("cuda"))
    assert not sparse.pays(1024, 16, 784, torch.device("cuda"))
    model = build_model("topk", {}, DataSpec(shape=(1, 8, 8), low=0, high=16))
    assert type(model.encoder(torch.zeros(2, 1, 8, 8))) is Point
    assert model.decoder.network[0].weight.is_contiguous()


# ---------------------------------------------------------------- the weights' layout


def first_of(model):
    return model.decoder.network[0]


def test_the_decoders_weights_change_their_layout_and_nothing_else(monkeypatch):
    laid = built("topk", {"k": 4, "hidden": [9]})
    use(monkeypatch, False)
    plain = built("topk", {"k": 4, "hidden": [9]})
    assert first_of(laid).weight.stride() == (1, 9)
    assert first_of(plain).weight.stride() == (Z, 1)
    states = laid.state_dict(), plain.state_dict()
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))
    assert first_of(copy.deepcopy(laid)).weight.stride() == (1, 9)
    laid.load_state_dict({name: 2 * tensor for name, tensor in states[1].items()})
    assert first_of(laid).weight.stride() == (1, 9)
    assert torch.equal(first_of(laid).weight, 2 * first_of(plain).weight)


def test_weights_that_were_laid_out_otherwise_since_are_read_as_a_whole():
    model = built("topk", {"k": 4})
    _, truth = figures(model, drawn(B, D))
    first_of(model).weight = nn.Parameter(first_of(model).weight.detach().contiguous())
    outcome, got = figures(model, drawn(B, D))
    assert "z" in outcome.values._known
    for name, value in truth.items():
        torch.testing.assert_close(got[name], value, **EXACT)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_training_ends_where_plain_torch_does(optimizer):
    torch.manual_seed(0)
    model = build_model("topk", {"latent_dim": Z, "k": 4, "preprocess": "none", "aux_units": 0}, SPEC)
    with torch.no_grad():
        # biases that have been moved are no longer set to the data's mean
        model.decoder.network[-1].bias += 0.1
    twin = nn.Sequential(nn.Linear(D, Z), nn.Linear(Z, D))
    twin.load_state_dict(dict(zip(twin.state_dict(), copy.deepcopy(list(model.parameters())), strict=True)))
    splits = Dataset(drawn(40, D).float(), spec=SPEC).split(validation=0)
    x = splits.train.rows().float()
    Trainer(model, splits, TrainConfig(epochs=6, batch_size=40, device="cpu", lr=0.01, optimizer=optimizer)).fit()
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[optimizer]
    options = {"lr": 0.01, "fused": False, "weight_decay": 0.0}
    plain = kind(twin.parameters(), **options)
    for _ in range(6):
        before = twin[0](x)
        values, index = before.topk(4)
        output = twin[1](torch.zeros_like(before).scatter(-1, index, values.relu()))
        plain.zero_grad()
        (0.5 * (output - x).square().sum(1).mean()).backward()
        plain.step()
    for got, truth in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(got, truth, rtol=1e-4, atol=1e-6)


def test_a_gradient_of_another_layout_is_followed_as_it_is():
    weight = drawn(5, 3)
    found = []
    for turned in (True, False):
        parameter = nn.Parameter(weight.clone().t().contiguous().t() if turned else weight.clone())
        descent = Descent(torch.optim.Adam([parameter], fused=True), torch.amp.GradScaler("cpu", enabled=False))
        for seed in range(3):
            gradient = drawn(5, 3, seed=seed + 1)
            # torch's own first step wants its parameter's layout
            descent.give([gradient.t().contiguous().t() if turned and seed == 0 else gradient])
            descent.move(0.1)
        found.append(parameter.detach())
    torch.testing.assert_close(*found, **EXACT)
    assert (found[0] - weight).abs().min() > 0.01


def test_16_bit_products_are_summed_in_32():
    torch.manual_seed(0)
    model = build_model("topk", {"latent_dim": 64, "k": 4, "hidden": [16]}, SPEC)
    x = drawn(B, D).float()
    with torch.autocast("cpu", torch.bfloat16):
        outcome = model.step(x)
    outcome.loss.backward()
    q = outcome.values["q"]
    assert isinstance(q, SparsePoint)
    assert q.mean.dtype == outcome.values["px"].mean.dtype == torch.float32
    assert outcome.loss.item() == pytest.approx(model.step(x).loss.item(), rel=0.02)
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters())
