"""The house: rooms on floors, imports one way, no circle, few modules beside the folders."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "aezoo"
FLOORS = [
    {"errors"},
    {"core"},
    {"registry"},
    {"builtin", "parts"},
    {"data"},
    {"model"},
    {"evaluation", "storage"},
    {"plots", "training"},
    {"inspection", "runs", "testing"},
    {"api"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS, 1) for room in rooms}
# the front door: it names everything, lazily, and only the command line asks it, for the version
DOOR = "aezoo"


def modules(package):
    """The files of a package by the dotted names of their modules."""
    found = {}
    for path in package.rglob("*.py"):
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imported(text, known):
    """The modules of ``known`` that a module imports: at its top, later, and for type checking alone."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            # "from aezoo.core import files" names a module, "from aezoo.core.files import write_whole" a thing in one
            pairs = [(f"{node.module}.{alias.name}", node.module) for alias in node.names]
            names = [full if full in known else module for full, module in pairs]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "aezoo")


def room(module):
    return module.split(".")[1] if "." in module else DOOR


def graph(known):
    """What each module imports; an ``__init__`` hands names on and decides nothing."""
    return {
        name: set() if path.name == "__init__.py" else set(imported(path.read_text("utf-8"), known)) - {name}
        for name, path in known.items()
    }


def circle(edges):
    try:
        list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        return " -> ".join(error.args[1])
    return None


MODULES = modules(PACKAGE)
GRAPH = graph(MODULES)
INNER = sorted(name for name in MODULES if name != DOOR)


@pytest.mark.parametrize("name", INNER)
def test_no_module_imports_a_floor_above_its_own(name):
    assert room(name) in FLOOR, f"{room(name)} stands on no floor: give it one"
    text = MODULES[name].read_text("utf-8")
    climbs = [other for other in imported(text, MODULES) if FLOOR.get(room(other), 0) > FLOOR[room(name)]]
    assert not climbs
    aside = [other for other in imported(text, MODULES) if room(other) not in (room(name), DOOR)]
    assert not [other for other in aside if FLOOR[room(other)] == FLOOR[room(name)]], "rooms of one floor stand apart"
    if DOOR in imported(text, MODULES):
        assert room(name) == "cli"


def test_there_are_twelve_floors_at_most_and_each_is_needed():
    rooms = {name: set() for name in FLOOR}
    for name, others in GRAPH.items():
        if name != DOOR:
            rooms[room(name)] |= {room(other) for other in others} - {room(name), DOOR}
    heights = {}
    for name in TopologicalSorter(rooms).static_order():
        heights[name] = 1 + max((heights[other] for other in rooms[name]), default=0)
    assert max(heights.values()) <= 12
    assert {name: heights[name] for name in FLOOR} == FLOOR


def test_modules_import_each_other_in_no_circle():
    assert circle(GRAPH) is None


def test_few_modules_stand_beside_the_folders():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "__main__", "api"}


def test_no_file_grows_beyond_what_is_one_idea():
    assert not [name for name, path in MODULES.items() if len(path.read_text("utf-8").splitlines()) > 450]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("from aezoo.parts import KL", "aezoo.parts"),
        ("import aezoo.training.trainer", "aezoo.training.trainer"),
        ("def f():\n    from aezoo import data", "aezoo.data"),
        ("from aezoo.core import files", "aezoo.core.files"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from aezoo.runs.run import Run", "aezoo.runs.run"),
        ("from aezoo import train", "aezoo"),
    ],
)
def test_imports_are_seen_wherever_they_stand(text, target):
    assert list(imported(text, MODULES)) == [target]


def test_a_circle_is_seen():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) is not None
