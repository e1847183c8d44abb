"""Plugins use public names alone, and no module of the core imports a floor above its own."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
CORE = sorted((ROOT / "aezoo").rglob("*.py"))
FLOORS = [
    {"errors", "_lazy"},
    {"config", "schedules", "options", "memory", "pages", "rows", "streams"},
    {"registry"},
    {"scaffold"},
    {"parts"},
    {"composition"},
    {"autoencoder"},
    {"data"},
    {"assembly"},
    {"training"},
    {"evaluation"},
    {"plots"},
    {"inspection"},
    {"reopening"},
    {"runs"},
    {"api"},
    {"resuming"},
    {"many"},
    {"testing"},
    {"cli"},
]
FLOOR = {name: index for index, names in enumerate(FLOORS) for name in names}
# the package's own front doors: they stand on all floors, and nobody below imports them
OUTSIDE = {"__init__", "__main__", "manifest"}
FOLDERS = {"data", "evaluation", "inspection", "parts", "plots", "registry", "testing", "training"}


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
        return module not in ("aezoo", "aezoo.errors", *(f"aezoo.{folder}" for folder in FOLDERS))
    if module == "aezoo.errors":
        return False
    if module != "aezoo" and module.removeprefix("aezoo.") not in FOLDERS:
        return True
    return name not in importlib.import_module(module).__all__


def climbs(module, name, floor):
    """Whether an import leads to a floor above."""
    if module.split(".")[0] != "aezoo":
        return False
    target = module.split(".")[1] if "." in module else name
    if target not in FLOOR and target not in OUTSIDE:
        # the package itself, or a public name of it, which could come from anywhere: for the top floor alone
        target = "cli"
    return FLOOR.get(target, len(FLOORS)) > floor


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
        "import aezoo.autoencoder",
        "from aezoo.autoencoder import Autoencoder",
        "from aezoo.parts.networks import TiedLinear",
        "from aezoo.parts import TiedLinear",
        "from aezoo import autoencoder",
        "def build():\n    from aezoo.parts.regularizer import KL",
        "from aezoo_sparse.penalties import L1",
    ],
)
def test_private_imports_are_seen(text):
    assert any(private(module, name, "aezoo_mine") for module, name in imports(text))


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT / "aezoo").with_suffix("")))
def test_no_module_imports_a_floor_above_its_own(path):
    first = path.relative_to(ROOT / "aezoo").with_suffix("").parts[0]
    if first in OUTSIDE:
        return
    assert first in FLOOR, f"{first} stands on no floor: give it one"
    found = [f"{m}:{n}" for m, n in imports(path.read_text("utf-8")) if climbs(m, n, FLOOR[first])]
    assert not found


@pytest.mark.parametrize(
    ("text", "floor"),
    [
        ("from aezoo.parts import KL", "registry"),
        ("import aezoo.training.trainer", "data"),
        ("def f():\n    from aezoo import data", "parts"),
        ("from aezoo import train", "plots"),
    ],
)
def test_imports_that_climb_are_seen(text, floor):
    assert any(climbs(module, name, FLOOR[floor]) for module, name in imports(text))
