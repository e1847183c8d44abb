"""The frame of ``aezoo inspect`` and ``aezoo.inspect``: which inspections run, on what, and what they leave behind."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from pydantic import Field

import aezoo
from aezoo import registry
from aezoo.config import Config
from aezoo.errors import CapabilityError, PluginError, UsageError
from aezoo.inspection import Finding, Subject, look
from aezoo.registry import Inspection, hookimpl
from aezoo.registry.lookup import Lookup
from aezoo.registry.plugins import Plugins


class CountOptions(Config):
    rows: int = Field(5, ge=1, description="rows looked at")


class DrawOptions(Config):
    rows: int = Field(7, ge=1, description="rows looked at")
    level: float = Field(0.5, description="a level")


def count(subject, options):
    from aezoo.plots.canvas import new_figure

    picture = new_figure(1, 1)
    picture.add_subplot().plot([0, options.rows])
    return Finding({"rows": len(subject.rows), "asked": options.rows, "all": [1, 2]}, picture)


def draw(subject, options):
    return Finding({"drawn": float(torch.rand(()))})


def refuse(subject, options):
    raise CapabilityError("refuse needs something else: use another.")


def crash(subject, options):
    raise ZeroDivisionError("by zero")


def confuse(subject, options):
    return {"not": "a finding"}


class Known(list):
    """Stands for the plugins of an installation."""

    def entries(self, kind):
        return list(super().__iter__()) if kind == "inspection" else []

    def __iter__(self):
        return iter(())


@pytest.fixture
def inspections(monkeypatch):
    """A registry that knows a few inspections of our own."""

    def install(*entries):
        monkeypatch.setattr(registry, "inspections", Lookup("inspection", Known(entries)))

    install(
        Inspection("count", count, CountOptions, summary="Counts rows."),
        Inspection("draw", draw, DrawOptions, summary="Draws a number."),
        Inspection("refuse", refuse, summary="Never fits."),
    )
    return install


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained / "vae", tmp_path / "vae")


def test_figures_and_picture_go_into_the_runs_folder(cli, run, inspections):
    result = cli("inspect", run, "--count", "--rows", "3")
    assert result.status == 0, result.err
    assert "asked" in result.out
    assert (run / "inspect" / "count.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((run / "inspect" / "count.json").read_text())
    assert found["figures"] == {"rows": 359, "asked": 3, "all": [1, 2]}
    assert found["options"] == {"rows": 3}
    assert (found["inspection"], found["split"], found["seed"]) == ("count", "test", 0)


def test_json_holds_every_figure_and_the_files(cli, run, inspections, tmp_path):
    result = cli("inspect", run, "--count", "--draw", "--json", "--split", "train", "--out", tmp_path / "here")
    answer = json.loads(result.out)
    assert answer["count"]["rows"] == 1295
    assert answer["count"]["files"] == [str(tmp_path / "here" / "count.json"), str(tmp_path / "here" / "count.png")]
    assert answer["draw"]["files"] == [str(tmp_path / "here" / "draw.json")]


def test_all_leaves_out_what_does_not_fit_and_says_so(cli, run, inspections):
    result = cli("inspect", run, "--all")
    assert result.status == 0
    assert "refuse is left out: refuse needs something else" in result.err
    assert sorted(path.name for path in (run / "inspect").iterdir()) == ["count.json", "count.png", "draw.json"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say what to look at: --count, --draw, --refuse, or --all"),
        (("--refuse",), "refuse needs something else"),
        (("--count", "--level", "1"), "--level changes nothing in count: it is an option of draw"),
        (("--count", "--rows", "0"), "inspection 'count': rows: input should be greater than or equal to 1"),
        (("--count", "--rows", "x"), "rows"),
        (("--cuont",), "cuont"),
        (("--count", "--split", "tset"), "tset"),
    ],
)
def test_misuse_gets_one_line_and_status_2(cli, run, inspections, arguments, words):
    result = cli("inspect", run, *arguments)
    assert result.status == 2
    assert words in result.err
    assert result.err.count("\n") == 1
    assert not (run / "inspect").exists() or not list((run / "inspect").iterdir())


def test_from_python_by_run_folder_or_memory_and_nothing_is_written(run, inspections):
    found = aezoo.inspect(run, "count", rows=4)
    assert found.figures["asked"] == 4
    assert found.picture is not None
    assert not (run / "inspect").exists()
    fresh = aezoo.train("undercomplete", "digits", epochs=1)
    assert aezoo.inspect(fresh, "count", split="all").figures["rows"] == 1797


def test_draws_follow_the_seed_and_leave_the_callers_stream(run, inspections):
    model = aezoo.load(run)
    subject = Subject(model, *[None] * 2, seed=3)
    torch.manual_seed(1)
    first = look(subject, "draw").figures
    after = torch.rand(())
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(()))
    assert look(subject, "draw").figures == first
    assert look(Subject(model, *[None] * 2, seed=4), "draw").figures != first


def test_unknown_names_and_plugins_that_fail_are_named(run, inspections):
    model = Subject(aezoo.load(run), *[None] * 2)
    with pytest.raises(UsageError, match="no inspection 'cuont'; did you mean 'count'"):
        look(model, "cuont")
    with pytest.raises(UsageError, match="no split 'tset'; did you mean 'test'"):
        aezoo.inspect(run, "count", split="tset")
    inspections(Inspection("crash", crash, plugin="mine", distribution="aezoo-mine"))
    with pytest.raises(PluginError, match=r"'crash' of plugin 'mine' .* failed: ZeroDivisionError: by zero"):
        look(model, "crash")
    inspections(Inspection("confuse", confuse))
    with pytest.raises(PluginError, match="returned dict, no aezoo"):
        look(model, "confuse")


def test_a_run_that_is_overwritten_loses_what_was_seen_in_it(cli, run, inspections):
    cli("inspect", run, "--count")
    result = cli("train", "--model", "vae", "--epochs", "1", "--out", run, "--overwrite")
    assert result.status == 0, result.err
    assert not list((run / "inspect").iterdir())


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        (Inspection("all", count), "'all'"),
        (Inspection("mine", count, type("Taken", (Config,), {"__annotations__": {"seed": int}, "seed": 1})), "'seed'"),
    ],
)
def test_names_that_the_command_has_itself_are_refused(entry, word):
    with pytest.raises(PluginError, match=f"inspection '{entry.name}' uses the name {word}"):
        Plugins().register(SimpleNamespace(aezoo_inspections=hookimpl(lambda: [entry])), "mine")


def test_every_registered_inspection_describes_itself():
    for entry in registry.inspections.find():
        assert entry.summary.endswith(".")
        assert callable(entry.resolve())
        for name, field in entry.options.model_fields.items():
            assert field.description, (entry.name, name)


def test_an_option_has_one_type_in_all_inspections():
    types = {}
    for entry in registry.inspections.find():
        for name, field in entry.options.model_fields.items():
            types.setdefault(name, set()).add(str(field.annotation).replace("typing.Optional", ""))
    assert all(len(found) == 1 for found in types.values()), types
