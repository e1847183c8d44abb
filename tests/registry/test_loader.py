"""The loader: every hook is called; a broken, greedy or misspelled plugin harms only itself."""

import importlib.metadata
import inspect
import sys
import types

import click
import pytest
from pydantic import BaseModel, ConfigDict, Field

import aezoo
from aezoo import registry
from aezoo.core.config import Choice, Config
from aezoo.core.options import ModelConfig
from aezoo.errors import PluginError, UnknownNameError
from aezoo.registry import DatasetEntry, Inspection, Lookup, Model, Part, hookspecs
from aezoo.registry.plugins import HOOKS, Plugins
from aezoo.training import Events

SPECS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("aezoo_")}
EVENTS = {
    "aezoo_train_start": {"run": "R"},
    "aezoo_steps_end": {"run": "R", "metrics": {"loss": 1.0}},
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
            "aezoo_steps_end": lambda run, metrics: heard.append((run, metrics)),
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


class Stop(BaseException):
    """What nobody who catches exceptions catches."""


class MuteError(Exception):
    def __str__(self):
        raise TypeError


def endless():
    while True:
        yield Part("p", print, Options)


class Lenient(ModelConfig):
    model_config = ConfigDict(strict=False)


class LooseOptions(Config):
    model_config = ConfigDict(extra="ignore")


class Misdirected(ModelConfig):
    part: Choice = Field(Choice(name="normal"), json_schema_extra={"kind": "pr"})


def no_default():
    raise ZeroDivisionError("no default today")


class Unmade(ModelConfig):
    thing: int = Field(default_factory=no_default)


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
        (module(aezoo_models=lambda: [Model("m", Lenient, print)]), "frozen and strict"),
        (module(aezoo_priors=lambda: [Part("p", print, BaseModel)]), "config of 'p' must extend aezoo.Config"),
        (module(aezoo_priors=lambda: [Part("p", print, LooseOptions)]), "extra keys forbidden"),
        (module(aezoo_priors=lambda: [Part("p", print, {"strength": 1})]), "config of 'p' must extend aezoo.Config"),
        (
            module(aezoo_models=lambda: [Model("m", Misdirected, print)]),
            "of 'm' names a part of kind 'pr'",
        ),
        (module(aezoo_models=lambda: [Model("m", Unmade, print)]), "ZeroDivisionError: no default today"),
        (module(aezoo_models=lambda: Model("m", ModelConfig, print)), "aezoo_models returned a lone Model: it must"),
        (module(aezoo_priors=lambda: "l1"), "aezoo_priors returned 'l1': it must return a list, or yield"),
        (module(aezoo_priors=lambda: {"l1": 1}), "aezoo_priors returned {'l1': 1}: it must return a list"),
        (module(aezoo_priors=lambda: 7), "aezoo_priors returned 7: it must return a list"),
        (module(aezoo_priors=endless), "aezoo_priors gives more than 1000 entries, and perhaps never ends"),
        (module(aezoo_priors=lambda: [Part("p", print), Part("p", print)]), "gave the name 'p' twice"),
        (module(aezoo_priors=lambda: [Part("../up", print)]), "gave the name '../up'"),
        (module(aezoo_priors=lambda: [Part("-p", print)]), "gave the name '-p'"),
        (module(aezoo_priors=lambda: [Part("a\nb", print)]), "gave the name 'a\\nb'"),
        (module(aezoo_priors=lambda: [Part("p" * 65, print)]), "64 at most"),
        (module(aezoo_priors=lambda: [Part("p", print, summary=3)]), "the summary of 'p' must be a text (got 3)"),
        (module(aezoo_priors=lambda: [Part("p", print, family=["a"])]), "the family of 'p' must be a text"),
        (module(aezoo_priors=lambda: [Part("p", print, references=[2004])]), "the references of 'p' must be texts"),
        (
            module(aezoo_priors=lambda: [Part("p", print, summary="\ud800")]),
            "the summary of 'p' holds half",
        ),
        (module(aezoo_priors=raises(Stop("at once"))), "Stop: at once"),
        (module(aezoo_priors=raises(MuteError())), "MuteError: no message"),
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
    with pytest.raises((UnknownNameError, PluginError), match=r"plugin 'bad' \(aezoo-bad 1.2\)[ ,].* be used"):
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


@pytest.mark.parametrize("hook", ["aezoo_models", "aezoo_priors"])
def test_a_name_that_a_refused_plugin_gave_is_its_error_and_names_it(hook, installed):
    def gives():
        yield Model("half", ModelConfig, print) if hook == "aezoo_models" else Part("half", print, Options)
        raise ValueError("then this")

    plugins = installed({**one(**{hook: gives}), "other": ("aezoo-other", module(aezoo_priors=lambda: 7))})
    kind = "model" if hook == "aezoo_models" else "prior"
    with pytest.raises(PluginError, match=rf"{kind} 'half' is of plugin 'mine' .aezoo-mine 1.2., which .* then this"):
        Lookup(kind, plugins)["half"]
    with pytest.raises(UnknownNameError, match=r"plugin 'other' .aezoo-other 1.2. could not be used and may provide"):
        Lookup(kind, plugins)["other"]
    with pytest.raises(
        UnknownNameError, match=r"left out, .* plugin 'mine' .aezoo-mine 1.2., plugin 'other' .aezoo-oth"
    ):
        Lookup(kind, plugins)["zzz"]


def test_ctrl_c_while_a_plugin_is_imported_is_obeyed_and_says_which(installed, tmp_path, monkeypatch, capsys):
    (tmp_path / "fake_long.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    plugins = installed({"long": ("aezoo-long", "file")})
    with pytest.raises(KeyboardInterrupt):
        list(plugins)
    assert "interrupted while plugin 'long' (aezoo-long 1.2) was imported" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("requires", "fits"),
    [
        (None, True),
        (["aezoo"], True),
        (["aezoo>=0.1", "torch>=99"], True),
        (["aezoo-other>=99", "aezoo_other>=99"], True),
        (["aezoo>=99"], False),
        (["torch", "Aezoo[test] (>=99,<100)"], False),
        (["aezoo<0.0.1"], False),
        (["aezoo>=99; extra == 'future'"], True),
        (["aezoo>=99; python_version >= '3'"], False),
        (["aezoo>=what"], True),
    ],
)
def test_a_plugin_for_another_version_of_aezoo_is_not_even_imported(requires, fits, installed, tmp_path, monkeypatch):
    (tmp_path / "fake_ahead.py").write_text("1/0")
    monkeypatch.syspath_prepend(tmp_path)
    plugins = installed({"ahead": ("aezoo-ahead", "file")})
    (point,) = importlib.metadata.entry_points(group="aezoo")
    point.dist.requires = requires
    (plugin,) = plugins
    assert ("ZeroDivisionError" in plugin.error) == fits
    assert fits or plugin.error.startswith("needs ")
    assert fits or f"this is aezoo {aezoo.__version__}" in plugin.error


def test_how_long_an_import_takes_is_known_and_slow_is_a_second(installed, tmp_path, monkeypatch):
    (tmp_path / "fake_slow.py").write_text("import time; time.sleep(0.06)")
    monkeypatch.syspath_prepend(tmp_path)
    slow, good = installed({"slow": ("aezoo-slow", "file"), "good": healthy()})
    assert 0.06 <= slow.seconds < 1
    assert good.seconds < slow.seconds
    assert not slow.is_slow
    slow.seconds = 1.0
    assert slow.is_slow
    slow.distribution = "aezoo"
    assert not slow.is_slow


class Implying(ModelConfig):
    noise: Choice = Field(Choice(name="quiet"), json_schema_extra={"kind": "corruption"})


@pytest.mark.parametrize(
    ("kind", "name", "refused"),
    [
        ("corruption", "quiet", True),
        ("network", "mlp", True),
        ("activation", "relu", True),
        ("likelihood", "gaussian", True),
        ("dataset", "digits", True),
        ("corruption", "mlp", False),
        ("network", "other", False),
        ("model", "ours", False),
    ],
)
def test_a_name_that_our_models_use_unasked_is_not_for_strangers(kind, name, refused, installed):
    ours = module(aezoo_models=lambda: [Model("ours", Implying, print)])
    found = {
        "theirs": ("aezoo-theirs", module(**{HOOKS[kind]: lambda: [entry_for(kind, name)]})),
        "ours": ("aezoo", ours),
    }
    plugins = installed(found)
    first, second = plugins
    assert (first.name, first.error) == ("ours", "")
    assert second.error == (
        f"{kind} {name!r} has a name that models of aezoo use unasked: give it another name." if refused else ""
    )
    assert len(Lookup(kind, plugins).find(name=name, distribution="aezoo-theirs")) == (not refused)


class Broken:
    """A distribution without readable metadata."""

    _path = "/site/aezoo_broken-2.0.dist-info"

    @property
    def name(self):
        raise TypeError("no METADATA")

    version = requires = name


def test_a_distribution_without_metadata_goes_by_the_name_of_its_folder(installed):
    plugins = installed(one(aezoo_priors=lambda: [entry_for("prior", "good")]))
    (point,) = importlib.metadata.entry_points(group="aezoo")
    vars(point).update(dist=Broken())
    (plugin,) = plugins
    assert plugin.title == "plugin 'mine' (aezoo_broken 2.0)"
    assert plugin.entries["prior"][0].distribution == "aezoo_broken"


def test_ours_are_loaded_before_strangers_whatever_they_are_called(installed):
    found = {"core": ("aezoo-greedy", module()), "a": ("aezoo", module()), "z": ("aezoo", module())}
    assert [plugin.distribution for plugin in installed(found)] == ["aezoo", "aezoo", "aezoo-greedy"]


@pytest.mark.parametrize("hook", EVENTS)
def test_a_tracker_hears_and_does_not_meddle(hook, monkeypatch, installed):
    import torch

    def meddles(self, run, **told):
        torch.manual_seed(3)
        torch.set_grad_enabled(False)
        for figures in told.values():
            figures.clear()

    def takes_part(run, metrics=None, results=None):
        meddles(None, run, told=metrics or results or {})

    monkeypatch.setattr(registry, "plugins", installed({}))
    torch.manual_seed(11)
    wanted = torch.rand(3)
    torch.manual_seed(11)
    given = {key: dict(value) if isinstance(value, dict) else value for key, value in EVENTS[hook].items()}
    names = list(EVENTS[hook])
    scope = {"takes_part": takes_part}
    exec(f"def tracker({', '.join(names)}): takes_part({', '.join(f'{n}={n}' for n in names)})", scope)
    warnings = []
    Events([types.SimpleNamespace(**{hook: scope["tracker"]})], warnings.append).call(hook, **given)
    assert not warnings
    assert given == EVENTS[hook]
    assert torch.is_grad_enabled()
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("error", [SystemExit("bye"), RecursionError("deep"), "stop"])
def test_a_listener_may_fail_in_any_way_and_is_named(error, installed, monkeypatch):
    def fails(run):
        raise Stop("now") if error == "stop" else error

    def begins(run):
        yield
        raise LookupError("in the middle")

    monkeypatch.setattr(registry, "plugins", installed(one(aezoo_train_start=fails)))
    warnings = []
    events = Events([types.SimpleNamespace(aezoo_train_start=begins)], warnings.append)
    events.call("aezoo_train_start", run="R")
    assert warnings[0].startswith(
        "tracker of plugin 'mine' (aezoo-mine 1.2) failed in aezoo_train_start and is left out"
    )
    assert warnings[1].endswith("is left out: LookupError: in the middle")


def test_ctrl_c_in_a_listener_is_obeyed(installed, monkeypatch):
    def stops(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "plugins", installed(one(aezoo_train_start=stops)))
    with pytest.raises(KeyboardInterrupt):
        Events([], print).call("aezoo_train_start", run="R")


@pytest.mark.parametrize("kind", ["model", "regularizer"])
def test_options_that_cannot_be_read_are_the_plugins_error_at_once(kind, installed):
    entry = Model("shiny", Hopeless, print) if kind == "model" else Part("shiny", print, Hopeless)
    plugins = installed(one(**{HOOKS[kind]: lambda: [entry]}))
    (plugin,) = plugins
    assert "Opaque" in plugin.error
    assert not list(plugins.entries(kind))
