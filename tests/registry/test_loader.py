"""The loader: every hook is called; a broken, greedy or misspelled plugin harms only itself."""

import importlib.metadata
import inspect
import sys
import types

import click
import pytest
from pydantic import ConfigDict

import aezoo
from aezoo import registry
from aezoo.config import Config
from aezoo.errors import PluginError, UnknownNameError
from aezoo.options import ModelConfig
from aezoo.registry import DatasetEntry, Inspection, Lookup, Model, Part, hookspecs
from aezoo.registry.plugins import HOOKS, Plugins
from aezoo.training import Events

SPECS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("aezoo_")}
EVENTS = {
    "aezoo_train_start": {"run": "R"},
    "aezoo_epoch_end": {"run": "R", "metrics": {"loss": 1.0}},
    "aezoo_train_end": {"run": "R", "results": {"loss": 2.0}},
}


class Options(Config):
    """Nothing."""


class Loose(ModelConfig):
    model_config = ConfigDict(extra="allow")


class Thawed(ModelConfig):
    model_config = ConfigDict(frozen=False)


def entry_for(kind, name):
    made = {
        "model": lambda: Model(name, ModelConfig, print),
        "dataset": lambda: DatasetEntry(name, print, Options),
        "inspection": lambda: Inspection(name, print, Options),
    }
    return made.get(kind, lambda: Part(name, print, Options))()


def nothing():
    return []


def module(**hooks):
    """A plugin's module, its hooks marked."""
    made = types.ModuleType("plugin_made_by_a_test")
    for name, function in hooks.items():
        setattr(made, name, aezoo.hookimpl(function))
    return made


@pytest.fixture
def installed(monkeypatch):
    """Pretends that distributions are installed: ``installed({"plugin": (distribution, module or source)})``."""
    monkeypatch.delenv("AEZOO_DISABLE_PLUGINS", raising=False)

    def install(found):
        points = []
        for name, (distribution, content) in found.items():
            target = f"fake_{name.replace('-', '_')}"
            if isinstance(content, types.ModuleType):
                monkeypatch.setitem(sys.modules, target, content)
            point = importlib.metadata.EntryPoint(name, target, "aezoo")
            if distribution:
                vars(point).update(dist=types.SimpleNamespace(name=distribution, version="1.2"))
            points.append(point)
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points if group == "aezoo" else [])
        return Plugins()

    return install


def one(**hooks):
    return {"mine": ("aezoo-mine", module(**hooks))}


# ---------------------------------------------------------------- every hook


@pytest.mark.parametrize("name", SPECS)
def test_every_hook_says_what_it_is_for(name):
    assert len((inspect.getdoc(SPECS[name]) or "").split()) >= 8


def test_hooks_and_kinds_are_the_whole_specification():
    assert {*HOOKS.values(), *EVENTS, "aezoo_commands"} == set(SPECS)


@pytest.mark.parametrize("kind", HOOKS)
def test_a_hooks_entries_are_found_and_know_where_they_come_from(kind, installed):
    plugins = installed(one(**{HOOKS[kind]: lambda: [entry_for(kind, "shiny"), entry_for(kind, "dull")]}))
    found = Lookup(kind, plugins)
    assert list(found) == ["shiny", "dull"]
    assert (found["shiny"].plugin, found["shiny"].distribution) == ("mine", "aezoo-mine")
    others = [other for other in HOOKS if other != kind]
    assert not any(len(Lookup(other, plugins)) for other in others)


@pytest.mark.parametrize("kind", HOOKS)
def test_a_hook_may_yield_or_return_nothing(kind, installed):
    def generates():
        yield entry_for(kind, "shiny")

    assert list(Lookup(kind, installed(one(**{HOOKS[kind]: generates})))) == ["shiny"]
    plugins = installed(one(**{HOOKS[kind]: lambda: None}))
    assert list(Lookup(kind, plugins)) == []
    assert not next(iter(plugins)).error


def test_the_commands_hook_gives_commands_when_asked(installed):
    called = []

    def commands():
        called.append(1)
        yield click.Command("wave")

    plugins = installed(one(aezoo_commands=commands))
    list(plugins)
    assert not called
    ((plugin, command),) = plugins.commands()
    assert (plugin.name, command.name) == ("mine", "wave")


def test_a_commands_hook_that_fails_is_recorded_and_passed_over(installed):
    def fails():
        raise RuntimeError("no terminal")

    found = {**one(aezoo_commands=fails), "two": ("d", module(aezoo_commands=lambda: [click.Command("wave")]))}
    plugins = installed(found)
    assert [command.name for _, command in plugins.commands()] == ["wave"]
    assert next(iter(plugins)).error == "RuntimeError: no terminal"


