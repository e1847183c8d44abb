"""What the options of a plugin's entries must be like; what they are not is said when the plugin is loaded.

Of strangers' plugins alone: a look-up waits for none of our classes of options, which the tests hold to this.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from aezoo.core.config import Choice, Config
from aezoo.core.options import INSPECT_PLACES, PLACES, ModelConfig, TrainConfig
from aezoo.core.text import bare_type
from aezoo.errors import PluginError, ZooError, reason_of
from aezoo.registry.entries import Entry, Inspection, Kind, Model

# kinds of which no model has one unasked
ASKED_FOR = ("model", "regularizer", "inspection")


def refuse_unusable(entry: Entry) -> None:
    """Raises PluginError for options that are not strict, cannot be read or written, or take a name of ours."""
    if isinstance(entry, Model) and not _is_strict(entry.config, ModelConfig):
        raise PluginError(
            f"the config of model {entry.name!r} must extend aezoo.ModelConfig and stay frozen and strict, with extra "
            "keys forbidden."
        )
    config = getattr(entry, "config", None)
    if config is not None and not _is_strict(config, Config):
        raise PluginError(
            f"the config of {entry.name!r} must extend aezoo.Config and stay frozen and strict, with extra keys "
            "forbidden."
        )
    if isinstance(entry, Inspection):
        taken = sorted({entry.name.replace("-", "_"), *entry.options.model_fields} & {*INSPECT_PLACES})
        if taken:
            raise PluginError(
                f"inspection {entry.name!r} uses the name {taken[0]!r}, which aezoo inspect has: choose another."
            )
    if isinstance(entry, Model):
        taken = sorted(_flags(entry) & {*TrainConfig.model_fields, *PLACES})
        if taken:
            raise PluginError(
                f"model {entry.name!r} has an option {taken[0]!r}, which training has too: give it another name."
            )
        try:
            TrainConfig.parse(entry.training, owner=f"the training of model {entry.name!r}")
        except ZooError as error:
            raise PluginError(f"{str(error).removesuffix('.')}.") from None


def _flags(entry: Entry) -> set[str]:
    """The names of a model's options, and of their flags where those differ; raises PluginError for two alike."""
    fields = entry.options.model_fields
    found: dict[str, str] = {}
    for name, field in fields.items():
        extra = field.json_schema_extra
        flag = str(extra.get("flag", name)).replace("-", "_") if isinstance(extra, dict) else name
        if flag in found or (flag != name and flag in fields):
            raise PluginError(f"model {entry.name!r} has two options with the flag {flag!r}: choose another.")
        found[flag] = name
    return {*found, *fields}


def try_options(entry: Entry) -> None:
    """Finds now what is wrong with a stranger's options, so that it is the plugin's error and not that of its user.

    Classes of options are built when first used; ours, the tests build.
    """
    config = getattr(entry, "config", None)
    if config is None:
        return
    for name, field in config.model_fields.items():
        extra = field.json_schema_extra
        kind = extra.get("kind") if isinstance(extra, dict) else None
        if kind is not None and kind not in get_args(Kind):
            raise PluginError(f"option {name!r} of {entry.name!r} names a part of kind {kind!r}, which there is not.")
    try:
        config.model_rebuild()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            config.model_json_schema()
            _default(config)
    except Exception as error:
        raise PluginError(
            f"the options of {entry.name!r} cannot be used, or not be written as JSON: {reason_of(error)}"
        ) from error


def _default(config: type[Config]) -> None:
    try:
        options = config()
    except ValidationError as error:
        if all(problem["type"] == "missing" for problem in error.errors(include_url=False)):
            return
        raise
    options.model_dump(mode="json")


def refuse_implied(mine: Mapping[Kind, list[Entry]], models: Iterable[Entry]) -> None:
    """Refuses a stranger's part of a name that one of our ``models`` has as its default, or the default data has.

    Any other name of ours that a stranger takes is an error for who asks for it; these are asked for by everybody.
    """
    if not any(entries for kind, entries in mine.items() if kind not in ASKED_FOR):
        return
    implied: set[tuple[Any, str]] = {("dataset", "digits")}
    for entry in models:
        for field in entry.options.model_fields.values():
            if isinstance(field.default, Choice) and isinstance(field.json_schema_extra, dict):
                implied.add((field.json_schema_extra.get("kind"), field.default.name))
    for kind, entries in mine.items():
        for entry in entries:
            if (kind, entry.name) in implied:
                raise PluginError(
                    f"{kind} {entry.name!r} has a name that models of aezoo use unasked: give it another name."
                )


def refuse_clashes(mine: list[Entry], others: list[Entry]) -> None:
    """Refuses inspections whose flags ``aezoo inspect`` could not tell apart, since all of them share one command."""
    if not mine:
        return
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


def _is_strict(config: Any, base: type[Config]) -> bool:
    if not (isinstance(config, type) and issubclass(config, base)):
        return False
    settings = config.model_config
    return settings.get("extra") == "forbid" and bool(settings.get("frozen")) and bool(settings.get("strict"))
