"""The encoder's Jacobian and what is read off it, against torch's own Jacobian and closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation import (
    effective_rank,
    encoder_jacobian,
    geometry,
    jacobian_norm,
    jacobian_spectrum,
    saturation,
    tangents,
)
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Decoder, Gaussian, PointEncoder
from aezoo.training import build_model

EXACT = {"rtol": 1e-10, "atol": 1e-10}
IMAGES = DataSpec(name="bytes", shape=(1, 6, 5), low=0.0, high=255.0, levels=256, scaling="scale")
TABLE = DataSpec(name="table", shape=(7,), scaling="standardize")

MODELS = {
    "mlp": ("contractive", TABLE, {"latent_dim": 3}),
    "a code larger than the data": ("contractive", TABLE, {"latent_dim": 12}),
    "two hidden layers": ("undercomplete", TABLE, {"hidden": [9, 8], "activation": "silu", "latent_dim": 4}),
    "conv": ("contractive", IMAGES, {"network": "conv", "hidden": [4, 6], "activation": "elu", "latent_dim": 5}),
    "conv, a larger code": ("undercomplete", IMAGES, {"network": "conv", "hidden": [4], "latent_dim": 40}),
    "topk": ("undercomplete", TABLE, {"code_activation": "topk=2", "latent_dim": 6}),
    "topk of many": ("undercomplete", IMAGES, {"code_activation": "topk=3", "latent_dim": 50}),
    "gaussian": ("vae", TABLE, {"latent_dim": 4}),
    "gaussian conv": ("vae", IMAGES, {"network": "conv", "hidden": [4], "latent_dim": 3}),
    "dropout": ("contractive", TABLE, {"network": "mlp,dropout=0.5", "latent_dim": 3}),
    "layer normalisation": ("contractive", TABLE, {"network": "mlp,norm=layer", "latent_dim": 3}),
}


def rows(spec, count=6):
    draw = np.random.default_rng(0)
    if spec is IMAGES:
        return torch.from_numpy(draw.integers(0, 256, (count, *spec.shape)).astype(np.uint8))
    return torch.from_numpy(draw.standard_normal((count, *spec.shape)) * 3 + 7)


def built(case):
    name, spec, options = MODELS[case]
    torch.manual_seed(0)
    model = build_model(name, {"hidden": [8], **options}, spec).double()
    model.preprocess.fit([rows(spec, 40)])
    return model, spec


def composed(network, activation=None, spec=TABLE):
    """A model of a given encoder, on data as it is."""
    torch.manual_seed(0)
    size = PointEncoder(network, activation)(torch.zeros(1, *spec.shape, dtype=torch.float64)).mean.shape[1]
    decoder = Decoder(nn.Linear(size, spec.size).double(), Gaussian(spec))
    return Autoencoder(PointEncoder(network, activation), decoder, spec=spec)


def truth(model, x):
    """(B, Z, D), row by row, by torch's reference implementation."""
    u = model.prepare(x)
    found = [torch.autograd.functional.jacobian(lambda v: model.code(v[None]).flatten(), row) for row in u]
    return torch.stack(found).flatten(2)


@pytest.mark.parametrize("case", MODELS)
def test_the_jacobian_is_torchs(case):
    model, spec = built(case)
    model.train()
    state = torch.get_rng_state()
    ours = encoder_jacobian(model, rows(spec))
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())
    assert not ours.requires_grad
    expected = truth(model.eval(), rows(spec))
    torch.testing.assert_close(ours, expected, **EXACT)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(jacobian_norm(model, rows(spec)), expected.square().sum((1, 2)).sqrt(), **EXACT)
    values = jacobian_spectrum(model, Dataset(rows(spec), spec=spec).all())
    np.testing.assert_allclose(values, np.linalg.svd(expected.numpy(), compute_uv=False), **EXACT)


@pytest.mark.parametrize("case", ["conv", "a code larger than the data"])
@pytest.mark.parametrize("values", [1, 40, 1000])
def test_passes_of_any_size_give_the_same(case, values, monkeypatch):
    model, spec = built(case)
    expected = encoder_jacobian(model, rows(spec)), jacobian_norm(model, rows(spec))
    monkeypatch.setattr(geometry, "PASS_VALUES", values)
    torch.testing.assert_close(encoder_jacobian(model, rows(spec)), expected[0], **EXACT)
    torch.testing.assert_close(jacobian_norm(model, rows(spec)), expected[1], **EXACT)


def test_kinds_and_single_data():
    model, spec = built("mlp")
    x = rows(spec)
    whole = encoder_jacobian(model, x)
    assert isinstance(encoder_jacobian(model, x.numpy()), np.ndarray)
    assert isinstance(encoder_jacobian(model, x.tolist()), np.ndarray)
    torch.testing.assert_close(encoder_jacobian(model, x[2]), whole[2], **EXACT)
    assert jacobian_norm(model, x[2]).shape == ()
    assert tangents(model, x[2], 2).directions.shape == (2, 7)
    with torch.no_grad():
        assert torch.equal(encoder_jacobian(model, x), whole)
    with torch.inference_mode():
        torch.testing.assert_close(encoder_jacobian(model, x.clone()), whole, **EXACT)


def test_a_sigmoid_layer_has_its_closed_form():
    layer = nn.Linear(7, 4).double()
    model, x = composed(layer, nn.Sigmoid()), rows(TABLE)
    h = torch.sigmoid(layer(x)).detach()
    squared = ((h * (1 - h)).square() * layer.weight.detach().square().sum(1)).sum(1)
    torch.testing.assert_close(jacobian_norm(model, x), squared.sqrt(), **EXACT)


