"""Parts are composed into a model that takes them, and held to the contract there."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import aezoo
from aezoo import registry
from aezoo.parts import Corruption, Regularizer
from aezoo.testing import PART_CHECKS, Contract


class Idle(Regularizer):
    """Takes an option that it has no use for."""

    def __init__(self, power: float = 2.0, code_shape: tuple[int, ...] = ()):
        super().__init__()
        self.power = power

    def forward(self, z):
        return z.abs().pow(2).flatten(2).sum(-1)


class Nothing(Regularizer):
    def forward(self, z):
        return 0 * z.flatten(2).sum(-1)


class Wiping(Corruption):
    def forward(self, x):
        return x.mul_(self.uniform(x) > 0.3)


class Leaking(nn.Module):
    """For codes: it needs their shape."""

    def __init__(self, code_shape: tuple[int, ...], share: float = 0.5):
        super().__init__()
        self.share = share

    def forward(self, z):
        return z - self.share * z.mean(0)


class Scaling(nn.Module):
    def __init__(self, by: float = 2.0, bent: bool = False):
        super().__init__()
        self.by, self.bent = by, bent

    def forward(self, z):
        return torch.tanh(self.by * z) if self.bent else z


def failing(part):
    raise ValueError("not today")


PARTS = {
    ("regularizer", "idle"): (Idle, "options", "power changes nothing (tried"),
    ("regularizer", "nothing"): (Nothing, "slopes", ""),
    ("corruption", "wiping"): (Wiping, "rows", "changes its batch in place"),
    ("activation", "leaking"): (Leaking, "neighbours", "encode of the same rows one by one"),
    ("activation", "scaling"): (Scaling, "options", ""),
    ("prior", "failing"): (lambda: failing(None), "described", "not today"),
}
WITHOUT_FAULT = {("regularizer", "nothing"), ("activation", "scaling")}


@pytest.fixture(scope="module")
def contract():
    def hook(wanted):
        named = {name: target for (kind, name), (target, *_) in PARTS.items() if kind == wanted}
        return lambda: [aezoo.Part(name, target, summary="A part.") for name, target in named.items()]

    kinds = ("regularizer", "corruption", "activation", "prior")
    hooks = {f"aezoo_{kind}s": aezoo.hookimpl(hook(kind)) for kind in kinds}
    plugin = registry.register(SimpleNamespace(**hooks), "parts")
    with Contract([], PARTS) as opened:
        yield opened
    registry.plugins._found.remove(plugin)


@pytest.mark.parametrize("part", PARTS, ids=" ".join)
def test_a_fault_of_a_part_is_found(part, contract):
    _, wanted, words = PARTS[part]
    result = contract.run(" ".join(part), next(check for check in PART_CHECKS if check.name == wanted))
    assert result.status == ("held" if part in WITHOUT_FAULT else "failed"), result
    assert words in result.reason


def test_a_part_that_cannot_be_made_fails_once(contract):
    found = [contract.run("prior failing", one) for one in PART_CHECKS]
    assert [result.status for result in found] == ["failed", *["skipped"] * (len(found) - 1)]


def test_a_part_that_does_nothing_is_found(contract):
    result = contract.run("regularizer nothing", next(check for check in PART_CHECKS if check.name == "options"))
    # its term stands in the figures, and there it is as good as none
    assert (result.status, result.reason) == ("failed", "the model is the same without it (regularizers ())")
