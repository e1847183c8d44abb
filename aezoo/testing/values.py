"""Other values of an option, found by its type, so that an option nobody has seen before can be tried too."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aezoo import registry
from aezoo.core.config import Choice, Config
from aezoo.core.options import WeightedChoice

FLOATS = (0.5, 1.0, 2.0, 0.01, 0.9)
INTS = (2, 1, 3, 5)
# the strengths at which a part of any kind does something
WEIGHT = 0.3


def groups(config: type[Config], name: str, usual: Any) -> list[list[Any]]:
    """Values of option ``name`` other than its ``usual`` one, one group for each form that it can take.

    Some value of each group must change something. An author who knows better gives
    ``json_schema_extra={"check": value}``, which is then the only one.
    """
    field = config.model_fields[name]
    said = _extra(field)
    if "check" in said:
        return [[said["check"]]]
    kind = said.get("kind")
    if kind:
        return [list(_parts(kind, field, usual))]
    arms = list(_arms(field.annotation))
    if usual == "auto" and len(arms) > 1:
        # what finds out what is best may find what any other word would have said
        arms = [arm for arm in arms if get_origin(arm) is not Literal]
    wanted = [[value for value in _of_type(arm, usual) if not _equal(value, usual)] for arm in arms]
    return [arm for arm in wanted if arm]


def apart(config: type[Config], name: str, usual: Any) -> list[Any]:
    """The words of an option that are to do different things: all of them, but for a usual one that finds out."""
    field = config.model_fields[name]
    if "check" in _extra(field) or usual in ("auto", None):
        return []
    words = [word for arm in _arms(field.annotation) if get_origin(arm) is Literal for word in get_args(arm)]
    return [word for word in words if word not in ("auto", usual)]


def _extra(field: FieldInfo) -> dict[str, Any]:
    return dict(field.json_schema_extra) if isinstance(field.json_schema_extra, dict) else {}


def _arms(annotation: Any) -> Iterator[Any]:
    """The types that a union offers, one after the other, without None."""
    if get_origin(annotation) is Annotated:
        yield from _arms(get_args(annotation)[0])
    elif get_origin(annotation) in (types.UnionType, typing.Union):
        for arm in get_args(annotation):
            yield from _arms(arm)
    elif annotation is not type(None):
        yield annotation


def _of_type(annotation: Any, usual: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Literal:
        yield from get_args(annotation)
    elif annotation is bool:
        yield not usual
    elif annotation is int:
        yield from _ints(usual)
    elif annotation is float:
        yield from _floats(usual)
    elif annotation is str:
        yield from ("other", "a", "1", "0.5")
    elif origin in (tuple, list, set, frozenset):
        yield from _collections(annotation, usual)
    elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        yield from annotation
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _configs(annotation, usual)


def _ints(usual: Any) -> Iterator[int]:
    if isinstance(usual, int) and not isinstance(usual, bool):
        yield from (usual + 2, usual - 1, max(1, usual // 2), usual + 1, usual * 2, 0)
    else:
        yield from INTS


def _floats(usual: Any) -> Iterator[float]:
    if isinstance(usual, float | int) and not isinstance(usual, bool):
        # one minus the rest as well, for shares near 1
        yield from (usual * 3, usual / 3, 1 - (1 - usual) / 3, 1 - (1 - usual) * 3, usual + 1, 0.5, 0.0)
    else:
        yield from FLOATS


def _collections(annotation: Any, usual: Any) -> Iterator[Any]:
    kind, inner = get_origin(annotation), next(_arms(next(iter(get_args(annotation)), int)))
    items = tuple(usual or ())
    for place, item in enumerate(items):
        for other in _of_type(inner, item):
            yield kind([*items[:place], other, *items[place + 1 :]])
    yield kind([*items, *(items[-1:] or list(_of_type(inner, None))[:1])])
    yield kind(items[:-1])


def _configs(kind: type[BaseModel], usual: Any) -> Iterator[Any]:
    """A config with one of its own options changed; a schedule that ends where a plain number would stay."""
    if {"start", "end"} <= set(kind.model_fields):
        end = float(usual) if isinstance(usual, float | int) and usual else 1.0
        last = {"steps": 4} if "steps" in kind.model_fields else {"period": 4}
        yield {"kind": kind.model_fields["kind"].default, "start": end * 2, "end": end * 3, **last}
        return
    start = usual.model_dump() if isinstance(usual, kind) else {}
    for name, field in kind.model_fields.items():
        inside = start.get(name, None if field.is_required() else field.default)
        for arm in _arms(field.annotation):
            yield from ({**start, name: other} for other in _of_type(arm, inside) if other != inside)


def _parts(kind: registry.Kind, field: FieldInfo, usual: Any) -> Iterator[Any]:
    """Other parts of that kind, aezoo's own first, and the usual one with another of its options."""
    many = get_origin(next(_arms(field.annotation))) is tuple
    entries = sorted(registry.parts[kind].find(), key=lambda entry: entry.distribution != "aezoo")
    named = usual.name if isinstance(usual, Choice) else None
    choice: type[Choice] = WeightedChoice if many else Choice
    weight: dict[str, Any] = {"weight": WEIGHT} if many else {}
    for entry in entries:
        if entry.name != named:
            yield [choice(name=entry.name, **weight)] if many else choice(name=entry.name)
    if isinstance(usual, Choice):
        options = registry.parts[kind][usual.name].options
        for name, inner in options.model_fields.items():
            now = usual.options.get(name, None if inner.is_required() else inner.default)
            for group in groups(options, name, now):
                yield from (Choice(name=usual.name, options={**usual.options, name: value}) for value in group)


def _equal(value: Any, usual: Any) -> bool:
    return type(value) is type(usual) and bool(value == usual)
