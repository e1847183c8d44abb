"""Ways to damage an input: bytes at random places, and values of JSON, TOML and headers by their structure.

Everything is drawn from the ``random.Random`` that is handed in, so that a seed makes the same input again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

SIZES = (
    *(0, 1, 2, 3, 7, 8, 63, 64, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536, 10**6, 10**6 + 1),
    *(2**31 - 1, 2**31, 2**32 - 1, 2**32, 10**12, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30),
)
WORDS = (
    *("", " ", "\0", "\x1b[31mred", "\n", "a\nb", "\u202eright to left", "\ufeff", "é" * 20, "𝔛", "\ud800", "a" * 5000),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "/dev/zero",
        "..",
        ".",
        "a/b",
        "C:\\con",
        "~",
        "$HOME",
        "%s%n",
        "{0.x}",
        "$x$",
    ),
    *("__class__", "os.system", "null", "true", "nan", "NaN", "inf", "-Infinity", "1e999", "0x10", "1_000", "9" * 5000),
    *(
        "[" * 3000,
        '{"a":' * 3000,
        "1,2",
        "a=b",
        "a=b,c=d",
        "=",
        ",",
        "linear:0:1:10",
        "cyclical:0:1:0",
        "topk=8",
        "vae",
    ),
)
NUMBERS = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-320, 5e-324, 1e38, 3.5e38, 1e308, -1e308, math.nan, math.inf, -math.inf)

Mutator = Callable[[Random, bytes], bytes]


def _flipped(draw: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        changed[_place(draw, content)] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _replaced(draw: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        changed[_place(draw, content)] = draw.choice(
            (0, 1, 0x0A, 0x22, 0x2C, 0x2D, 0x7F, 0x80, 0xFF, draw.randrange(256))
        )
    return bytes(changed)


def _truncated(draw: Random, content: bytes) -> bytes:
    return content[: _place(draw, content)]


def _beheaded(draw: Random, content: bytes) -> bytes:
    return content[_place(draw, content) :]


def _without_part(draw: Random, content: bytes) -> bytes:
    start, end = sorted((_place(draw, content), _place(draw, content)))
    return content[:start] + content[end:]


def _repeated(draw: Random, content: bytes) -> bytes:
    start, end = sorted((_place(draw, content), _place(draw, content)))
    times = min(draw.choice((2, 3, 100, 10_000)), 1 + 200_000 // max(1, end - start))
    return content[:end] + content[start:end] * (times - 1) + content[end:]


def _with_noise(draw: Random, content: bytes) -> bytes:
    place = _place(draw, content)
    noise = draw.choice((draw.randbytes(draw.choice((1, 4, 100))), bytes(draw.choice((1, 8, 5000))), b"\xff" * 8))
    return content[:place] + noise + content[place:]


def _with_size(draw: Random, content: bytes) -> bytes:
    """A whole number of the file, as machines write it, becomes another."""
    width = draw.choice((1, 2, 4, 8))
    place = _place(draw, content)
    value = int(draw.choice(SIZES) % 2 ** (8 * width))
    return content[:place] + value.to_bytes(width, draw.choice(("little", "big"))) + content[place + width :]


def _with_digits(draw: Random, content: bytes) -> bytes:
    """A number of the file, as people write it, becomes another."""
    digits = [i for i, byte in enumerate(content[:4000]) if 0x30 <= byte <= 0x39]
    if not digits:
        return _with_size(draw, content)
    start = end = draw.choice(digits)
    while start and content[start - 1 : start].isdigit():
        start -= 1
    while content[end : end + 1].isdigit():
        end += 1
    value = draw.choice((str(draw.choice(SIZES)), str(-draw.choice(SIZES)), repr(draw.choice(NUMBERS)), "9" * 400))
    return content[:start] + value.encode() + content[end:]


def _with_word(draw: Random, content: bytes) -> bytes:
    place = _place(draw, content)
    return content[:place] + draw.choice(WORDS).encode("utf-8", "surrogatepass") + content[place:]


BYTES: tuple[Mutator, ...] = (
    *(_flipped, _replaced, _truncated, _beheaded, _without_part, _repeated, _with_noise),
    *(_with_size, _with_size, _with_digits, _with_digits, _with_word),
)


def damaged(draw: Random, content: bytes) -> bytes:
    """``content`` with one to four things wrong with its bytes; headers, at either end, are hit more often."""
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 4))):
        content = draw.choice(BYTES)(draw, content or b"\0")
    return content


def _place(draw: Random, content: bytes) -> int:
    where = draw.random()
    if where < 0.4:
        return draw.randrange(min(len(content), 140))
    if where < 0.6:
        return len(content) - 1 - draw.randrange(min(len(content), 100))
    return draw.randrange(len(content))


def hostile_value(draw: Random, depth: int = 0) -> Any:
    """Something that JSON can say and that nobody asked for."""
    kind = draw.randrange(9)
    if kind == 0:
        return draw.choice((None, True, False))
    if kind in (1, 2):
        return draw.choice(SIZES) * draw.choice((1, 1, 1, -1))
    if kind == 3:
        return draw.choice(NUMBERS)
    if kind in (4, 5):
        return draw.choice(WORDS)
    if kind == 6:
        return nested(draw.choice((10, 100, 900, 3000)), draw.choice((list, dict)))
    if kind == 7:
        return [draw.choice((1, "a", None, 0.5))] * draw.choice((0, 1, 3, 1000, 20_000))
    if depth > 2:
        return {}
    return {draw.choice(WORDS) or "k": hostile_value(draw, depth + 1) for _ in range(draw.choice((0, 1, 3)))}


def nested(depth: int, kind: type) -> Any:
    """Lists or dicts within each other."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


