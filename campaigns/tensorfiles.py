"""Files of tensors to damage: their headers lie, or their tensors are others under a digest that fits."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from random import Random
from typing import Any

from campaigns.mutations import NUMBERS, SIZES, WORDS, altered, written

TYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
    "U64": ("uint64", 8),
    "C64": ("complex64", 8),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E8M0": ("float8_e8m0fnu", 1),
}
PATTERNS = {"F32": "f", "F64": "d", "I64": "q"}
Tensors = dict[str, tuple[str, list[int], bytes]]


def parts(content: bytes, key: str) -> tuple[dict[str, Any], Tensors]:
    """What a file of tensors says of itself, and its tensors, in the order of their bytes."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    said = json.loads(header.pop("__metadata__")[key])
    entries = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    body = content[8 + length :]
    return said, {n: (e["dtype"], e["shape"], body[slice(*e["data_offsets"])]) for n, e in entries}


def digest(tensors: Tensors) -> str:
    """The digest by which a file's tensors are held to be whole."""
    found = hashlib.sha256()
    for name, (kind, shape, values) in sorted(tensors.items()):
        axes = f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"
        found.update(f"{name}\0torch.{TYPES.get(kind, (kind, 1))[0]}\0{axes}\0".encode("utf-8", "surrogatepass"))
        found.update(values)
    return found.hexdigest()


def entries(tensors: Tensors, start: int = 0) -> dict[str, Any]:
    """The header of tensors that lie one after the other."""
    found = {}
    for name, (kind, shape, values) in tensors.items():
        found[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, start + len(values)]}
        start += len(values)
    return found


