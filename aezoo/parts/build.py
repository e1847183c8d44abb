"""From a name and options to a part: the one place where registered parts are made."""

from __future__ import annotations

from typing import Any

from aezoo import registry
from aezoo.config import Choice, Config
from aezoo.errors import PluginError, UsageError, ZooError, is_out_of_memory
from aezoo.options import WeightedChoice


def part_options(kind: registry.Kind, choice: Choice) -> Config:
    """The validated options of a chosen part, defaults filled in.

    Raises:
        UnknownNameError: no such part or option.
        UsageError: an option of the wrong type or range, given twice, or a bare value for a part that takes none.
    """
    entry = registry.parts[kind][choice.name]
    values = dict(choice.options)
    if choice.value is not None:
        keys = entry.options.keys()
        if not keys:
            raise UsageError(f"{kind} {choice.name!r} takes no value (got {choice.value!r}).")
        if keys[0] in values:
            raise UsageError(f"{kind} {choice.name!r} is given {keys[0]} twice: as {choice.value!r} and by name.")
        values[keys[0]] = choice.value
    return entry.options.parse(values, owner=f"{kind} {choice.name!r}")


def build_part(kind: registry.Kind, choice: Choice | str, **context: Any) -> Any:
    """Makes the chosen part, handing its constructor the context that it asks for by name."""
    if isinstance(choice, str):
        choice = Choice.model_validate(choice)
    options = part_options(kind, choice)
    target = registry.parts[kind][choice.name].resolve()
    wanted = registry.asks_for(target, registry.CONTEXT)
    missing = [name for name in wanted if name not in context]
    if missing:
        raise UsageError(f"{kind} {choice.name!r} needs {missing[0]!r}, which is not known here.")
    values = {key: getattr(options, key) for key in options.keys()}  # noqa: SIM118 - not a mapping
    try:
        return target(**values, **{name: context[name] for name in wanted})
    except ZooError:
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        entry = registry.parts[kind][choice.name]
        raise PluginError(
            f"{kind} {choice.name!r} of plugin {entry.plugin!r} ({entry.distribution}) failed: "
            f"{type(error).__name__}: {error}."
        ) from error


def resolved(kind: registry.Kind, choice: Choice) -> Choice:
    """The same choice with every option spelled out, as a saved config holds it."""
    options = part_options(kind, choice).model_dump(mode="json")
    if isinstance(choice, WeightedChoice):
        return WeightedChoice(name=choice.name, options=options, weight=choice.weight)
    return Choice(name=choice.name, options=options)
