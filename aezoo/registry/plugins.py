"""The loader: finds plugins through entry points, one by one, so that a broken or greedy one harms only itself.

pluggy's own ``load_setuptools_entrypoints`` is not used: it lets one plugin silently replace another of the same
name, and lets one failing import end the command.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pluggy

from aezoo.config import Config, bare_type
from aezoo.errors import PluginError
from aezoo.options import INSPECT_PLACES, PLACES, ModelConfig, TrainConfig
from aezoo.registry import hookspecs
from aezoo.registry.entries import DatasetEntry, Entry, Inspection, Kind, Model, Part

GROUP = "aezoo"
OURS = "aezoo"
HOOKS: dict[Kind, str] = {
    "model": "aezoo_models",
    "dataset": "aezoo_datasets",
    "regularizer": "aezoo_regularizers",
    "prior": "aezoo_priors",
    "corruption": "aezoo_corruptions",
    "likelihood": "aezoo_likelihoods",
    "network": "aezoo_networks",
    "activation": "aezoo_activations",
    "inspection": "aezoo_inspections",
}


@dataclass
class Plugin:
    """One plugin: where it comes from, what it registered, or why it could not be used."""

    name: str
    distribution: str
    version: str = ""
    module: Any = None
    entries: dict[Kind, list[Entry]] = field(default_factory=dict)
    error: str = ""
    disabled: bool = False

    @property
    def title(self) -> str:
        """The plugin and the distribution that brings it, for messages."""
        return f"plugin {self.name!r} ({self.distribution} {self.version})".replace(" )", ")")


class Plugins:
    """All plugins of this process, found when first asked for."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self._found: list[Plugin] | None = None

    def __iter__(self) -> Iterator[Plugin]:
        if self._found is None:
            self._found = []
            # one distribution brings many plugins, and asking it for its name reads all of its metadata
            titles: dict[int, tuple[str, str]] = {}
            for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda p: p.name != "core"):
                if id(point.dist) not in titles:
                    titles[id(point.dist)] = _title(point.dist)
                self._found.append(self._load(point, *titles[id(point.dist)]))
        return iter(self._found)

    def register(self, module: Any, name: str = "", distribution: str = "this process") -> Plugin:
        """Registers ``module`` (any object with hooks) for this process; raises PluginError when it is malformed."""
        plugin = Plugin(name or getattr(module, "__name__", type(module).__name__), distribution, module=module)
        list(self)
        self._adopt(plugin)
        if plugin.error:
            raise PluginError(f"{plugin.title}: {plugin.error}")
        assert self._found is not None
        self._found.append(plugin)
        return plugin

    def entries(self, kind: Kind) -> Iterator[Entry]:
        """Everything of one kind that the working plugins register."""
        for plugin in self:
            yield from plugin.entries.get(kind, ())

    def commands(self) -> Iterator[tuple[Plugin, Any]]:
        """Commands that plugins add to the command line; a hook that fails is recorded and passed over."""
        for plugin in self:
            implementation = getattr(plugin.module, "aezoo_commands", None)
            if implementation is not None and not plugin.error and not plugin.disabled:
                try:
                    for command in implementation():
                        yield plugin, command
                except Exception as error:
                    plugin.error = _reason(error)

    def _load(self, point: importlib.metadata.EntryPoint, distribution: str, version: str) -> Plugin:
        plugin = Plugin(point.name, distribution, version)
        if _disabled(plugin):
            plugin.disabled = True
            return plugin
        # what a plugin prints while it is imported must not end up in --json output
        with contextlib.redirect_stdout(sys.stderr):
            try:
                plugin.module = point.load()
            except (Exception, SystemExit) as error:
                plugin.error = f"failed to import: {_reason(error)}"
                return plugin
            self._adopt(plugin)
        return plugin

    def _adopt(self, plugin: Plugin) -> None:
        """Registers the plugin's hooks and collects its entries, or records why that failed."""
        unique = f"{plugin.distribution}:{plugin.name}"
        try:
            _refuse_unknown_hooks(self.manager, plugin.module)
            self.manager.register(plugin.module, name=unique)
            entries = {kind: list(_collect(plugin, kind, hook)) for kind, hook in HOOKS.items()}
            _refuse_clashes(entries["inspection"], list(self.entries("inspection")))
            plugin.entries = entries
        except (Exception, SystemExit) as error:
            if self.manager.has_plugin(unique):
                self.manager.unregister(name=unique)
            plugin.entries = {}
            plugin.error = _reason(error)