def file(header: Any, body: bytes, length: int | None = None) -> bytes:
    """A file of tensors with this header, whatever it is."""
    text = header if isinstance(header, bytes) else written(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def whole(said: Any, tensors: Tensors, key: str, fitting: bool = True) -> bytes:
    """A well-formed file; with ``fitting`` its digest is that of its tensors."""
    if fitting and isinstance(said, dict):
        said = {**said, "digest": digest(tensors)}
    body = b"".join(values for _, _, values in tensors.values())
    return file({"__metadata__": {key: written(said)}, **entries(tensors)}, body)


# ------------------------------------------------------------------ tensors that are others


def odd_tensors(draw: Random, tensors: Tensors) -> Tensors:
    """Tensors of which one to three are missing, surplus, renamed, or of other types, shapes or values."""
    found = dict(tensors)
    for _ in range(draw.choice((1, 1, 2, 3))):
        found = draw.choice((_valued, _valued, _typed, _shaped, _renamed, _left_out, _swapped))(draw, found) or found
    return found


def _one(draw: Random, tensors: Tensors) -> str:
    return draw.choice(list(tensors)) if tensors else ""


def _valued(draw: Random, tensors: Tensors) -> Tensors:
    name = _one(draw, tensors)
    kind, shape, values = tensors.get(name, ("F32", [0], b""))
    changed = bytearray(values)
    if not changed:
        return {**tensors, name: (kind, [1], bytes(TYPES.get(kind, ("", 1))[1]))}
    width = TYPES.get(kind, ("", 1))[1]
    how = draw.random()
    if how < 0.3:
        changed[:] = draw.randbytes(len(changed))
    elif how < 0.4:
        changed[:] = draw.choice((b"\0", b"\xff", b"\x7f")) * len(changed)
    elif how < 0.6:
        # the counters of a stream's state stand at its beginning
        place = draw.choice((0, 8, 12, 16, 5016, len(changed) - 8)) % len(changed)
        changed[place : place + 8] = (draw.choice(SIZES) % 2**64).to_bytes(8, "little")[: len(changed) - place]
    elif kind in PATTERNS:
        place = width * draw.randrange(len(changed) // width)
        number = draw.choice(SIZES) % 2**63 if kind == "I64" else draw.choice(NUMBERS)
        sign = draw.choice((1, 1, -1))
        try:
            changed[place : place + width] = struct.pack(f"<{PATTERNS[kind]}", sign * number)
        except OverflowError:
            changed[place : place + width] = b"\xff" * width
    else:
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return {**tensors, name: (kind, shape, bytes(changed))}


def _typed(draw: Random, tensors: Tensors) -> Tensors:
    """Another type: of the same bytes, where their number fits, or of zeros."""
    name = _one(draw, tensors)
    _, shape, values = tensors.get(name, ("F32", [0], b""))
    kind = draw.choice(list(TYPES))
    count = math.prod(shape)
    if count > 10**6:
        return tensors
    size = TYPES[kind][1] * count
    return {**tensors, name: (kind, shape, values if len(values) == size else bytes(size))}


def _shaped(draw: Random, tensors: Tensors) -> Tensors:
    name = _one(draw, tensors)
    kind, shape, values = tensors.get(name, ("F32", [0], b""))
    width = TYPES.get(kind, ("", 1))[1]
    count = len(values) // width
    new = draw.choice(
        (
            *([], [1], [0], [count], [count, 1], [1, *shape], [*shape, 1], [*shape, *shape], shape[::-1], shape[:-1]),
            *([0, 2**62], [2**40, 0, 2**40], [1] * 1000, [2, 3, 4]),
        )
    )
    size = width * math.prod(new)
    if size > 1 << 20:
        return tensors
    return {**tensors, name: (kind, list(new), (values * (size // max(1, len(values)) + 1) or bytes(size))[:size])}


def _renamed(draw: Random, tensors: Tensors) -> Tensors:
    name = _one(draw, tensors)
    other = draw.choice((*NAMES, *WORDS, name.replace("0", "1"), name + "/", name.upper(), _one(draw, tensors)))
    found = {key: value for key, value in tensors.items() if key != name}
    if draw.random() < 0.5:
        found = dict(tensors)
    return {**found, other: tensors.get(name, ("F32", [], bytes(4)))}


NAMES = (
    *("../../etc/passwd", "/etc/passwd", "model/", "best/", "best/encoder", "generator/", "generator/:__class__"),
    *("generator/encoder:forward", "generator/encoder.network:training", "generator/corruption:_generator"),
    *("generator/corruption:seed", "generator/.:_generator", "generator/:_parameters", "generator/corruption:_buffers"),
    *("optimizer//main/-1/exp_avg", "optimizer//main/0/exp_avg", "optimizer//main/٣/step", "optimizer//main/0/step"),
    *("optimizer//main/1e3/step", "optimizer//main/0/__class__", "optimizer//main//", "optimizer/ghost/0/step"),
    *("optimizer//main/0/momentum_buffer", "optimizer//main/0/exp_avg_sq", "stream/cuda", "stream/", "pending"),
    *("order", "__metadata__", "encoder.network.weight.", "a.b.c" * 2000),
)


def _left_out(draw: Random, tensors: Tensors) -> Tensors:
    gone = _one(draw, tensors)
    return {name: value for name, value in tensors.items() if name != gone}


def _swapped(draw: Random, tensors: Tensors) -> Tensors:
    a, b = _one(draw, tensors), _one(draw, tensors)
    return {**tensors, a: tensors[b], b: tensors[a]} if a and b else tensors


# ------------------------------------------------------------------ headers that are others


def odd_header(draw: Random, content: bytes) -> bytes:
    """A header that lies of its tensors' bytes: overlapping, beyond the end, doubled, without end."""
    (length,) = struct.unpack("<Q", content[:8])
    text, body = content[8 : 8 + length], content[8 + length :]
    how = draw.randrange(8)
    if how < 3:
        return file(altered(draw, json.loads(text)), body)
    if how == 3:
        # a name that stands there twice
        more = json.dumps({draw.choice(list(json.loads(text))): {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
        return file(text.rstrip()[:-1] + b"," + more[1:].encode(), body)
    if how == 4:
        lengths = (
            0,
            1,
            7,
            len(text) - 1,
            len(text) + 1,
            len(content),
            99_999_999,
            10**8,
            2**31,
            2**62,
            2**63,
            2**64 - 1,
        )
        return file(text, body, draw.choice(lengths))
    if how == 5:
        # a sparse file's worth of nothing behind one small axis of a huge one
        kind = draw.choice(list(TYPES))
        shape = draw.choice(([0, 2**62], [2**32, 2**32], [2**63, 2], [2**64 - 1], [2**31, 2**31, 4], [-1], [1.5]))
        return file({"__metadata__": {}, "w": {"dtype": kind, "shape": shape, "data_offsets": [0, 0]}}, body)
    if how == 6:
        count = draw.choice((1000, 100_000))
        entry = b'{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
        further = draw.choice((b'"%d":' + entry, b'"__metadata__":{"k%d":""}'))
        return file(text.rstrip()[:-1] + b"," + b",".join(further % i for i in range(count)) + b"}", body)
    return file(text + draw.choice((b" ", b"\0", b"}", b"\n")) * draw.choice((1, 7, 10_000)), body)
