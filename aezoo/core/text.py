"""Options as text, and what type an option is of; knows no class of options."""

from __future__ import annotations

import json
import re
import types
import typing
from typing import Annotated, Any, get_args, get_origin


def bare_type(annotation: Any) -> Any:
    """The type of an option that may be None or validated: ``int`` of ``int | None``."""
    if get_origin(annotation) in (types.UnionType, typing.Union):
        rest = [option for option in get_args(annotation) if option is not type(None)]
        return bare_type(rest[0]) if len(rest) == 1 else annotation
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def split_choice(text: str, bare: str) -> dict[str, Any]:
    """``"name=1,key=2"`` as ``{"name": "name", bare: 1, "options": {"key": 2}}``."""
    head, *rest = text.split(",")
    name, equals, value = head.partition("=")
    pairs = [part.partition("=") for part in rest]
    if not name.strip() or (equals and not value.strip()) or any(not key.strip() or not eq for key, eq, _ in pairs):
        raise ValueError("a part is written NAME, NAME=VALUE or NAME=VALUE,OPTION=VALUE")
    keys = [key.strip() for key, _, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError("an option is given twice")
    chosen: dict[str, Any] = {"name": name.strip(), "options": {key.strip(): read_value(v) for key, _, v in pairs}}
    if equals:
        chosen[bare] = read_value(value)
    return chosen


def read_value(text: str) -> Any:
    """A number, ``true``, ``false``, ``null`` or quoted text as JSON reads it; anything else is text as it stands."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()


def split_every(text: str) -> tuple[float, str]:
    """``"500 steps"`` as ``(500, "step")``; raises ValueError for anything but epochs, steps and minutes."""
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)?\s*(epoch|step|minute)s?\s*", text, re.ASCII)
    count, unit = (float(match[1] or 1), match[2]) if match else (0.0, "")
    if count <= 0 or (unit != "minute" and count % 1):
        raise ValueError("this is epoch, or a number of epochs, steps or minutes, such as 500 steps")
    return count, unit