@pytest.mark.parametrize("hook", EVENTS)
@pytest.mark.parametrize("asks", ["all", "run", "nothing"])
def test_a_training_event_reaches_plugins_and_trackers_with_what_they_ask_for(hook, asks, installed, monkeypatch):
    heard = []
    listeners = {
        "all": {
            "aezoo_train_start": lambda run: heard.append((run,)),
            "aezoo_epoch_end": lambda run, metrics: heard.append((run, metrics)),
            "aezoo_train_end": lambda run, results: heard.append((run, results)),
        }[hook],
        "run": lambda run: heard.append((run,)),
        "nothing": lambda: heard.append(()),
    }
    monkeypatch.setattr(registry, "plugins", installed(one(**{hook: listeners[asks]})))
    tracker = types.SimpleNamespace(**{hook: listeners[asks]})
    warnings = []
    Events([tracker], warnings.append).call(hook, **EVENTS[hook])
    wanted = {"all": tuple(EVENTS[hook].values()), "run": ("R",), "nothing": ()}[asks]
    assert heard == [wanted, wanted]
    assert not warnings


def test_a_listener_that_fails_is_said_once_and_left_out(installed, monkeypatch):
    heard, warnings = [], []

    def fails(run):
        heard.append("bad")
        raise OSError("disk full")

    def listens(run):
        heard.append("good")

    monkeypatch.setattr(registry, "plugins", installed(one(aezoo_train_start=fails)))
    events = Events([types.SimpleNamespace(aezoo_train_start=listens)], warnings.append)
    events.call("aezoo_train_start", run="R")
    events.call("aezoo_train_start", run="R")
    assert heard == ["bad", "good", "good"]
    (warning,) = warnings
    assert "failed in aezoo_train_start and is left out: OSError: disk full" in warning


# ---------------------------------------------------------------- plugins that are broken


def healthy():
    return "aezoo-good", module(aezoo_priors=lambda: [entry_for("prior", "good")])