def _collect(plugin: Plugin, kind: Kind, hook: str) -> Iterator[Entry]:
    implementation = getattr(plugin.module, hook, None)
    if implementation is None:
        return
    returned: Iterable[Entry] = implementation() or ()
    wanted: type[Entry] = {"model": Model, "dataset": DatasetEntry, "inspection": Inspection}.get(kind, Part)
    for entry in returned:
        if not isinstance(entry, wanted):
            raise PluginError(f"{hook} gave {entry!r}, which is no aezoo.{wanted.__name__}.")
        if not isinstance(entry.name, str) or not entry.name or set(entry.name) & set(" ,=./\\:"):
            raise PluginError(f"{hook} gave the name {entry.name!r}: use letters, digits and dashes.")
        if plugin.distribution != OURS:
            _build_options(entry)
        if isinstance(entry, Model) and not _is_strict(entry.config):
            raise PluginError(
                f"the config of model {entry.name!r} must extend aezoo.ModelConfig and stay frozen, with extra keys "
                "forbidden."
            )
        if isinstance(entry, Inspection):
            taken = sorted({entry.name.replace("-", "_"), *entry.options.model_fields} & {*INSPECT_PLACES})
            if taken:
                raise PluginError(
                    f"inspection {entry.name!r} uses the name {taken[0]!r}, which aezoo inspect has: choose another."
                )
        if isinstance(entry, Model):
            taken = sorted(set(entry.config.model_fields) & {*TrainConfig.model_fields, *PLACES})
            if taken:
                raise PluginError(
                    f"model {entry.name!r} has an option {taken[0]!r}, which training has too: give it another name."
                )
        yield replace(entry, plugin=plugin.name, distribution=plugin.distribution)


def _build_options(entry: Entry) -> None:
    """Finds now what is wrong with a stranger's options, so that it is the plugin's error and not that of its user.

    Classes of options are built when first used; ours, the tests build.
    """
    config = getattr(entry, "config", None)
    if isinstance(config, type) and issubclass(config, Config):
        config.model_rebuild()


def _refuse_clashes(mine: list[Entry], others: list[Entry]) -> None:
    """Refuses inspections whose flags ``aezoo inspect`` could not tell apart, since all of them share one command."""
    flags = {entry.name.replace("-", "_"): entry.name for entry in [*others, *mine]}
    options: dict[str, Entry] = {}
    for entry in [*others, *mine]:
        for name, info in entry.options.model_fields.items():
            first = options.setdefault(name, entry)
            if name in flags:
                raise PluginError(
                    f"inspection {entry.name!r} has an option {name!r}, and an inspection is called {flags[name]!r}: "
                    "choose another name."
                )
            if bare_type(info.annotation) != bare_type(first.options.model_fields[name].annotation):
                raise PluginError(
                    f"inspection {entry.name!r} has an option {name!r} of another type than that of inspection "
                    f"{first.name!r}: choose another name."
                )


def _is_strict(config: Any) -> bool:
    if not (isinstance(config, type) and issubclass(config, ModelConfig)):
        return False
    return config.model_config.get("extra") == "forbid" and bool(config.model_config.get("frozen"))


def _refuse_unknown_hooks(manager: pluggy.PluginManager, module: Any) -> None:
    known = [name for name in dir(hookspecs) if name.startswith("aezoo_")]
    for name in dir(module):
        if manager.parse_hookimpl_opts(module, name) is not None and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise PluginError(f"{name} is no hook of aezoo{f'; did you mean {close[0]}?' if close else '.'}")


def _title(dist: importlib.metadata.Distribution | None) -> tuple[str, str]:
    """Name and version of a distribution."""
    return ("unknown distribution", "") if dist is None else (dist.name, dist.version)


def _disabled(plugin: Plugin) -> bool:
    names = {name.strip() for name in os.environ.get("AEZOO_DISABLE_PLUGINS", "").split(",")}
    return bool({plugin.name, plugin.distribution} & names) or ("all" in names and plugin.distribution != OURS)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}"
