"""Networks in mirrored pairs, tied weights, and a user's own modules in our encoders and decoders."""

import copy
from functools import partial

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, UsageError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import (
    Categorical,
    Decoder,
    Gaussian,
    GaussianEncoder,
    Outputs,
    PointEncoder,
    build_part,
    conv,
    mlp,
)
from aezoo.parts.networks import TiedLinear

TABLE = DataSpec(shape=(6,))


def pair(make=mlp, spec=TABLE, code=4, outputs=None, hidden=(), activation=nn.ReLU, code_outputs=None, **options):
    outputs = outputs or Outputs(spec.shape)
    return make(spec, (code,), code_outputs or code, outputs, hidden, activation, **options)


def kinds(network):
    return [type(module).__name__ for module in network.modules() if not list(module.children())]


# ---------------------------------------------------------------- fully connected


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hidden", [(), (9,), (9, 7), (9, 8, 7)])
def test_an_mlp_is_the_chain_of_its_matrices(hidden, tied):
    up, down = (network.double() for network in pair(hidden=hidden, tied=tied))
    x = torch.randn(5, 6, dtype=torch.float64)
    matrices = [m.weight for m in up.modules() if isinstance(m, nn.Linear)]
    biases = [m.bias for m in up.modules() if isinstance(m, nn.Linear)]
    assert [tuple(w.shape) for w in matrices] == list(zip((*hidden, 4), (6, *hidden), strict=True))
    back = [w.T for w in reversed(matrices)] if tied else [m.weight for m in down.modules() if isinstance(m, nn.Linear)]
    back_biases = [m.bias for m in down.modules() if isinstance(m, nn.Linear | TiedLinear)]

    def chain(x, matrices, biases):
        for index, (w, b) in enumerate(zip(matrices, biases, strict=True)):
            x = x @ w.T + b
            x = x.clamp(min=0) if index < len(matrices) - 1 else x
        return x

    code = chain(x, matrices, biases)
    torch.testing.assert_close(up(x), code)
    torch.testing.assert_close(down(code), chain(code, back, back_biases))


@pytest.mark.parametrize("shape", [(6,), (1, 2, 3), (2, 5, 7)])
def test_an_mlp_flattens_images_and_gives_what_encoder_and_likelihood_need(shape):
    spec = DataSpec(shape=shape)
    up, down = pair(spec=spec, outputs=Outputs(shape, channels=3, scalars=2), hidden=(9,), code_outputs=8)
    assert up(torch.randn(5, *shape)).shape == (5, 8)
    assert down(torch.randn(5, 4)).shape == (5, 3 * spec.size + 2)


def test_gradients_reach_a_tied_weight_from_both_uses():
    up, down = pair(tied=True)
    weight = up[1].weight
    x, z = torch.randn(5, 6), torch.randn(5, 4)
    up(x).sum().backward()
    first = weight.grad.clone()
    weight.grad = None
    down(z).sum().backward()
    second = weight.grad.clone()
    weight.grad = None
    (up(x).sum() + down(z).sum()).backward()
    assert first.abs().sum() > 0
    assert second.abs().sum() > 0
    torch.testing.assert_close(weight.grad, first + second)


def test_a_tied_model_saves_each_tensor_once_and_comes_back_whole():
    def made():
        up, down = pair(hidden=(9,), tied=True)
        return Autoencoder(PointEncoder(up), Decoder(down, Gaussian(TABLE)), spec=TABLE)

    model, other = made(), made()
    state = model.state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)
    assert sum(p.numel() for p in model.parameters()) == sum(v.numel() for v in state.values())
    assert len(model.own_parameters()) == len(state) == 6
    other.load_state_dict(load(save(state)))
    x = torch.randn(5, 6)
    assert torch.equal(other.reconstruct(x), model.reconstruct(x))


@pytest.mark.parametrize("change", [copy.deepcopy, lambda model: model.double().float()])
def test_the_tie_survives_a_copy_and_a_change_of_type(change):
    up, down = pair(tied=True)
    model = change(Autoencoder(PointEncoder(up), Decoder(down, Gaussian(TABLE)), spec=TABLE))
    z = torch.randn(1, 2, 4)
    before = model.decoder(z).mean
    model.encoder.network[1].weight.data.mul_(2)
    bias = model.decoder.network[0].bias
    torch.testing.assert_close(model.decoder(z).mean, 2 * (before - bias) + bias)
    if change is copy.deepcopy:
        torch.testing.assert_close(down(z[0]), before[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"code_outputs": 8}, "this one gives 8 values for 4: use network mlp without tied"),
        ({"outputs": Outputs((6,), scalars=1)}, "decoder 6 outputs, and the likelihood needs 7"),
        ({"outputs": Outputs((6,), channels=3)}, "likelihood needs 18"),
    ],
)
def test_tied_weights_are_refused_where_the_sizes_differ(options, message):
    with pytest.raises(CompositionError, match=message):
        pair(tied=True, **options)


