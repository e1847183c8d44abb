"""The kit finds what is broken: each fault by the check that is there for it, and says what it is."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import aezoo
from aezoo import registry
from aezoo.parts import GaussianEncoder, Laplace
from aezoo.testing import CHECKS, Contract, check
from aezoo.testing.collecting import brought_by

sys.path.insert(0, str(Path(__file__).parent))
import broken_models
import broken_penalties
from faults import options


@pytest.fixture(scope="module")
def contract():
    plugin = registry.register(broken_models, "broken")
    with Contract([*broken_models.FAULTS, "healthy", *broken_penalties.RIGHT]) as opened:
        yield opened
    registry.plugins._found.remove(plugin)


@pytest.mark.parametrize("name", list(broken_models.FAULTS))
def test_a_fault_is_found(name, contract):
    wanted, words = broken_models.FAULTS[name]
    one = next(check for check in CHECKS if check.name == wanted)
    with np.errstate():
        result = contract.run(name, one)
    assert result.status == ("warning" if name in broken_models.MEANT else "failed"), result
    assert words in result.reason
    assert "\n" not in result.reason


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.name)
def test_nothing_is_found_where_nothing_is_broken(one, contract):
    result = contract.run("healthy", one)
    assert result.status == ("skipped" if one.name in ("manifest", "samples", "gpu", "fresh") else "held"), result


@pytest.mark.parametrize("name", list(broken_penalties.RIGHT))
@pytest.mark.parametrize("one", ["gradients", "slopes", "penalties", "repeats", "nan", "densities", "released"])
def test_no_alarm_is_raised_on_a_right_model(one, name, contract):
    result = contract.run(name, next(check for check in CHECKS if check.name == one))
    assert result.status in ("held", "skipped"), result


def test_there_is_a_fault_for_every_check():
    # these two look at a process of their own: test_check_command.py has faults for them
    assert {check for check, _ in broken_models.FAULTS.values()} == {c.name for c in CHECKS} - {"manifest", "fresh"}


def test_a_model_that_cannot_be_built_fails_once(contract):
    found = check("build-that-raises")
    assert [result.check for result in found if result.status == "failed"] == ["built"]
    assert {result.reason for result in found if result.status == "skipped"} == {
        "it is registered in this process alone",
        "it cannot be built, as the first check says",
    }


def test_a_declared_surrogate_is_left_alone(contract):
    assert [(r.status, r.reason) for r in check("declared", ["slopes"])] == [
        ("skipped", "Declared has a surrogate gradient")
    ]


def test_an_option_whose_value_the_author_says_is_tried_with_it(contract):
    assert check("said", ["options"])[0].status == "held"
    assert check("said-in-vain", ["options"])[0].reason.startswith("label changes nothing (tried b instead of a)")


def test_an_option_that_needs_another_one_counts(contract):
    assert check("together", ["options"])[0].status == "held"


def test_an_option_that_is_for_other_data_counts(contract):
    assert check("of-tables", ["options"])[0].status == "held"


def test_a_distribution_without_models_or_parts_is_known():
    plugin = registry.register(SimpleNamespace(), "bare")
    plugin.distribution = "aezoo-bare"
    with pytest.raises(aezoo.errors.UsageError, match="distribution 'aezoo-bare' has no models or parts"):
        brought_by("Aezoo_Bare")
    registry.plugins._found.remove(plugin)


def test_an_unknown_model_or_check_is_one_line(contract):
    with pytest.raises(aezoo.errors.UnknownNameError, match="no model 'helthy'"):
        check("helthy")
    with pytest.raises(aezoo.errors.UnknownNameError, match="no check 'seed'; did you mean 'seeds'"):
        check("healthy", ["seed"])


def test_one_reason_is_said_once():
    def by_hand(config, spec):
        model = aezoo.assemble(config, spec)
        model.decoder.likelihood = Laplace(aezoo.data.scaled_spec(config.preprocess, spec))
        return model

    hook = aezoo.hookimpl(lambda: [aezoo.Model("by-hand", options("by-hand"), by_hand, family="f", summary="s")])
    plugin = registry.register(SimpleNamespace(aezoo_models=hook), "by-hand")
    found = {result.check: result for result in check("by-hand", ["options", "saved", "fresh"])}
    registry.plugins._found.remove(plugin)
    assert found["options"].status == "failed"
    assert "leaves its option 'likelihood' aside" in found["options"].reason
    assert found["saved"] == aezoo.testing.Result("saved", "skipped", "it fails for the reason that options gives")


def test_an_encoder_whose_maker_does_not_say_how_many_outputs_it_needs_is_one_line():
    config, spec = aezoo.ModelConfig(latent_dim=2), aezoo.DataSpec(shape=(6,))
    with pytest.raises(aezoo.errors.CompositionError, match=r"needs 2 values .* has no outputs_per_code = 2"):
        aezoo.assemble(config, spec, encoder=lambda network: GaussianEncoder(network))
