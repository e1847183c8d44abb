"""Options of training that a model brings: what holds where the user gives none."""

from types import SimpleNamespace

import numpy as np
import pytest

import aezoo
from aezoo import registry
from aezoo.errors import PluginError, UsageError

DATA = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")


def training(**options):
    return aezoo.train("linear", DATA, latent_dim=2, progress=False, **options).training


def test_a_models_own_options_hold_until_others_are_given():
    entry = registry.models["linear"]
    assert (training(epochs=1).lr, training(epochs=1).schedule) == (entry.training["lr"], entry.training["schedule"])
    assert training(epochs=1, lr=0.5).lr == 0.5
    # two steps a pass over 144 of the 160 training rows
    assert training().epochs == entry.training["steps"] / 2
    assert aezoo.train("undercomplete", DATA, epochs=1, progress=False).training.lr == 1e-3


def test_epochs_take_the_place_of_the_models_steps_and_steps_those_of_all():
    assert training(epochs=3).epochs == 3
    assert (training(steps=7).epochs, training(steps=7).steps) == (4, None)


def test_epochs_and_steps_together_are_a_mistake():
    with pytest.raises(UsageError, match="epochs and steps both say how long"):
        training(epochs=3, steps=7)


def test_a_run_repeats_by_its_own_config(tmp_path, cli):
    np.save(tmp_path / "x.npy", DATA)
    first = cli("train", "--model", "linear", "--data", tmp_path / "x.npy", "--out", tmp_path / "a", "--steps", 9)
    again = cli("train", "--config", tmp_path / "a" / "config.json", "--out", tmp_path / "b")
    assert (first.status, again.status) == (0, 0), again.err
    assert (tmp_path / "a" / "metrics.jsonl").read_text() == (tmp_path / "b" / "metrics.jsonl").read_text()


def test_the_help_shows_them(cli):
    shown = " ".join(cli("train", "--model", "linear", "--help").out.split())
    assert "under adam [default: 0.01; > 0]" in shown
    assert "[default: 6000; ≥ 1]" in shown


def test_options_that_training_has_not_are_the_plugins_mistake():
    broken = aezoo.Model("odd", aezoo.ModelConfig, lambda config, spec: None, training={"rate": 1.0})
    plugin = SimpleNamespace(aezoo_models=aezoo.hookimpl(lambda: [broken]))
    with pytest.raises(PluginError, match="the training of model 'odd' has no option 'rate'"):
        registry.register(plugin, "odd")
