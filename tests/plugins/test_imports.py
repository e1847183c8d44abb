"""Plugins use public names alone."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
FOLDERS = {"data", "errors", "evaluation", "inspection", "parts", "plots", "registry", "testing", "training"}


def imports(text):
    """(module, name or None) of everything that a module imports, at its top or later, but for type checking."""
    tree = ast.parse(text)
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for inner in block.body
        for node in ast.walk(inner)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            yield from ((node.module, alias.name) for alias in node.names)


def private(module, name, own):
    """Whether an import of a plugin reaches past the public names."""
    if module.split(".")[0] == own or not module.startswith("aezoo"):
        return False
    if name is None:
        return module not in ("aezoo", *(f"aezoo.{folder}" for folder in FOLDERS))
    if module != "aezoo" and module.removeprefix("aezoo.") not in FOLDERS:
        return True
    return name not in importlib.import_module(module).__all__


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_plugins_import_only_public_names(path):
    own = path.relative_to(ROOT / "plugins").parts[0]
    assert not [f"{m}:{n}" for m, n in imports(path.read_text("utf-8")) if private(m, n, own)]


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_plugins_reach_no_private_attribute_of_the_package(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "aezoo":
            public = importlib.import_module("aezoo").__all__
            assert node.attr in public


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_every_public_name_of_a_folder_is_there(name):
    folder = importlib.import_module(f"aezoo.{name}")
    assert all(hasattr(folder, public) for public in folder.__all__)
    assert sorted(set(folder.__all__)) == sorted(folder.__all__)


@pytest.mark.parametrize(
    "text",
    [
        "import aezoo.model.autoencoder",
        "from aezoo.model.autoencoder import Autoencoder",
        "from aezoo.parts.networks import TiedLinear",
        "from aezoo.parts import TiedLinear",
        "from aezoo.model import autoencoder",
        "def build():\n    from aezoo.parts.regularizer import KL",
        "from aezoo_sparse.penalties import L1",
    ],
)
def test_private_imports_are_seen(text):
    assert any(private(module, name, "aezoo_mine") for module, name in imports(text))
