"""Training events: trackers hear of a run, and one that fails is silenced, not obeyed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from aezoo import registry


class Events:
    """Calls the training hooks of all plugins, and of objects given for one run."""

    def __init__(self, trackers: Iterable[Any], warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._silenced: set[int] = set()
        list(registry.plugins)
        self._trackers = list(trackers)

    def call(self, hook: str, **values: Any) -> None:
        """Calls ``hook`` on everyone who implements it; a failure is said once and silences that one."""
        for owner, implementation, names in self._implementations(hook):
            if id(owner) in self._silenced:
                continue
            try:
                implementation(**{name: values[name] for name in names})
            except (Exception, SystemExit) as error:
                self._silenced.add(id(owner))
                name = getattr(owner, "__name__", type(owner).__name__)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self._warn(f"tracker {name!r} failed in {hook} and is left out: {reason}")

    def _implementations(self, hook: str) -> Iterable[tuple[Any, Callable[..., Any], Iterable[str]]]:
        for found in getattr(registry.plugins.manager.hook, hook).get_hookimpls():
            yield found.plugin, found.function, found.argnames
        for tracker in self._trackers:
            implementation = getattr(tracker, hook, None)
            if implementation is not None:
                yield tracker, implementation, registry.arguments(implementation)
