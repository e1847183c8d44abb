"""What the pages promise of a plugin's opponent and of the figures of a run."""

import re
from pathlib import Path

import torch

import aezoo
from aezoo import registry

ROOT = Path(__file__).parents[2]
TEXT = "".join(path.read_text("utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])
FIGURES = (ROOT / "docs" / "reference" / "figures.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def block(word):
    found = [text for text in BLOCKS if word in text]
    assert len(found) == 1, word
    return found[0]


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


def test_the_table_of_figures_is_what_a_run_reports():
    keys = set(re.findall(r"`([a-z0-9_]+)`", FIGURES))
    found = set()
    for name in ("vae", "contractive", "vq-vae"):
        found |= set(aezoo.train(name, "digits", epochs=1, hidden=[4], latent_dim=2).results)
    penalties = {key for key in found if key.startswith("penalty_")}
    # of models against a corruption, and of data whose truth is known
    keys -= {"restoration_error", "restoration_nll", "notes"}
    assert found - penalties - {"examples"} == keys
