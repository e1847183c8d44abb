"""Every model of aezoo's own keeps the contract that every model of the zoo keeps, and so does a part of each kind."""

import pytest

from aezoo import DataSpec, registry
from aezoo.testing import CHECKS, PART_CHECKS, Contract
from aezoo.training import build_model

MODELS = sorted(entry.name for entry in registry.models.find(distribution="aezoo"))
PARTS = [
    ("regularizer", "l1"),
    ("corruption", "masking"),
    ("likelihood", "bernoulli"),
    ("prior", "mixture"),
    ("network", "conv"),
    ("activation", "batch-topk"),
]


@pytest.fixture(scope="module")
def contract():
    with Contract(MODELS, PARTS) as opened:
        yield opened


def hold(contract, title, check):
    result = contract.run(title, check)
    if result.status == "skipped":
        pytest.skip(result.reason)
    assert result.status == "held", result.reason


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_keeps_the_contract(name, check, contract):
    hold(contract, name, check)


@pytest.mark.parametrize("check", PART_CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_keeps_the_contract(kind, name, check, contract):
    hold(contract, f"{kind} {name}", check)


@pytest.mark.parametrize("name", MODELS)
def test_the_registry_tells_the_capabilities_of_a_model(name):
    spec = DataSpec(shape=(8,), low=0.0, high=1.0, levels=2, scaling="scale")
    assert registry.models[name].capabilities == build_model(name, {}, spec).capabilities