def altered(draw: Random, value: Any) -> Any:
    """A copy of a JSON value with one to three places changed: replaced, removed, renamed or added."""
    changed = json.loads(json.dumps(value))
    for _ in range(draw.choice((1, 1, 2, 3))):
        changed = _altered_once(draw, changed)
    return changed


def _altered_once(draw: Random, value: Any) -> Any:
    places = list(_places(value))
    if not places or draw.random() < 0.02:
        return hostile_value(draw)
    owner, key = draw.choice(places)
    how = draw.random()
    if how < 0.6:
        owner[key] = hostile_value(draw)
    elif how < 0.7:
        del owner[key]
    elif how < 0.8 and isinstance(owner, dict):
        owner[draw.choice(WORDS)] = owner.pop(key)
    elif how < 0.9 and isinstance(owner, dict):
        owner[draw.choice(WORDS)] = hostile_value(draw)
    else:
        other, place = draw.choice(places)
        # of lists and dicts only what is in them: one within itself would have no end
        found = other[place] if place in _keys(other) else None
        owner[key] = written(found)[:100] if isinstance(found, list | dict) else found
    return value


def _places(value: Any, depth: int = 0) -> Any:
    if depth > 20:
        return
    for key in _keys(value):
        yield value, key
        yield from _places(value[key], depth + 1)


def _keys(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value)
    return range(min(len(value), 20)) if isinstance(value, list) else ()


def written(value: Any, equals: str = ":") -> str:
    """``value`` as JSON, however deep it is, NaN and infinity as Python writes them; with ``" = "``, as TOML."""
    # the module's own writer gives up at Python's limit of recursion
    pieces: list[str] = []
    todo: list[Any] = [(value, False)]
    while todo:
        item, literal = todo.pop()
        if literal:
            pieces.append(item)
        elif isinstance(item, dict):
            todo.append(("}", True))
            for index, (key, part) in enumerate(reversed(item.items())):
                todo += [(part, False), (json.dumps(str(key)) + equals, True)]
                todo += [] if index == len(item) - 1 else [(",", True)]
            todo.append(("{", True))
        elif isinstance(item, list):
            todo.append(("]", True))
            for index, part in enumerate(reversed(item)):
                todo.append((part, False))
                todo += [] if index == len(item) - 1 else [(",", True)]
            todo.append(("[", True))
        else:
            pieces.append(json.dumps(item))
    return "".join(pieces)


def toml(draw: Random, options: dict[str, Any]) -> str:
    """Options as TOML, one of several ways to spell each; what TOML cannot say stays as it is, and is wrong there."""
    lines = []
    for key, value in options.items():
        spelled = key if key.isidentifier() else json.dumps(key)
        if draw.random() < 0.05:
            spelled = draw.choice((key.replace("_", "-"), f'"{key}"', f"a.{key}", f"[{key}]"))
        lines.append(f"{spelled} = {written(value, ' = ')}")
        if draw.random() < 0.03:
            lines.append(draw.choice(WILD_TOML))
    return "\n".join(lines) + "\n"


WILD_TOML = (
    *("[section]", "[[tables]]", "a" + ".a" * 5000 + " = 1", "x = 1979-05-27T07:32:00Z", "x = inf", "x = 0o17"),
    *("x = [" + "[" * 500, "# \x01", "x = '''", 'x = "\\ud800"', "seed = 1\nseed = 2", "epochs = nan", "= 1", "\0"),
)
