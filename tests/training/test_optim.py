"""The optimizers that training makes are torch's own, to the bit."""

import copy

import pytest
import torch

from aezoo.core.options import TrainConfig
from aezoo.training.optim import make_optimizer

KINDS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({"optimizer": "adam", "lr": 0.1}, {"lr": 0.1}),
        ({"optimizer": "adam", "weight_decay": 0.1}, {"lr": 1e-3, "weight_decay": 0.1}),
        ({"optimizer": "adamw", "weight_decay": 0.1}, {"lr": 1e-3, "weight_decay": 0.1}),
        ({"optimizer": "sgd", "momentum": 0.9}, {"lr": 1e-3, "momentum": 0.9}),
    ],
)
def test_steps_are_those_of_torchs_own_optimizer(options, theirs):
    torch.manual_seed(0)
    ours = torch.nn.Linear(5, 4)
    peer = copy.deepcopy(ours)
    config = TrainConfig(**options)
    mine = make_optimizer(ours.parameters(), config)
    own = KINDS[config.optimizer](peer.parameters(), fused=True, **theirs)
    assert isinstance(mine, KINDS[config.optimizer])
    for _ in range(5):
        x = torch.randn(8, 5)
        for model, optimizer in ((ours, mine), (peer, own)):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), peer.parameters(), strict=True))
    assert all(p.requires_grad and p.grad_fn is None for p in ours.parameters())
    states = mine.state_dict()["state"], own.state_dict()["state"]
    for index, state in states[0].items():
        assert all(torch.equal(value, states[1][index][name]) for name, value in state.items() if value is not None)