@pytest.mark.parametrize(
    ("options", "kind", "count"),
    [
        ({}, "Dropout", 0),
        ({"dropout": 0.5}, "Dropout", 2),
        ({"norm": "batch"}, "BatchNorm1d", 2),
        ({"norm": "layer"}, "LayerNorm", 2),
        ({"norm": "layer", "dropout": 0.1}, "Dropout", 2),
    ],
)
@pytest.mark.parametrize("tied", [False, True])
def test_each_hidden_layer_of_both_halves_is_normalised_activated_and_dropped(options, kind, count, tied):
    for network in pair(hidden=(9, 7), activation=nn.Tanh, tied=tied, **options):
        names = kinds(network)
        assert names.count(kind) == count
        assert names.count("Tanh") == 2
        # nothing comes after the last matrix
        assert names[-1] in ("Linear", "TiedLinear")
        if options.get("norm"):
            assert names.index(kind if kind != "Dropout" else "LayerNorm") < names.index("Tanh")


def test_every_layer_has_an_activation_of_its_own():
    up, down = pair(hidden=(9, 7), activation=nn.PReLU)
    assert len([p for n in (up, down) for p in n.parameters() if p.shape == (1,)]) == 4


# ---------------------------------------------------------------- convolutions


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize(
    ("shape", "hidden"),
    [
        ((1, 5, 7), (4,)),
        ((3, 5, 7), (4, 6)),
        ((1, 1, 1), (4,)),
        ((2, 1, 9), (4, 3, 2)),
        ((1, 28, 28), (4, 6)),
        ((4, 8, 8), (3, 5, 7)),
        ((1, 105, 105), (2, 3)),
    ],
)
def test_a_conv_pair_gives_back_images_of_any_size(shape, hidden, kernel):
    spec = DataSpec(shape=shape)
    outputs = Outputs(shape, channels=2, scalars=1)
    up, down = pair(conv, spec, outputs=outputs, hidden=hidden, code_outputs=8, kernel=kernel)
    code = up(torch.randn(2, *shape))
    assert code.shape == (2, 8)
    assert down(code[:, :4]).shape == (2, outputs.size)
    strided = [m for m in up.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in strided] == list(hidden)
    assert all(m.kernel_size == (kernel, kernel) for m in strided)


def test_a_conv_decoders_outputs_are_laid_out_as_the_likelihood_reads_them():
    spec = DataSpec(shape=(2, 4, 4), low=0.0, high=2.0, levels=3, scaling="none")
    likelihood = Categorical(spec)
    _, down = pair(conv, spec, outputs=likelihood.outputs, hidden=(4,))
    z = torch.randn(1, 5, 4)
    maps = down[:-1](z[0])
    assert maps.shape == (5, 6, 4, 4)
    px = Decoder(down, likelihood)(z)
    torch.testing.assert_close(px.logits[0], maps.unflatten(1, (3, 2)))


def test_a_conv_decoders_scalar_is_the_mean_of_its_map():
    spec = DataSpec(shape=(1, 4, 6))
    _, down = pair(conv, spec, outputs=Outputs((1, 4, 6), scalars=1), hidden=(4,))
    z = torch.randn(5, 4)
    maps = down[:-1](z)
    torch.testing.assert_close(down(z)[:, -1], maps[:, 1].mean((1, 2)))
    torch.testing.assert_close(down(z)[:, :-1], maps[:, 0].flatten(1))


@pytest.mark.parametrize(
    ("options", "kind", "count"),
    [({}, "Dropout", 0), ({"dropout": 0.5}, "Dropout", 2), ({"norm": "batch"}, "BatchNorm2d", 2)],
)
def test_convolutions_are_normalised_activated_and_dropped(options, kind, count):
    for network in pair(conv, DataSpec(shape=(1, 8, 8)), hidden=(4, 6), activation=nn.ELU, **options):
        assert kinds(network).count(kind) == count
        assert kinds(network).count("ELU") == 2


@pytest.mark.parametrize(
    ("spec", "hidden", "message"),
    [
        (TABLE, (4,), r"network conv needs images.*shape \(6,\): use network mlp"),
        (DataSpec(shape=(1, 4, 4)), (), "at least one layer of channels: give hidden, such as 32,64"),
    ],
)
def test_convolutions_that_cannot_be_are_refused(spec, hidden, message):
    with pytest.raises(CompositionError, match=message):
        pair(conv, spec, hidden=hidden)


