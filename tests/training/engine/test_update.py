"""Steps of the optimizer: torch's own arithmetic, and no denormal numbers left behind."""

import copy

import pytest
import torch
from torch import nn

from aezoo.core.options import TrainConfig
from aezoo.training.engine.update import SETTLE_EVERY, Descent
from aezoo.training.optim import make_optimizer

TINY = torch.finfo(torch.float32).tiny


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))


def descent(model, clip_norm=None, paces=None, **config):
    optimizer = make_optimizer(model.parameters(), TrainConfig(**config), paces)
    return Descent(optimizer, torch.amp.GradScaler("cpu", enabled=False), clip_norm)


def loss(model, seed):
    x = torch.randn(9, 5, generator=torch.Generator().manual_seed(seed))
    return model(x).square().sum(1).mean()


@pytest.mark.parametrize(
    ("config", "theirs"),
    [
        ({"optimizer": "adam", "weight_decay": 0.1}, torch.optim.Adam),
        ({"optimizer": "adamw", "weight_decay": 0.1}, torch.optim.AdamW),
        ({"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1}, torch.optim.SGD),
    ],
)
def test_steps_have_the_bits_of_torchs_own_optimizer(config, theirs):
    model = network()
    other = copy.deepcopy(model)
    extra = {"momentum": 0.9} if theirs is torch.optim.SGD else {}
    wanted = theirs(other.parameters(), lr=0.05, weight_decay=0.1, fused=True, **extra)
    it = descent(model, **config)
    for step in range(SETTLE_EVERY + 5):
        wanted.zero_grad()
        loss(other, step).backward()
        wanted.step()
        it.backward(loss(model, step))
        it.move(0.05)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert all(torch.equal(it.optimizer.state[a][key], wanted.state[b][key]) for key in wanted.state[b])


def test_each_group_keeps_its_pace_and_a_parameter_without_gradient_stays():
    model = network()
    bias = model[2].bias
    it = descent(model, paces={bias: 10.0})
    aside = model[0].bias.detach().clone()
    for step in range(4):
        before = bias.detach().clone()
        it.backward(loss(model, step))
        if step in (1, 2):
            model[0].bias.grad = None
            aside = model[0].bias.detach().clone()
        it.move(1e-3)
        if step == 0:
            # the first step of Adam is the rate, whatever the gradient
            torch.testing.assert_close((bias.detach() - before).abs(), torch.full((2,), 1e-2), rtol=1e-4, atol=0.0)
        if step in (1, 2):
            assert torch.equal(model[0].bias.detach(), aside)
    assert int(it.optimizer.state[model[0].bias]["step"]) == 2
    assert int(it.optimizer.state[bias]["step"]) == 4


def test_gradients_given_move_as_those_of_a_loss():
    model = network()
    other = copy.deepcopy(model)
    it, same = descent(model, clip_norm=0.1), descent(other, clip_norm=0.1)
    for step in range(3):
        it.backward(loss(model, step))
        it.move(0.01)
        same.give(torch.autograd.grad(loss(other, step), list(other.parameters())))
        same.move(0.01)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_moments_of_what_gets_no_gradient_end_at_zero_and_never_stay_denormal(optimizer):
    weight = nn.Parameter(torch.ones(4))
    momentum = 0.9 if optimizer == "sgd" else 0.0
    it = descent(nn.ParameterList([weight]), optimizer=optimizer, momentum=momentum)
    alive = torch.tensor([1.0, 1.0, 0.0, 0.0])
    denormal = 0
    for step in range(1500):
        it.backward((weight * (torch.ones(4) if step == 0 else alive)).sum())
        it.move(1e-6)
        for moment in it._moments():
            denormal += int(((moment != 0) & (moment.abs() < TINY)).sum())
    mean = it.optimizer.state[weight]["exp_avg" if optimizer == "adam" else "momentum_buffer"]
    assert denormal == 0
    assert mean[2:].tolist() == [0.0, 0.0]
    assert (mean[:2] > 0.5).all()


def test_without_settling_there_would_be_denormal_numbers():
    # the premise of the test above, so that it cannot hold by chance
    moment = torch.ones(1)
    for _ in range(1500):
        moment.mul_(0.9)
    assert 0 < float(moment) < TINY
