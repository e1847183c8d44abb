"""How an error is worded: in one line, with the nearest names and the reason that somebody else gave."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_LETTERS = 800


def one_line(text: str) -> str:
    """``text`` as one line that any terminal can show, whatever a file or an argument has put into it.

    Control characters are spelled out, as ``\\x1b``, and the middle of a very long text is left out.

    Examples:
        >>> aezoo.errors.one_line("two" + chr(10) + "lines")
        'two lines'
    """
    line = _shortened(" ".join(_shortened(text, 10 * MOST_LETTERS).split()))
    return line if line.isprintable() else _shortened("".join(c if c.isprintable() else repr(c)[1:-1] for c in line))


def _shortened(text: str, most: int = MOST_LETTERS) -> str:
    # the thing stands at the beginning, the remedy at the end
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 3 :]}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out; torch has no class of its own for a processor's memory.

    Examples:
        >>> aezoo.errors.is_out_of_memory(MemoryError()), aezoo.errors.is_out_of_memory(ValueError("x"))
        (True, False)
    """
    signs = ("alloc", "out of memory", "overflow", "too large")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(s in str(error) for s in signs))


def reason_of(error: BaseException) -> str:
    """Class and message of somebody else's error, in one line of moderate length, whatever its ``str`` does.

    Examples:
        >>> aezoo.errors.reason_of(ValueError("too small"))
        'ValueError: too small'
    """
    try:
        text = one_line(str(error))
    except Exception:
        text = "no message"
    return f"{type(error).__name__}: {text[:300]}".removesuffix(": ")


def near_misses(name: str, known: Iterable[str], otherwise: str = ".") -> str:
    """The end of a sentence, ``"; did you mean 'topk'?"`` with the closest known names; ``otherwise`` if none is.

    Examples:
        >>> aezoo.errors.near_misses("vea", ["vae", "linear"])
        "; did you mean 'vae'?"
    """
    # a name in other letters of case is that name
    spelled: dict[str, str] = {}
    for each in known:
        spelled.setdefault(each.lower(), each)
    close = [spelled[match] for match in difflib.get_close_matches(name.lower(), list(spelled), n=3, cutoff=0.5)]
    if name.lower() in spelled:
        close = [spelled[name.lower()]]
    return f"; did you mean {' or '.join(repr(match) for match in close)}?" if close else otherwise
