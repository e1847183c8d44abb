"""What the README says a reader can type, typed."""

import re
from pathlib import Path

import pytest
import torch

import aezoo
from aezoo import registry

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def block(word):
    found = [text for text in BLOCKS if word in text]
    assert len(found) == 1, word
    return found[0]


@pytest.mark.parametrize("word", ["aezoo.load", "PointEncoder(encoder)"])
def test_the_python_of_the_readme_runs(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block(word).replace("epochs=50", "epochs=2"), names)
    if "codes" in names:
        assert names["codes"].shape == (359, 8)
        assert names["scores"].shape == (359,)
        assert names["images"].shape == (16, 1, 8, 8)
    else:
        assert names["model"].preprocess is not None


def test_the_adversary_of_the_readme_trains():
    names = {}
    exec(block("class Adversary"), names)

    class Plugin:
        @aezoo.hookimpl
        def aezoo_regularizers(self):
            yield aezoo.Part("adversary", names["Adversary"])

    plugin = registry.register(Plugin(), "readme")
    try:
        run = aezoo.train("vae", "digits", epochs=2, hidden=[8], regularizers=["adversary=1,width=4"])
        (opponent,) = run.model.opponents().values()
        assert opponent[0].out_features == 4
        assert all(torch.isfinite(p).all() for p in opponent.parameters())
        assert run.results["penalty_adversary"] > 0
    finally:
        registry.plugins.manager.unregister(plugin.module)
        registry.plugins._found.remove(plugin)


def test_every_command_of_the_readme_is_one():
    from aezoo.cli.app import app

    for line in re.findall(r"^(?:.*&& )?aezoo (\S+)", README, re.MULTILINE):
        assert line in app.commands, line


def test_the_table_of_figures_is_what_a_run_reports():
    keys = set(re.findall(r"`([a-z0-9_]+)`", README[README.index("| key |") : README.index("Without `--draws`")]))
    found = set()
    for name in ("vae", "contractive", "vq-vae"):
        found |= set(aezoo.train(name, "digits", epochs=1, hidden=[4], latent_dim=2).results)
    penalties = {key for key in found if key.startswith("penalty_")}
    assert found - penalties - {"examples"} == keys