@pytest.mark.parametrize("make", [mlp, partial(conv, norm="batch")])
def test_gradients_reach_every_parameter(make):
    spec = DataSpec(shape=(1, 5, 7))
    up, down = pair(make, spec, hidden=(8, 6), activation=nn.Tanh)
    loss = down(up(torch.randn(9, 1, 5, 7))).square().sum()
    loss.backward()
    for network in (up, down):
        for name, parameter in network.named_parameters():
            # a bias before batch normalisation is taken out again
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all()
    assert up[-1].weight.grad.abs().sum() > 0


# ---------------------------------------------------------------- a user's own modules


class Theirs(nn.Module):
    """A network that knows nothing of this library."""

    def __init__(self, size, out):
        super().__init__()
        self.gru = nn.GRU(size, out, batch_first=True)

    def forward(self, x):
        return self.gru(x)[0][:, -1]


@pytest.mark.parametrize(("kind", "outputs"), [(PointEncoder, 4), (GaussianEncoder, 8)])
def test_a_users_own_module_goes_in_unchanged(kind, outputs):
    spec = DataSpec(shape=(5, 3))
    theirs = Theirs(3, outputs)
    decoder_network = nn.Sequential(nn.Linear(4, 15), nn.Unflatten(1, (5, 3)))
    model = Autoencoder(kind(theirs), Decoder(decoder_network, Gaussian(spec)), spec=spec)
    x = torch.randn(7, 5, 3)
    torch.testing.assert_close(model.encode(x), theirs(x).detach()[:, :4])
    assert model.reconstruct(x).shape == (7, 5, 3)
    model.step(x).loss.backward()
    assert theirs.gru.weight_ih_l0.grad.abs().sum() > 0


def test_a_point_encoder_applies_its_activation():
    network = nn.Linear(6, 4)
    x = torch.randn(5, 6)
    torch.testing.assert_close(PointEncoder(network, nn.Sigmoid())(x).mean, network(x).sigmoid())
    torch.testing.assert_close(PointEncoder(network)(x).mean, network(x))


def test_a_gaussian_encoder_halves_its_network_into_mean_and_log_variance():
    network = nn.Linear(6, 8)
    x = torch.randn(5, 6)
    q = GaussianEncoder(network)(x)
    torch.testing.assert_close(q.mean, network(x)[:, :4])
    torch.testing.assert_close(q.stddev, (network(x)[:, 4:] / 2).exp())


@pytest.mark.parametrize(("output", "bound"), [(1e4, 9.0), (-1e4, -9.0)])
def test_a_gaussian_encoder_that_overshoots_keeps_a_finite_divergence(output, bound):
    network = nn.Linear(6, 8)
    network.weight.data.zero_()
    network.bias.data[4:] = output
    q = GaussianEncoder(network)(torch.zeros(1, 6))
    assert q.log_scale.unique().tolist() == pytest.approx([bound + 0.01 * (output / 2 - bound)])
    q.log_scale.sum().backward()
    assert network.bias.grad[4:].abs().min() > 0  # a way back is left
    assert q.log_prob(q.rsample((3,))).isfinite().all()


# ---------------------------------------------------------------- activations, by name


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("identity", lambda z: z),
        ("relu", lambda z: z.clamp(min=0)),
        ("leaky-relu", lambda z: torch.where(z > 0, z, 0.01 * z)),
        ("leaky-relu=0.2", lambda z: torch.where(z > 0, z, 0.2 * z)),
        ("elu", lambda z: torch.where(z > 0, z, z.exp() - 1)),
        ("gelu", lambda z: z * torch.special.ndtr(z)),
        ("silu", lambda z: z / (1 + (-z).exp())),
        ("sigmoid", lambda z: 1 / (1 + (-z).exp())),
        ("tanh", lambda z: (z.exp() - (-z).exp()) / (z.exp() + (-z).exp())),
        ("softplus", lambda z: (1 + z.exp()).log()),
        ("topk=2", lambda z: torch.where(z >= z.sort(-1, descending=True)[0][..., 1:2], z.clamp(min=0), 0.0)),
    ],
)
def test_activations_are_what_their_names_say(text, truth):
    z = torch.randn(7, 5, dtype=torch.float64) * 2
    torch.testing.assert_close(build_part("activation", text)(z), truth(z), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("relu=2", "activation 'relu' takes no value .got 2."),
        ("leaky-relu=2", "activation 'leaky-relu': slope: .*less than 1"),
        ("leaky-relu,slop=0.1", "no option 'slop'; did you mean 'slope'"),
        ("topk=0", "activation 'topk': k: .*greater than or equal to 1"),
        ("topk=2,k=3", "activation 'topk' is given k twice: as 2 and by name"),
        ("relus", "no activation 'relus'; did you mean .*'relu'"),
    ],
)
def test_activations_that_cannot_be_made_say_why(text, message):
    with pytest.raises(UsageError, match=message):
        build_part("activation", text)
