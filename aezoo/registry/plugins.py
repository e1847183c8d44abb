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
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pluggy

from aezoo.errors import STOPS, PluginError, reason_of
from aezoo.registry import hookspecs
from aezoo.registry.distributions import OURS, packages_of, title_of, too_old_for, version_of_ours
from aezoo.registry.entries import DatasetEntry, Entry, Inspection, Kind, Model, Part
from aezoo.registry.guard import guarded
from aezoo.registry.names import refuse_misnamed, shortened

GROUP = "aezoo"
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
# seconds
SLOW = 1.0
# of one hook; a generator that never ends would take the process with it
MOST_ENTRIES = 1000


@dataclass
class Plugin:
    """One plugin: where it comes from, what it registered, or why it could not be used.

    ``claims`` are the names of all entries that its hooks gave, those of a plugin that is refused included;
    ``seconds`` is how long its import took, and ``notes`` say what else its user should know.

    Examples:
        >>> plugin = next(iter(aezoo.registry.plugins))
        >>> plugin.name, plugin.distribution, plugin.error
        ('core', 'aezoo', '')
    """

    name: str
    distribution: str
    version: str = ""
    module: Any = None
    entries: dict[Kind, list[Entry]] = field(default_factory=dict)
    error: str = ""
    disabled: bool = False
    claims: dict[Kind, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The plugin and the distribution that brings it, for messages."""
        return f"plugin {self.name!r} ({self.distribution} {self.version})".replace(" )", ")")

    @cached_property
    def packages(self) -> set[str]:
        """The names at the top of its distribution; a plugin's maths need not be beneath its manifest."""
        return packages_of(self.distribution)

    @property
    def is_slow(self) -> bool:
        """Whether somebody who waited for a command should be told that it was for this plugin of somebody else."""
        return self.seconds >= SLOW and self.distribution != OURS

    def remark(self, note: str) -> None:
        """Adds to the notes what they do not hold yet."""
        if note not in self.notes:
            self.notes.append(note)


class Plugins:
    """All plugins of this process, found when first asked for."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self._found: list[Plugin] | None = None

    def __iter__(self) -> Iterator[Plugin]:
        if self._found is None:
            self._found = []
            points = list(importlib.metadata.entry_points(group=GROUP))
            # one distribution brings many plugins, and asking it for its name reads all of its metadata
            dists = {id(point.dist): point.dist for point in points}
            titles = {key: title_of(dist) for key, dist in dists.items()}
            # ours before whatever a stranger's import does, and their parts in order
            points.sort(key=lambda point: (titles[id(point.dist)][0] != OURS, point.name != "core"))
            for point in points:
                self._found.append(self._load(point, *titles[id(point.dist)]))
        return iter(self._found)

    def found(self) -> list[Plugin]:
        """The plugins found so far; none of them before somebody asked for something registered."""
        return list(self._found or ())

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
            if plugin.error or plugin.disabled or plugin.module is None:
                continue
            try:
                with guarded():
                    implementation = getattr(plugin.module, "aezoo_commands", None)
                    commands = [] if implementation is None else _listed("aezoo_commands", implementation())
            except STOPS:
                raise
            except BaseException as error:
                plugin.error = _reason(error)
            else:
                yield from ((plugin, command) for command in commands)

    def _load(self, point: importlib.metadata.EntryPoint, distribution: str, version: str) -> Plugin:
        plugin = Plugin(point.name, distribution, version)
        if _disabled(plugin):
            plugin.disabled = True
            return plugin
        plugin.error = too_old_for(point.dist, plugin.distribution)
        if plugin.error:
            return plugin
        brought_torch = "torch" not in sys.modules
        began = time.perf_counter()
        # ours keep to the rules, and a look-up waits for them
        apart: contextlib.AbstractContextManager[list[str]] = (
            guarded() if distribution != OURS else contextlib.nullcontext([])
        )
        with apart as put_back:
            try:
                plugin.module = point.load()
            except STOPS:
                print(
                    f"aezoo: note: interrupted while {plugin.title} was imported: AEZOO_DISABLE_PLUGINS={plugin.name} "
                    "leaves it out",
                    file=sys.stderr,
                )
                raise
            # whatever it is: pytest's own, and those of task frameworks, are no Exception
            except BaseException as error:
                plugin.error = f"failed to import: {_reason(error)}{_hint(error)}"
            else:
                self._adopt(plugin)
        plugin.seconds = time.perf_counter() - began
        plugin.notes += [f"its import changed {what}, which was put back" for what in put_back]
        if brought_torch and "torch" in sys.modules and distribution != OURS:
            plugin.notes.append("its import brings torch, which every look-up then waits for")
        return plugin

    def _adopt(self, plugin: Plugin) -> None:
        """Registers the plugin's hooks and collects its entries, or records why that failed."""
        unique = f"{plugin.distribution}:{plugin.name}"
        try:
            _refuse_unknown_hooks(self.manager, plugin.module)
            self.manager.register(plugin.module, name=unique)
            entries = {kind: list(_collect(plugin, kind, hook)) for kind, hook in HOOKS.items()}
            if plugin.distribution != OURS:
                self._check(entries)
            plugin.entries = entries
        except STOPS:
            raise
        except BaseException as error:
            if self.manager.has_plugin(unique):
                self.manager.unregister(name=unique)
            plugin.entries = {}
            plugin.error = _reason(error)

    def _check(self, entries: Mapping[Kind, list[Entry]]) -> None:
        """Raises PluginError for entries of a stranger that could not be used, or not beside what is here already."""
        from aezoo.registry import checks

        for entry in (entry for several in entries.values() for entry in several):
            checks.refuse_unusable(entry)
            checks.try_options(entry)
        checks.refuse_implied(entries, [entry for entry in self.entries("model") if entry.distribution == OURS])
        checks.refuse_clashes(entries["inspection"], list(self.entries("inspection")))


def _listed(hook: str, returned: Any, names: list[str] | None = None) -> list[Any]:
    """What a hook returned or yields, the names among it noted in ``names`` even if it breaks off.

    Raises PluginError for what is no list of moderate length.
    """
    if returned is None:
        return []
    if isinstance(returned, Entry):
        if names is not None:
            names.append(returned.name)
        raise PluginError(f"{hook} returned a lone {type(returned).__name__}: it must return a list, or yield.")
    if isinstance(returned, str | bytes | dict) or not isinstance(returned, Iterable):
        raise PluginError(f"{hook} returned {shortened(returned)}: it must return a list, or yield.")
    found: list[Any] = []
    for entry in returned:
        if len(found) == MOST_ENTRIES:
            raise PluginError(f"{hook} gives more than {MOST_ENTRIES} entries, and perhaps never ends.")
        if names is not None and isinstance(getattr(entry, "name", None), str):
            names.append(entry.name)
        found.append(entry)
    return found


def _collect(plugin: Plugin, kind: Kind, hook: str) -> Iterator[Entry]:
    implementation = getattr(plugin.module, hook, None)
    if implementation is None:
        return
    wanted: type[Entry] = {"model": Model, "dataset": DatasetEntry, "inspection": Inspection}.get(kind, Part)
    names = plugin.claims.setdefault(kind, [])
    for entry in _listed(hook, implementation(), names):
        if not isinstance(entry, wanted):
            raise PluginError(f"{hook} gave {shortened(entry)}, which is no aezoo.{wanted.__name__}.")
        refuse_misnamed(hook, entry)
        if names.count(entry.name) > 1:
            raise PluginError(f"{hook} gave the name {entry.name!r} twice: choose another.")
        yield entry.brought_by(plugin.name, plugin.distribution)


def _refuse_unknown_hooks(manager: pluggy.PluginManager, module: Any) -> None:
    known = [name for name in dir(hookspecs) if name.startswith("aezoo_")]
    for name in dir(module):
        if manager.parse_hookimpl_opts(module, name) is not None and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise PluginError(f"{name} is no hook of aezoo{f'; did you mean {close[0]}?' if close else '.'}")


def _disabled(plugin: Plugin) -> bool:
    names = {name.strip() for name in os.environ.get("AEZOO_DISABLE_PLUGINS", "").split(",")}
    return bool({plugin.name, plugin.distribution} & names) or ("all" in names and plugin.distribution != OURS)


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, PluginError) else reason_of(error)


def _hint(error: BaseException) -> str:
    """The remedy where a name of aezoo, or a package, is not there."""
    text = reason_of(error)
    if isinstance(error, ImportError | AttributeError) and "'aezoo" in text:
        return f" (this is aezoo {version_of_ours()}, and the plugin was written for another)"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f" (install the package that brings {error.name.partition('.')[0]!r})"
    return ""
