"""Networks for series and for larger images."""

import numpy as np
import pytest
import torch
from torch import nn

import aezoo
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.parts import Gaussian, Outputs, conv1d, resnet


@pytest.mark.parametrize("scale", ["unit", "per-value", "per-example"])
@pytest.mark.parametrize("steps", [2, 7, 24, 25])
@pytest.mark.parametrize("hidden", [(4,), (4, 6), (4, 6, 8)])
def test_series_of_any_length_come_back_in_their_shape(steps, hidden, scale):
    spec = DataSpec(shape=(steps, 3), series=True)
    likelihood = Gaussian(spec, scale)
    up, down = conv1d(spec, (5,), 10, likelihood.outputs, hidden, nn.ReLU)
    x = torch.randn(4, steps, 3)
    assert up(x).shape == (4, 10)
    px = likelihood(down(torch.randn(4, 5))[None])
    assert px.mean.shape == (1, 4, steps, 3)
    assert px.log_prob(x).shape == (1, 4)


def test_outputs_of_a_series_lie_as_its_steps_do():
    spec = DataSpec(shape=(6, 2), series=True)
    _, down = conv1d(spec, (3,), 3, Outputs((6, 2), channels=2), (4,), nn.Identity)
    last = [module for module in down if isinstance(module, nn.ConvTranspose1d)][-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    found = down(torch.randn(1, 3)).view(2, 6, 2)
    # two numbers for each value: first the one of all values, then the other
    assert torch.equal(found[0], torch.tensor([1.0, 2.0]).expand(6, 2))
    assert torch.equal(found[1], torch.tensor([3.0, 4.0]).expand(6, 2))


def test_a_convolution_over_time_sees_what_is_near():
    spec = DataSpec(shape=(64, 1), series=True)
    up, _ = conv1d(spec, (2,), 2, Outputs((64, 1)), (3, 3), nn.Identity)
    maps = nn.Sequential(*list(up)[:-2])
    x = torch.zeros(1, 64, 1, requires_grad=True)
    (slope,) = torch.autograd.grad(maps(x)[0, :, 8].sum(), x)
    touched = slope[0, :, 0].nonzero().flatten()
    assert 24 <= int(touched.min()) <= 32 <= int(touched.max()) <= 40


@pytest.mark.parametrize("size", [(8, 8), (9, 14), (32, 32)])
@pytest.mark.parametrize("blocks", [1, 2])
def test_images_of_any_size_come_back_in_their_shape(size, blocks):
    spec = DataSpec(shape=(3, *size))
    outputs = Outputs(spec.shape, channels=2, scalars=1)
    up, down = resnet(spec, (5,), 10, outputs, (6, 9, 12), nn.SiLU, blocks=blocks, groups=4)
    assert up(torch.randn(4, *spec.shape)).shape == (4, 10)
    assert down(torch.randn(4, 5)).shape == (4, outputs.size)


def test_a_block_begins_as_the_sum_that_it_says():
    from aezoo.parts.resnet import Block

    block = Block(6, 6, 3, nn.ReLU)
    x = torch.randn(2, 6, 5, 5)
    norm, _, first, again, _, second = block.layers
    h = first(nn.functional.group_norm(x, 3, norm.weight, norm.bias).relu())
    wanted = x + second(nn.functional.group_norm(h, 3, again.weight, again.bias).relu())
    assert torch.allclose(block(x), wanted, atol=1e-6)
    wider = Block(6, 8, 4, nn.ReLU)
    assert wider(x).shape == (2, 8, 5, 5)


def test_the_code_of_a_row_is_its_own():
    spec = DataSpec(shape=(1, 16, 16))
    up, _ = resnet(spec, (4,), 4, Outputs(spec.shape), (8, 8), nn.SiLU)
    x = torch.randn(6, 1, 16, 16)
    assert torch.allclose(up(x)[2], up(x[2:3])[0], atol=1e-5)


def test_they_learn():
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 6, (200, 1))
    waves = np.stack([np.sin(np.arange(16) / 3 + phase), 100 * np.cos(np.arange(16) / 2 + phase)], axis=2)
    run = aezoo.train("undercomplete", waves, network="conv1d", hidden="16", latent_dim=4, epochs=60, progress=False)
    assert run.results["explained_variance"] > 0.9
    run = aezoo.train(
        "undercomplete", "circles,rows=300", network="resnet,blocks=1", hidden="8,16", epochs=40, progress=False
    )
    assert run.results["explained_variance"] > 0.5


@pytest.mark.parametrize(("network", "shape"), [(conv1d, (6,)), (conv1d, (1, 8, 8)), (resnet, (6,)), (resnet, (8, 2))])
def test_other_data_and_no_layers_are_refused(network, shape):
    with pytest.raises(CompositionError, match=r"use .*network mlp"):
        network(DataSpec(shape=shape), (2,), 2, Outputs(shape), (4,), nn.ReLU)
    right = DataSpec(shape=(8, 2)) if network is conv1d else DataSpec(shape=(1, 8, 8))
    with pytest.raises(CompositionError, match="needs at least one"):
        network(right, (2,), 2, Outputs(right.shape), (), nn.ReLU)
