"""What an entry may be called, and say of itself."""

from __future__ import annotations

import re
from typing import Any

from aezoo.errors import PluginError
from aezoo.registry.entries import Entry

NAME = re.compile(r"\w[\w-]*")
LONGEST = 64


def refuse_misnamed(hook: str, entry: Entry) -> None:
    """Raises PluginError for a name that the command line, a file or a table could not hold."""
    name = entry.name
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > LONGEST:
        raise PluginError(
            f"{hook} gave the name {shortened(name)}: use letters, digits and dashes, {LONGEST} at most, "
            "beginning with no dash."
        )
    for key in ("summary", "family", "references"):
        value = getattr(entry, key)
        texts = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(text, str) for text in texts) or (key == "references") != isinstance(value, tuple):
            wanted = "texts" if key == "references" else "a text"
            raise PluginError(f"the {key} of {name!r} must be {wanted} (got {shortened(value)}).")
        try:
            "".join(texts).encode()
        except UnicodeEncodeError:
            raise PluginError(f"the {key} of {name!r} holds half a character, which cannot be printed.") from None


def shortened(value: Any) -> str:
    """A value in a message, whatever its ``repr`` does."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
