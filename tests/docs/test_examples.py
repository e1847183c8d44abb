"""The examples in the docstrings of all public names, run."""

import doctest
import importlib
import inspect
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import aezoo
from aezoo import registry

ROOT = Path(__file__).parents[2]
PLACES = (
    "aezoo",
    "aezoo.data",
    "aezoo.errors",
    "aezoo.evaluation",
    "aezoo.inspection",
    "aezoo.parts",
    "aezoo.plots",
    "aezoo.registry",
    "aezoo.testing",
    "aezoo.training",
)
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
# pytest's own hooks, which it calls
HOOKS = ("pytest_addoption", "pytest_configure", "pytest_generate_tests", "pytest_unconfigure")


def public():
    """Every public class and function by its dotted name, once."""
    found = {}
    for place in PLACES:
        module = importlib.import_module(place)
        for name in module.__all__:
            thing = getattr(module, name)
            if (inspect.isclass(thing) or inspect.isfunction(thing)) and name not in HOOKS:
                found.setdefault(id(thing), (f"{place}.{name}", thing))
    return dict(found.values())


PUBLIC = public()


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the reference says that the examples have: runs of an epoch, and one of them on the disk."""
    folder = tmp_path_factory.mktemp("examples")
    models = {"topk": "digits", "linear": "digits", "contractive": "digits", "moons": "moons", "codebook": "digits"}
    called = {"moons": "denoising", "codebook": "vq-vae"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = aezoo.train("vae", "digits", latent_dim=2, hidden=[32], epochs=1, out="runs/vae")
        trained = {name: aezoo.train(called.get(name, name), data, epochs=1) for name, data in models.items()}
    return folder, {"aezoo": aezoo, "np": np, "torch": torch, "run": run, "split": run.splits.test, **trained}


@pytest.fixture
def registered():
    """Whatever an example registers is gone afterwards."""
    before = list(registry.plugins)
    yield
    for plugin in list(registry.plugins)[len(before) :]:
        registry.plugins.manager.unregister(plugin.module)
    registry.plugins._found[len(before) :] = []


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_an_example_that_runs(name, names, registered, monkeypatch):
    folder, known = names
    monkeypatch.chdir(folder)
    found = doctest.DocTestParser().get_doctest(inspect.getdoc(PUBLIC[name]), dict(known), name, name, 0)
    assert any(isinstance(example, doctest.Example) for example in found.examples), f"{name} has no example"
    said = io.StringIO()
    failed, tried = doctest.DocTestRunner(optionflags=FLAGS).run(found, out=said.write)
    assert tried > 0
    assert not failed, said.getvalue()


def test_the_reference_has_every_public_name_and_no_other():
    page = (ROOT / "docs" / "reference" / "python.md").read_text("utf-8")
    paths = re.findall(r"^::: (\S+)$", page, re.MULTILINE)
    assert len(set(paths)) == len(paths)
    hooks = {f"aezoo.testing.collecting.{hook}" for hook in HOOKS}
    wanted = {f"{thing.__module__}.{thing.__qualname__}" for thing in PUBLIC.values()} | hooks
    assert set(paths) == wanted
