"""The frame of ``aezoo inspect`` and ``aezoo.inspect``: which inspections run, on what, and what they leave behind."""

from __future__ import annotations

import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import Field

import aezoo
from aezoo import registry
from aezoo.core.config import Config
from aezoo.errors import CapabilityError, PluginError, UsageError
from aezoo.inspection import Finding, Subject, look
from aezoo.registry import Inspection, hookimpl
from aezoo.registry.lookup import Lookup
from aezoo.registry.plugins import Plugin, Plugins


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
    assert not (run / "inspect").exists()


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


class LevelText(Config):
    level: str = Field("low", description="a level")


@pytest.mark.parametrize(
    ("figures", "plain"),
    [
        ({"a": np.float32(1.5), "b": np.arange(3), "c": torch.tensor(2.0)}, {"a": 1.5, "b": [0, 1, 2], "c": 2.0}),
        ({"a": float("nan"), "b": [float("inf"), (1, True)]}, {"a": None, "b": [None, [1, True]]}),
        ({"a": {3: "x"}, "b": None}, {"a": {"3": "x"}, "b": None}),
    ],
)
def test_figures_are_what_json_knows(cli, run, inspections, figures, plain):
    inspections(Inspection("mine", lambda subject, options: Finding(figures)))
    result = cli("inspect", run, "--mine", "--json")
    answer = json.loads(result.out, parse_constant=pytest.fail)["mine"]
    assert {key: answer[key] for key in plain} == plain
    assert json.loads((run / "inspect" / "mine.json").read_text(), parse_constant=pytest.fail)["figures"] == plain


def unreadable():
    from aezoo.plots.canvas import new_figure

    picture = new_figure(1, 1)
    picture.suptitle(r"$\nosuch{$")
    return picture


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (lambda: Finding({"a": object()}), "found a object among its figures, which JSON does not know"),
        (lambda: Finding([1]), "found figures that are no dict but list"),
        (lambda: Finding({}, "picture"), "found a picture that is no matplotlib Figure but str"),
        (lambda: Finding({}, unreadable()), "the picture of inspection 'mine' cannot be drawn: ValueError"),
        (lambda: sys.exit(3), "failed: SystemExit: 3."),
    ],
)
def test_what_is_no_finding_is_refused_in_one_line_and_leaves_nothing(cli, run, inspections, found, words):
    inspections(Inspection("mine", lambda subject, options: found(), plugin="mine"))
    result = cli("inspect", run, "--mine")
    assert result.status == 1
    assert words in result.err
    assert result.err.count("\n") == 1
    assert not list((run / "inspect").glob("*"))


def interrupt(subject, options):
    raise KeyboardInterrupt


def test_an_interrupt_keeps_what_was_written(cli, run, inspections):
    inspections(Inspection("draw", draw), Inspection("stop", interrupt))
    result = cli("inspect", run, "--all")
    assert result.status == 130
    assert result.err.strip() == "aezoo: error: interrupted; what was written before stays"
    assert [path.name for path in (run / "inspect").iterdir()] == ["draw.json"]


def test_all_survives_an_inspection_that_fails(cli, run, inspections):
    inspections(Inspection("crash", crash), Inspection("count", count, CountOptions))
    result = cli("inspect", run, "--all")
    assert result.status == 0
    assert "crash is left out: inspection 'crash'" in result.err
    assert (run / "inspect" / "count.json").exists()


def test_options_are_refused_before_anything_is_looked_at(cli, run, inspections):
    inspections(Inspection("draw", draw), Inspection("count", count, CountOptions))
    assert cli("inspect", run, "--draw", "--count", "--rows", "0").status == 2
    assert not (run / "inspect").exists()


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_place_that_is_no_folder_is_named(cli, run, inspections, tmp_path, out):
    (tmp_path / "file").write_text("")
    result = cli("inspect", run, "--count", "--out", out)
    assert result.status == 1
    assert f"{out} cannot be written" in result.err
    assert "choose another place" in result.err


def test_a_picture_of_an_earlier_look_does_not_stay(cli, run, inspections):
    assert cli("inspect", run, "--count").status == 0
    inspections(Inspection("count", draw))
    assert cli("inspect", run, "--count").status == 0
    assert [path.name for path in (run / "inspect").iterdir()] == ["count.json"]


def test_two_plugins_with_one_name_are_told_without_a_warning(cli, run, inspections):
    inspections(Inspection("draw", draw), Inspection("count", count), Inspection("count", draw))
    assert cli("inspect", run, "--draw").status == 0
    result = cli("inspect", run, "--count")
    assert result.status == 1
    assert "inspection 'count' is registered by" in result.err


def test_an_unknown_flag_comes_with_the_plugins_that_cannot_be_used(cli, run, monkeypatch):
    broken = Plugin("mine", "aezoo-mine", error="failed to import")
    monkeypatch.setattr(registry.plugins, "_found", [*registry.plugins, broken])
    result = cli("inspect", run, "--zoom")
    assert result.status == 2
    assert "plugin 'mine' (aezoo-mine) is left out: failed to import" in result.err


def test_the_text_labels_of_a_table_are_the_names_of_its_classes(cli, tmp_path):
    rows = [f"{i % 7},{i % 3},{'cat' if i % 2 else 'dog'}" for i in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,kind", *rows]))
    aezoo.train("undercomplete", f"{tmp_path}/table.csv,label=kind", epochs=1, latent_dim=1, out=tmp_path / "run")
    found = aezoo.inspect(tmp_path / "run", "classes", split="all")
    assert found.figures["rows_of"] == {"cat": 30, "dog": 30}


def test_a_run_that_is_overwritten_loses_what_was_seen_in_it(cli, run, inspections):
    cli("inspect", run, "--count")
    result = cli("train", "--model", "vae", "--epochs", "1", "--out", run, "--overwrite")
    assert result.status == 0, result.err
    assert not list((run / "inspect").iterdir())


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            [Inspection("a", draw, DrawOptions), Inspection("b", draw, LevelText)],
            "inspection 'b' has an option 'level' of another type than that of inspection 'a'",
        ),
        (
            [Inspection("a", draw, DrawOptions), Inspection("level", draw)],
            "inspection 'a' has an option 'level', and an inspection is called 'level'",
        ),
    ],
)
def test_inspections_that_one_command_cannot_tell_apart_are_refused(entries, words):
    one, two = (SimpleNamespace(aezoo_inspections=hookimpl(lambda entry=entry: [entry])) for entry in entries)
    plugins = Plugins()
    plugins.register(one, "one")
    with pytest.raises(PluginError, match=words):
        plugins.register(two, "two")
    with pytest.raises(PluginError, match=words):
        Plugins().register(SimpleNamespace(aezoo_inspections=hookimpl(lambda: entries)), "both")


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
