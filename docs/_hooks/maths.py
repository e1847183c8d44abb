"""Turns the mathematics of the pages into MathML while the site is built, so that no script is needed to read it."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

PLACE = re.compile(r'<(?P<tag>span|div) class="arithmatex">(?P<text>.*?)</(?P=tag)>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replaces what ``pymdownx.arithmatex`` marked; raises ValueError for what is no mathematics."""
    return PLACE.sub(_mathml, content)


def _mathml(found: re.Match[str]) -> str:
    text = html.unescape(found["text"]).strip()
    for opening, closing in (("\\(", "\\)"), ("\\[", "\\]")):
        if text.startswith(opening) and text.endswith(closing):
            text = text[2:-2]
    display = "block" if found["tag"] == "div" else "inline"
    try:
        made = convert(text, display=display)
    except Exception as error:
        raise ValueError(f"no mathematics: {text!r} ({type(error).__name__}: {error})") from error
    return f'<div class="maths">{made}</div>' if display == "block" else made
