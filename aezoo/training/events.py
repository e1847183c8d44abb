"""Training events: trackers hear of a run, and one that fails is silenced, not obeyed."""

from __future__ import annotations

import collections
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from aezoo import registry
from aezoo.core.rng import random_stream
from aezoo.errors import STOPS, reason_of


class Events:
    """Calls the training hooks of all plugins, and of objects given for one run.

    Examples:
        >>> class Tracker:
        ...     def aezoo_epoch_end(self, metrics):
        ...         print(metrics["loss"])
        >>> aezoo.training.Events([Tracker()], print).call("aezoo_epoch_end", run=None, metrics={"loss": 2.0})
        2.0
    """

    def __init__(self, trackers: Iterable[Any], warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._silenced: set[int] = set()
        list(registry.plugins)
        self._trackers = list(trackers)

    def call(self, hook: str, **values: Any) -> None:
        """Calls ``hook`` on everyone who implements it; a failure is said once and silences that one.

        A tracker hears of a run and does not take part in it: it gets copies of the figures, and leaves torch's random
        stream and its gradients as they were.
        """
        device = getattr(getattr(values.get("run"), "model", None), "device", None)
        for owner, name, implementation in self._listeners(hook):
            if id(owner) in self._silenced:
                continue
            try:
                with registry.unchanged(), random_stream(0, device):
                    _call(implementation, values)
            except STOPS:
                raise
            except BaseException as error:
                self._silenced.add(id(owner))
                reason = f"{reason_of(error)}"
                self._warn(f"tracker {name} failed in {hook} and is left out: {reason}")

    def _listeners(self, hook: str) -> Iterable[tuple[Any, str, Callable[..., Any]]]:
        """Everyone who implements ``hook``: who that is, for a message, and how it is called."""
        titles = {id(plugin.module): f"of {plugin.title}" for plugin in registry.plugins}
        for found in getattr(registry.plugins.manager.hook, hook).get_hookimpls():
            yield found.plugin, titles.get(id(found.plugin), repr(found.plugin_name)), found.function
        for tracker in self._trackers:
            implementation = getattr(tracker, hook, None)
            if implementation is not None:
                yield tracker, repr(getattr(tracker, "__name__", type(tracker).__name__)), implementation


def _call(implementation: Callable[..., Any], values: dict[str, Any]) -> None:
    names = registry.arguments(implementation)
    given = {name: dict(values[name]) if isinstance(values[name], dict) else values[name] for name in names}
    returned = implementation(**given)
    if inspect.isgenerator(returned):
        # its body has not even begun
        collections.deque(returned, maxlen=0)