def raises(error):
    def hook():
        yield entry_for("prior", "half")
        raise error

    return hook


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("not there", "failed to import: ModuleNotFoundError: No module named 'fake_bad'"),
        (module(aezoo_modles=nothing), "aezoo_modles is no hook of aezoo; did you mean aezoo_models?"),
        (module(aezoo_zzz=nothing), "aezoo_zzz is no hook of aezoo."),
        (module(aezoo_priors=lambda colour: []), "colour"),
        (module(aezoo_priors=raises(ValueError("two\nlines"))), "ValueError: two lines"),
        (module(aezoo_priors=raises(SystemExit("bye"))), "SystemExit: bye"),
        (module(aezoo_priors=lambda: ["l1"]), "aezoo_priors gave 'l1', which is no aezoo.Part"),
        (module(aezoo_models=lambda: [Part("p", print, Options)]), "which is no aezoo.Model"),
        (module(aezoo_datasets=lambda: [Part("p", print, Options)]), "which is no aezoo.DatasetEntry"),
        (module(aezoo_inspections=lambda: [Part("p", print, Options)]), "which is no aezoo.Inspection"),
        (module(aezoo_priors=lambda: [Part("two words", print)]), "the name 'two words': use letters"),
        (module(aezoo_priors=lambda: [Part("", print)]), "gave the name ''"),
        (module(aezoo_priors=lambda: [Part(3, print)]), "gave the name 3"),
        (
            module(aezoo_models=lambda: [Model("m", Options, print)]),
            "of model 'm' must extend aezoo.ModelConfig",
        ),
        (module(aezoo_models=lambda: [Model("m", Loose, print)]), "extra keys forbidden"),
        (module(aezoo_models=lambda: [Model("m", Thawed, print)]), "stay frozen"),
    ],
)
def test_a_broken_plugin_is_recorded_and_harms_nobody_else(content, reason, installed):
    plugins = installed({"bad": ("aezoo-bad", content), "good": healthy()})
    bad, good = plugins
    assert reason in bad.error
    assert "\n" not in bad.error
    assert bad.title == "plugin 'bad' (aezoo-bad 1.2)"
    assert not bad.entries
    assert not good.error
    priors = Lookup("prior", plugins)
    assert list(priors) == ["good"]
    with pytest.raises(UnknownNameError, match=r"plugin 'bad' \(aezoo-bad 1.2\) could not be used and may provide it"):
        priors["half"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise SystemExit(3)", "failed to import: SystemExit: 3"),
        ("import aezoo_needs_this", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
        ("1/0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_plugin_that_fails_while_it_is_imported_does_not_end_the_process(
    source, reason, installed, tmp_path, monkeypatch
):
    (tmp_path / "fake_bad.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    bad, good = installed({"bad": ("aezoo-bad", "file"), "good": healthy()})
    assert reason in bad.error
    assert good.entries["prior"]


def test_what_a_plugin_prints_while_it_is_imported_stays_out_of_the_output(installed, tmp_path, monkeypatch, capsys):
    (tmp_path / "fake_loud.py").write_text("print('hello')")
    monkeypatch.syspath_prepend(tmp_path)
    (loud,) = installed({"loud": ("aezoo-loud", "file")})
    assert not loud.error
    assert capsys.readouterr() == ("", "hello\n")


def test_a_plugin_is_loaded_once_and_the_core_first(installed):
    calls = []

    def counted():
        calls.append(1)
        return []

    plugins = installed({**one(aezoo_priors=counted), "core": ("aezoo", module())})
    assert [plugin.name for plugin in plugins] == ["core", "mine"]
    list(plugins)
    list(plugins.entries("prior"))
    assert calls == [1]


def test_an_entry_point_without_a_distribution_is_taken(installed):
    (plugin,) = installed({"mine": (None, module(aezoo_priors=lambda: [entry_for("prior", "good")]))})
    assert plugin.entries["prior"][0].distribution == "unknown distribution"


def test_two_distributions_may_call_their_plugins_alike(installed, monkeypatch):
    plugins = installed({"mine": ("one", module(aezoo_priors=lambda: [entry_for("prior", "a")]))})
    points = importlib.metadata.entry_points(group="aezoo")
    other = importlib.metadata.EntryPoint("mine", "fake_other", "aezoo")
    vars(other).update(dist=types.SimpleNamespace(name="two", version=""))
    monkeypatch.setitem(sys.modules, "fake_other", module(aezoo_priors=lambda: [entry_for("prior", "b")]))
    points.append(other)
    assert list(Lookup("prior", plugins)) == ["a", "b"]
    assert [plugin.title for plugin in plugins] == ["plugin 'mine' (one 1.2)", "plugin 'mine' (two)"]


# ---------------------------------------------------------------- leaving plugins out, and taking them in


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("", ["ours", "mine", "good"]),
        ("mine", ["ours", "good"]),
        ("aezoo-mine", ["ours", "good"]),
        ("mine, good", ["ours"]),
        ("all", ["ours"]),
        ("aezoo", ["mine", "good"]),
        ("all,aezoo", []),
        ("no-such", ["ours", "mine", "good"]),
    ],
)
def test_plugins_are_left_out_by_name_or_distribution(value, left, installed, monkeypatch):
    found = {
        "ours": ("aezoo", module(aezoo_priors=lambda: [entry_for("prior", "ours")])),
        "mine": ("aezoo-mine", module(aezoo_priors=lambda: [entry_for("prior", "mine")])),
        "good": ("aezoo-good", module(aezoo_priors=lambda: [entry_for("prior", "good")])),
    }
    plugins = installed(found)
    monkeypatch.setenv("AEZOO_DISABLE_PLUGINS", value)
    assert list(Lookup("prior", plugins)) == left
    assert [plugin.name for plugin in plugins if not plugin.disabled] == left
    assert not any(plugin.error for plugin in plugins)


def test_a_disabled_plugin_is_not_even_imported(installed, tmp_path, monkeypatch):
    (tmp_path / "fake_bad.py").write_text("1/0")
    monkeypatch.syspath_prepend(tmp_path)
    plugins = installed({"bad": ("aezoo-bad", "file")})
    monkeypatch.setenv("AEZOO_DISABLE_PLUGINS", "bad")
    (bad,) = plugins
    assert bad.disabled
    assert not bad.error


def test_an_object_with_hooks_registers_for_this_process(installed):
    class Mine:
        @aezoo.hookimpl
        def aezoo_priors(self):
            return [entry_for("prior", "shiny")]

    plugins = installed({"good": healthy()})
    plugin = plugins.register(Mine())
    assert (plugin.name, plugin.distribution) == ("Mine", "this process")
    assert list(Lookup("prior", plugins)) == ["good", "shiny"]
    with pytest.raises(PluginError, match="aezoo_prior is no hook of aezoo; did you mean aezoo_priors"):
        plugins.register(module(aezoo_prior=nothing), "wrong")
    assert [each.name for each in plugins] == ["good", "Mine"]


def test_ours_are_all_loaded_without_a_fault():
    ours = [plugin for plugin in registry.plugins if plugin.distribution == "aezoo"]
    assert {plugin.name for plugin in ours} >= {
        "core", "undercomplete", "sparse", "denoising", "contractive", "variational"
    }  # fmt: skip
    assert not [plugin.error for plugin in ours if plugin.error]


class Opaque:
    """No type that options can have."""


class Hopeless(ModelConfig):
    thing: Opaque | None = None


@pytest.mark.parametrize("kind", ["model", "regularizer"])
def test_options_that_cannot_be_read_are_the_plugins_error_at_once(kind, installed):
    entry = Model("shiny", Hopeless, print) if kind == "model" else Part("shiny", print, Hopeless)
    plugins = installed(one(**{HOOKS[kind]: lambda: [entry]}))
    (plugin,) = plugins
    assert "Opaque" in plugin.error
    assert not list(plugins.entries(kind))
