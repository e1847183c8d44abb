"""Ours are looked up without their options being looked at; these tests look instead."""

import pytest

import aezoo
from aezoo import registry
from aezoo.registry import checks
from aezoo.registry.plugins import HOOKS

OURS = [entry for kind in HOOKS for entry in registry.plugins.entries(kind) if entry.distribution == registry.OURS]


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: f"{type(entry).__name__} {entry.name}")
def test_our_entries_keep_what_is_asked_of_strangers(entry):
    checks.refuse_unusable(entry)
    checks.try_options(entry)


def test_our_inspections_can_share_a_command():
    inspections = list(registry.plugins.entries("inspection"))
    for index, entry in enumerate(inspections):
        checks.refuse_clashes([entry], inspections[:index])


def test_a_config_may_be_given_by_name_and_is_then_the_class_that_it_names():
    part = aezoo.Part("grain", print, "aezoo.builtin.options:LeakyReLUOptions")
    assert part.options is part.config
    assert part.config().slope == 0.01
    with pytest.raises(aezoo.errors.PluginError, match="no_such"):
        _ = aezoo.Part("grain", print, "aezoo.builtin.options:no_such").options


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("aezoo.builtin.options:NoSuch", "NoSuch"),
        ("collections:OrderedDict", "must extend aezoo.Config"),
        ("nonsense", "give 'module:name'"),
    ],
)
def test_a_strangers_config_that_its_name_does_not_lead_to_is_said_when_it_is_registered(config, reason):
    class Stranger:
        @aezoo.hookimpl
        def aezoo_corruptions(self):
            return [aezoo.Part("grain", print, config)]

    with pytest.raises(aezoo.errors.PluginError, match=reason):
        registry.plugins.register(Stranger(), name="stranger")
    assert "grain" not in registry.corruptions