@pytest.mark.parametrize("size", [4, 9])
def test_tangents_are_right_singular_vectors(size):
    layer = nn.Linear(7, size).double()
    found = tangents(composed(layer), rows(TABLE, 3), 3)
    assert found.directions.shape == (3, 3, 7)
    weight = layer.weight.detach()
    values = torch.linalg.svdvals(weight)[:3]
    for stretch, directions in zip(*found, strict=True):
        torch.testing.assert_close(stretch, values, **EXACT)
        torch.testing.assert_close(directions @ directions.T, torch.eye(3, dtype=torch.float64), **EXACT)
        # eigenvectors of JᵀJ, by their definition
        torch.testing.assert_close(weight.T @ weight @ directions.T, directions.T * values.square(), **EXACT)
        assert (directions.gather(1, directions.abs().argmax(1, keepdim=True)) > 0).all()


def test_tangents_of_images_have_their_shape_and_are_steps_that_move_the_code():
    model, spec = built("conv")
    x = rows(spec)
    found = tangents(model, x, 2)
    assert found.directions.shape == (6, 2, 1, 6, 5)
    u, small = model.prepare(x), 1e-5
    for index in range(2):
        step = small * found.directions[:, index]
        moved = (model.code(u + step) - model.code(u - step)).detach().norm(dim=1) / (2 * small)
        torch.testing.assert_close(moved, found.stretch[:, index], rtol=1e-5, atol=1e-8)


def test_directions_that_move_nothing_are_left_out():
    weight = torch.zeros(4, 7, dtype=torch.float64)
    weight[0, 1], weight[2, 5] = 3.0, -2.0
    layer = nn.Linear(7, 4).double()
    layer.weight.data.copy_(weight)
    stretch, directions = tangents(composed(layer), rows(TABLE, 2), 7)
    assert stretch.tolist() == [[3, 2]] * 2
    assert directions.abs().argmax(2).tolist() == [[1, 5]] * 2
    # of rank 2 too, but for rounding
    layer.weight.data.copy_(torch.randn(4, 2, dtype=torch.float64) @ torch.randn(2, 7, dtype=torch.float64))
    assert tangents(composed(layer), rows(TABLE, 2)).directions.shape == (2, 2, 7)
    layer.weight.data.zero_()
    assert tangents(composed(layer), rows(TABLE, 2)).directions.shape == (2, 0, 7)


def test_the_effective_rank_counts_equal_values():
    spectrum = np.array([[2.0, 2.0, 2.0, 0.0], [5.0, 0.0, 0.0, 0.0], [0.0] * 4, [3.0, 1.0, 0.0, 0.0]])
    quarter = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    np.testing.assert_allclose(effective_rank(spectrum), [3, 1, 0, math.exp(quarter)])


@pytest.mark.parametrize(
    ("activation", "flat"),
    [
        (nn.Sigmoid(), lambda before: before.abs() > math.log(0.95 / 0.05)),
        (nn.Tanh(), lambda before: before.abs() > 0.5 * math.log(0.95 / 0.05)),
    ],
)
def test_the_share_of_saturated_units(activation, flat):
    layer = nn.Linear(7, 20).double()
    x = rows(TABLE, 50)
    share = saturation(composed(layer, activation), Dataset(x, spec=TABLE).all())
    assert share == pytest.approx(float(flat(layer(x)).double().mean()), abs=1e-12)
    assert 0.05 < share < 0.95


def test_what_has_no_jacobian_or_no_flat_ends_says_so():
    batch_norm = built("mlp")[0]
    batch_norm.encoder.network.append(nn.BatchNorm1d(3))
    data = Dataset(rows(TABLE), spec=TABLE).all()
    for ask in (lambda m: encoder_jacobian(m, rows(TABLE)), lambda m: jacobian_spectrum(m, data)):
        with pytest.raises(CapabilityError, match="batch normalisation: train with norm=layer or none"):
            ask(batch_norm)

    class Steps(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0] > 0, x[:, 1] > 0], 1).to(x.dtype)

    class Book(nn.Module):
        def __init__(self):
            super().__init__()
            self.book = nn.Parameter(torch.ones(2, 9, dtype=torch.float64))

        def forward(self, x):
            return self.book[(x[:, 0] > 0).long()]

    for network in (Steps(), Book()):
        with pytest.raises(CapabilityError, match="needs a code that has a derivative by the data"):
            encoder_jacobian(composed(network), rows(TABLE))
    for case in ("gaussian", "topk"):
        with pytest.raises(CapabilityError, match="--code-activation sigmoid"):
            saturation(built(case)[0], data)


def test_rows_that_do_not_fit():
    model, spec = built("mlp")
    x = rows(spec)
    with pytest.raises(DataError, match="built for data of shape"):
        encoder_jacobian(model, x[:, :3])
    x[1, 2] = math.nan
    with pytest.raises(DataError, match="row 1, column 2"):
        tangents(model, x)
    with pytest.raises(UsageError, match="count must be at least 1"):
        tangents(model, rows(spec), 0)


def test_a_derivative_that_is_not_finite():
    class Root(nn.Module):
        def forward(self, x):
            return x.abs().sqrt()

    with pytest.raises(DataError, match="no finite derivative"):
        jacobian_spectrum(composed(Root()), Dataset(np.zeros((2, 7)), spec=TABLE).all())


def test_codes_of_a_codebook_have_no_jacobian():
    model = build_model("vq-vae", {"hidden": [8]}, TABLE)
    with pytest.raises(CapabilityError, match="jumps between a few values"):
        encoder_jacobian(model, rows(TABLE))
