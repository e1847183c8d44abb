"""A digest of the rows that a run learns from, so that a run which goes on notices that they are others."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset

from aezoo.core.mapped import rows_at
from aezoo.data.dataset import Dataset

# read in a quarter of a second; of what is larger, rows all over it are
WHOLE_BYTES = 256 << 20
SAMPLED_ROWS = 1024
BLOCK_BYTES = 4 << 20


def digest_of(dataset: Dataset) -> str:
    """SHA-256 of description, rows, labels and test split.

    Of a file beyond 256 MiB, 1,024 rows spread over it are read; of a torch Dataset, whose items may be drawn at
    random, the length alone.

    Examples:
        >>> aezoo.data.digest_of(aezoo.data.open_data("digits")) == aezoo.data.digest_of(run.dataset)
        True
    """
    found = hashlib.sha256(f"{dataset.spec.model_dump_json(exclude={'name'})}\0{len(dataset)}\0".encode())
    pairs = () if dataset.noisy is None else (dataset.noisy,)
    for part in (dataset.x, dataset.rates, dataset.labels, dataset.test, *pairs):
        found.update(b"\0none" if part is None or isinstance(part, TorchDataset) else _kind(part))
        if part is not None and not isinstance(part, TorchDataset):
            _add(found, part)
    return found.hexdigest()


def _kind(part: Any) -> bytes:
    return f"\0{str(part.dtype).removeprefix('torch.')} {tuple(part.shape)}\0".encode()


def _add(found: Any, part: Any) -> None:
    rows = len(part)
    size = part.dtype.itemsize * int(np.prod(part.shape[1:], dtype=np.int64))
    if rows * size > WHOLE_BYTES:
        found.update(_bytes(rows_at(part, np.linspace(0, rows - 1, SAMPLED_ROWS).astype(np.int64))))
        return
    block = max(1, BLOCK_BYTES // max(1, size))
    for start in range(0, rows, block):
        found.update(_bytes(part[start : start + block]))


def _bytes(part: Any) -> Any:
    if isinstance(part, torch.Tensor):
        part = part.cpu().contiguous().view(-1).view(torch.uint8).numpy()
    return np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
