"""Files of named tensors with one JSON text about them: safetensors, whole at every instant, checked when read.

The header's metadata holds the text under one key. Its ``digest`` is of every tensor's name, type, shape and bytes, so
that a file damaged on its way is an error and no other model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aezoo.core.files import write_whole
from aezoo.errors import CheckpointError, UsageError

# texts, and bytes between them, of a header: as many as a model of thousands of layers has; to parse more takes a
# memory many times the file's size
MOST_TEXTS = 500_000
MOST_MARKS = 8 << 20
# beyond this, safetensors' own reader refuses
MOST_HEADER = 100_000_000
TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], key: str, header: Mapping[str, Any]) -> None:
    """Writes tensors, and ``header`` with their digest, whole or not at all.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
        UsageError: two names share memory, which a file cannot say.
    """
    laid = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({**header, "digest": digest(laid.items())}, sort_keys=True)

    def write(beside: Path) -> None:
        try:
            save_file(laid, beside, {key: text})
        except SafetensorError as error:
            # safetensors wraps what the system said, such as that the disk is full
            raise OSError(str(error)) from error
        except RuntimeError as error:
            raise UsageError(f"{Path(path).name} cannot hold these tensors: {line_of(error)}.") from error

    write_whole(path, write)


def read_header(path: Path, key: str, owner: str) -> dict[str, Any]:
    """The JSON object under ``key``; raises CheckpointError for a broken file, or one that is not of ``owner``."""
    with opened(path) as file:
        metadata = file.metadata() or {}
    if key not in metadata:
        raise CheckpointError(f"{path} was not written by {owner}: its header has no {key!r} entry.")
    try:
        values = json.loads(metadata[key])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"the header of {path} is not one that aezoo writes ({line_of(error)}).") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"the header of {path} is not one that aezoo writes (no object).")
    return values


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file by safetensors' reader, which allocates nothing before it is asked; raises CheckpointError."""
    try:
        _refuse_endless(path)
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file ({line_of(error)}): train again, or copy it again."
        ) from None


def _refuse_endless(path: Path) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(MOST_HEADER, path.stat().st_size):
            return
        marks, texts = TEXT.subn(b"", file.read(length))
    if texts > MOST_TEXTS or len(marks) > MOST_MARKS:
        raise ValueError("its header names more than any model has")


def check_digest(path: Path, tensors: Mapping[str, Tensor], wanted: str) -> None:
    """Raises CheckpointError where the tensors are not those that were written."""
    if digest(tensors.items()) != wanted:
        raise CheckpointError(f"{path} is damaged: its tensors are not those that were written; copy it again.")


def digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 of tensors with their names, types and shapes, in the order of the names."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors):
        found.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        found.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def line_of(error: Exception) -> str:
    """What an error says, in one line of bounded length."""
    return " ".join(str(error).split())[:200]


def kind_of(tensor: Tensor) -> str:
    """Type and shape of a tensor, for messages."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
