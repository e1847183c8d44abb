"""What must hold of how a model describes itself: its texts, its config, its manifest, and what it leaves alone."""

from __future__ import annotations

import json
import sys
from typing import Any

from aezoo.errors import ZooError
from aezoo.model.assembly import complete
from aezoo.testing.flipping import Flips
from aezoo.testing.result import Broken, Doubtful, Skipped
from aezoo.testing.saving import THIS_PROCESS
from aezoo.testing.subject import Subject, outputs
from aezoo.testing.values import groups
from aezoo.testing.world import changes, world


def built(subject: Subject) -> None:
    """The model is built by its defaults, and trains."""
    entry = subject.entry
    if not entry.options.__doc__ and not entry.options.model_fields:
        raise Broken("its config has no options")
    entry.options.parse({}, owner=f"model {entry.name!r}")
    subject.build()
    subject._built({}, subject.spec)


def described(subject: Subject) -> None:
    """Docstrings and references are there: a summary, a family, what was published, and each option's description."""
    entry = subject.entry
    for what in ("summary", "family", "references"):
        found = getattr(entry, what)
        if not found or not all(text.strip() for text in ([found] if isinstance(found, str) else found)):
            raise Broken(f"it has no {what}: aezoo.Model(..., {what}=...)")
    for name, field in entry.options.model_fields.items():
        if not (field.description or "").strip():
            raise Broken(f"option {name} has no description: Field(..., description=...)")
    if not (entry.options.__dict__.get("__doc__") or "").strip():
        raise Broken(f"{entry.options.__name__} has no docstring")
    build = entry.resolve()
    if not (build.__doc__ or sys.modules[build.__module__].__doc__ or "").strip():
        raise Broken(f"neither {build.__qualname__} nor its module has a docstring")


def config(subject: Subject) -> None:
    """The config round-trips through JSON, with its defaults and with other values, and has a schema."""
    kind = subject.entry.options
    for name, field in kind.model_fields.items():
        if field.alias or field.validation_alias or field.serialization_alias:
            raise Broken(f"option {name} has an alias, by which no command and no saved config finds it")
    json.dumps(subject.entry.schema, allow_nan=False)
    _round_trip(complete(kind.parse({})), "its defaults")
    given = complete(kind.parse(subject.values))
    before = given.model_dump(mode="json")
    subject.entry.resolve()(given, subject.spec)
    if given.model_dump(mode="json") != before:
        raise Broken("building the model changes its config, so that what is saved is not what was asked for")
    flips = Flips(subject)
    for name in kind.model_fields:
        for group in groups(kind, name, flips.usual(name)):
            for value in group[:2]:
                try:
                    chosen = complete(kind.parse({**subject.values, name: value}))
                except ZooError:
                    continue
                _round_trip(chosen, f"{name} = {value}")


def _round_trip(chosen: Any, what: str) -> None:
    try:
        text = json.dumps(chosen.model_dump(mode="json"), allow_nan=False)
    except ValueError as error:
        raise Broken(f"{what} cannot be written as JSON: {error}") from None
    try:
        again = type(chosen).parse(json.loads(text))
    except ZooError as error:
        raise Broken(f"{what}, written as JSON, cannot be read again: {error}") from None
    if again != chosen:
        raise Broken(f"{what}, written as JSON and read again, is not what it was")


def manifest(subject: Subject) -> None:
    """Importing the manifest brings no torch, so that looking things up stays fast."""
    entry = subject.owner
    if subject.fresh is None or entry.distribution == THIS_PROCESS:
        raise Skipped("it is registered in this process alone")
    if subject.fresh.brings_torch((entry.plugin, entry.distribution), subject.plugins):
        raise Doubtful(
            f"importing plugin {entry.plugin!r} imports torch, so that every look-up waits for it: keep the maths in a "
            "module of its own, named as 'module:function'"
        )


def outside(subject: Subject) -> None:
    """Building, training and using the model leaves the world as it was: random streams, torch's settings, folders."""
    subject.build()
    if subject.changed:
        raise Broken(f"importing its modules, or building it for the first time, changes {subject.changed}")
    before = world()
    trained = subject.train()
    outputs(trained.model, subject.x)
    changed = changes(before, world())
    if changed:
        raise Broken(f"building, training and using it changes {changed}")
