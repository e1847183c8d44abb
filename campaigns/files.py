"""Data files to damage: whole ones, those whose headers lie, and those that unpack to far more than they are."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
from random import Random
from typing import Any

import numpy as np

from campaigns.mutations import NUMBERS, SIZES, WORDS, altered, damaged, hostile_value, written

Array = np.ndarray[Any, Any]
TYPES = ("<f8", "<f4", ">f4", "<f2", "u1", "?", "<i8", ">i2", "<u8", "<u4", "<f16", "<c8", "<U3", "S2", "<M8[s]", "V4")
WRONG_TYPES = (
    *("O", "|O8", "<f3", "<U1000000000", "V2147483647", "<f8, <f8", "", "f" * 500, "<i8[", "datetime64", "<f4\\x00"),
    *("(1000000,)<f4", "object", "<m8[ns]", "<c32", "<f16", "¼"),
)
IDX_CODES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
TENSOR_TYPES = ("F32", "F64", "BF16", "F16", "U8", "I8", "I64", "BOOL", "F8_E4M3", "C64", "f32", "", "O")


def rows(draw: Random, kinds: tuple[str, ...] = TYPES) -> Array:
    """A small table or some images, now and then with values that are no good."""
    shape = draw.choice(((24, 3), (24, 3), (20, 1), (20, 4, 4), (12, 1, 5, 5), (12, 4, 4, 3), (2, 2), (1, 1), (7,), ()))
    kind = draw.choice(kinds[:8]) if draw.random() < 0.75 else draw.choice(kinds)
    values = np.frombuffer(draw.randbytes(8 * int(np.prod(shape))), "u8").reshape(shape)
    with np.errstate(all="ignore"):
        x = (values >> 56).astype(kind) if draw.random() < 0.8 else values.astype(kind)
        if draw.random() < 0.1 and x.dtype.kind == "f" and x.size:
            x.flat[draw.randrange(x.size)] = draw.choice(NUMBERS)
    return np.asfortranarray(x) if draw.random() < 0.2 else x


def labels(draw: Random, count: int) -> Array:
    """Labels of so many rows, or of some other number."""
    count = count if draw.random() < 0.9 else draw.randrange(50)
    kind = draw.randrange(6)
    if kind == 0:
        return np.array([draw.choice(WORDS)[:100].replace("\ud800", "?") for _ in range(count)])
    if kind == 1:
        return np.array([draw.choice(SIZES) % 2**64 for _ in range(count)], "u8")
    if kind == 2:
        return np.array([draw.choice(NUMBERS) for _ in range(count)])
    return np.arange(count) % 3


def npy_bytes(x: Array) -> bytes:
    """The .npy file of an array."""
    buffer = io.BytesIO()
    np.save(buffer, x, allow_pickle=False)
    return buffer.getvalue()


def lying_npy(draw: Random) -> bytes:
    """A .npy file whose header was made up."""
    kind = repr(draw.choice(TYPES + WRONG_TYPES))
    if draw.random() < 0.2:
        kind = repr(
            draw.choice(([("a", "<f8"), ("b", "O")], ("<f4", (1000, 1000)), [("x", "<f8", (10**9,))], None, 5, {}))
        )
    sizes = [draw.choice(SIZES) * draw.choice((1, 1, 1, -1)) for _ in range(draw.choice((0, 1, 2, 2, 3, 4, 40, 300)))]
    shape = draw.choice(
        (repr(tuple(sizes)), repr(tuple(sizes)), repr(sizes), "(1.5, 2)", "(True, 2)", "None", "(" * 500)
    )
    order = draw.choice(("False", "True", "False", "1", "None", "'x'"))
    header = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}"
    if draw.random() < 0.15:
        header = draw.choice(("[" * 5000, "-" * 9000 + "1", "{" * 90, "x", "", "__import__('os').abort()", "9" * 9000))
    text = header.encode("latin1", "replace") + b" " * draw.choice((0, 1, 20, 70_000)) + b"\n"
    major = draw.choice((1, 1, 2, 3, 0, 9))
    length = len(text) if draw.random() < 0.8 else draw.choice(SIZES)
    size = struct.pack("<H", length % 2**16) if major == 1 else struct.pack("<I", length % 2**32)
    return b"\x93NUMPY" + bytes((major, 0)) + size + text + draw.randbytes(draw.choice((0, 8, 96, 1000)))


def npy(draw: Random) -> bytes:
    """A .npy file: pickled, made up, or damaged."""
    kind = draw.random()
    if kind < 0.03:
        buffer = io.BytesIO()
        np.save(buffer, np.array([[Alarm()]], dtype=object), allow_pickle=True)
        return buffer.getvalue()
    if kind < 0.05:
        return pickle.dumps(Alarm())
    if kind < 0.4:
        return lying_npy(draw)
    return sometimes_damaged(draw, npy_bytes(rows(draw)))


class Alarm:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os._exit, (66,)


def npz(draw: Random) -> bytes:
    """A .npz archive: with names, members and methods that are not meant, or damaged."""
    kind = draw.random()
    if kind < 0.1:
        return sometimes_damaged(draw, bomb(draw))
    x = rows(draw)
    names = draw.choice(
        (("x", "y"), ("x",), ("X", "labels"), ("x_train", "x_test"), ("data", "y"), ("a", "b"), ("rows",))
    )
    if draw.random() < 0.15:
        names = (*names, draw.choice(WORDS).replace("\ud800", "?").replace("\0", "") or "x")
    buffer = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    method = draw.choice(methods)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            array = labels(draw, len(x) if x.ndim else 1) if name[0] in "yl" else x
            content = npy(draw) if draw.random() < 0.15 else npy_bytes(array)
            archive.writestr(_member(f"{name}.npy" if draw.random() < 0.95 else name, method), content)
    return sometimes_damaged(draw, buffer.getvalue())


def _member(name: str, method: int) -> zipfile.ZipInfo:
    """A member of an archive, of no particular time of day."""
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    return info


def bomb(draw: Random) -> bytes:
    """An archive of a few kilobytes that unpacks to hundreds of megabytes of zeros or of blanks in a header."""
    size = draw.choice((1, 1, 1, 1, 20, 20, 20, 300)) << 20
    method = draw.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    start = b"\x93NUMPY\x02\x00" + struct.pack("<I", size)
    if draw.random() < 0.5:
        x = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({draw.choice((size, 64 * size)) // 8}, 8), }}\n"
        start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(x)) + x.encode()
    key = (size, method, len(start))
    if key not in _BOMBS:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive, archive.open(_member("x.npy", method), "w") as member:
            member.write(start)
            for _ in range(size >> 20):
                member.write((b" " if start[6] == 2 else b"\0") * (1 << 20))
        _BOMBS[key] = buffer.getvalue()
    return _BOMBS[key]


_BOMBS: dict[tuple[int, int, int], bytes] = {}


def idx(draw: Random, x: Array | None = None) -> bytes:
    """An IDX file: made up, or damaged."""
    if draw.random() < 0.4:
        sizes = [draw.choice(SIZES) % 2**32 for _ in range(draw.choice((0, 1, 2, 3, 3, 4, 64, 70, 255)))]
        head = bytes((0, 0, draw.choice((8, 9, 11, 12, 13, 14, 0, 10, 255)), len(sizes)))
        return head + struct.pack(f">{len(sizes)}I", *sizes) + draw.randbytes(draw.choice((0, 1, 100)))
    code = draw.choice(list(IDX_CODES)) if x is None else 8
    x = rows(draw, ("u1",) * 8) if x is None else x
    content = bytes((0, 0, code, x.ndim)) + struct.pack(f">{x.ndim}I", *x.shape) + x.astype(IDX_CODES[code]).tobytes()
    return sometimes_damaged(draw, content)


def gz(draw: Random, content: bytes | None = None) -> bytes:
    """A gzipped IDX file: damaged before it was zipped, or after, or a bomb."""
    kind = draw.random()
    if kind < 0.05:
        size = draw.choice((1, 1, 1, 1, 20, 20, 20, 300)) << 20
        if size not in _ZEROS:
            _ZEROS[size] = gzip.compress(struct.pack(">HBB2I", 0, 8, 2, size // 8, 8) + bytes(size), mtime=0)
        return sometimes_damaged(draw, _ZEROS[size])
    zipped = gzip.compress(idx(draw) if content is None else content, mtime=0)
    return sometimes_damaged(draw, zipped) if kind < 0.6 else zipped


_ZEROS: dict[int, bytes] = {}


def tensors(draw: Random) -> bytes:
    """A .safetensors file: its header altered as JSON, made up, or damaged."""
    header: dict[str, Any] = {}
    start = 0
    for name in draw.choice((("x", "y"), ("x",), ("data", "labels"), ("a", "b"), ("w",))):
        kind = draw.choice(TENSOR_TYPES[:8]) if draw.random() < 0.9 else draw.choice(TENSOR_TYPES)
        width = {"F64": 8, "I64": 8, "F32": 4, "BF16": 2, "F16": 2}.get(kind, 1)
        shape = [20] if name in ("y", "labels") else draw.choice(([20, 3], [20, 4, 4], [20], [], [20, 0]))
        size = width * int(np.prod(shape))
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, start + size]}
        start += size
    body = draw.randbytes(start) if draw.random() < 0.3 else bytes(start)
    header = altered(draw, header) if draw.random() < 0.4 else header
    if draw.random() < 0.1 and isinstance(header, dict):
        header["__metadata__"] = draw.choice(({"a": "b"}, hostile_value(draw)))
    text = written(header).encode()
    if draw.random() < 0.05:
        entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
        text = ("{" + ",".join(f'"{i}":{entry}' for i in range(draw.choice((1000, 200_000)))) + "}").encode()
    if draw.random() < 0.05:
        text = (
            text[:-1]
            + b","
            + json.dumps({"x": {"dtype": "U8", "shape": [10**9], "data_offsets": [0, 10**9]}})[1:].encode()
        )
    length = len(text) if draw.random() < 0.9 else draw.choice(SIZES) % 2**64
    content = struct.pack("<Q", length) + text + body
    return content if draw.random() < 0.4 else sometimes_damaged(draw, content)


def csv(draw: Random) -> bytes:
    """A table as text: of cells that are no numbers, of odd lines, of wrong encodings, or damaged."""
    if draw.random() < 0.1:
        return draw.choice(ENDLESS)
    mark = draw.choice((",", ",", ",", ";", "\t", "|", " "))
    columns = draw.choice((1, 2, 3, 3, 5, 300))
    lines = [mark.join(_name(draw, i) for i in range(columns))] if draw.random() < 0.6 else []
    counts = [columns if draw.random() < 0.98 else draw.randrange(9) for _ in range(draw.choice((0, 1, 15, 15, 15)))]
    lines += [mark.join(_cell(draw) for _ in range(count)) for count in counts]
    end = draw.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\n"))
    text = end.join(lines) + draw.choice(("", end))
    content = text.encode(draw.choice(("utf-8",) * 6 + ("utf-8-sig", "utf-16", "utf-32", "latin1")), "replace")
    return sometimes_damaged(draw, content)


def _name(draw: Random, index: int) -> str:
    return f"c{index}" if draw.random() < 0.9 else draw.choice(WORDS)


def _cell(draw: Random) -> str:
    kind = draw.random()
    if kind < 0.97:
        return f"{draw.uniform(-9, 9):.4g}"
    if kind < 0.98:
        return draw.choice(('"1"', '"1', '"', '"1,5"', '"a\nb"', "'1'", "1e400", "-1e-400", "0x1p3", "1+2j", "٣", "1 "))
    return repr(draw.choice(NUMBERS)) if kind < 0.99 else draw.choice(WORDS)


ENDLESS = (
    *(
        b"0," * 1_000_000 + b"0\n" * 2,
        b"0," * 1_000_001 + b"0\n",
        b"1" * 5_000_000,
        b"\0" * 3_000_000,
        b"," * 3_000_000,
    ),
    *(b"1,2\n" + b'"' + b"3" * 3_000_000, b"1,2\n" + b"3" * 3_000_000, b'"' * 2_000_000, b"a,b\n" + b"1,2\n" * 200_000),
    b"x,k\n" + b"1," + b"a" * 130_000 + b"\n" + b"1,b\n" * 20_000,
    b"x,k\n" + b"".join(b"%d,%d\n" % (i, i) for i in range(20_000)),
)


def label_lines(draw: Random) -> bytes:
    """Labels as text, one a line: odd ones, one that is long among many, or damaged."""
    if draw.random() < 0.1:
        return b"a" * draw.choice((10, 200_000)) + b"\n" + b"b\n" * draw.choice((19, 20_000))
    words = [str(i % 3) for i in range(20)] if draw.random() < 0.7 else [f"class {i % 4}" for i in range(20)]
    if draw.random() < 0.5:
        words[draw.randrange(20)] = draw.choice((*WORDS, *map(str, SIZES), *map(repr, NUMBERS)))
    return sometimes_damaged(draw, "\n".join(words).encode("utf-8", "surrogatepass"))


def sometimes_damaged(draw: Random, content: bytes) -> bytes:
    """Mostly damaged; but a file whose content is wrong may be well-formed."""
    return damaged(draw, content) if draw.random() < 0.6 else content
