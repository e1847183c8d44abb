"""Whether a machine can train a model of some size, found out before any memory is taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from aezoo.core.mapped import physical_memory
from aezoo.core.rng import random_stream
from aezoo.core.spec import DataSpec
from aezoo.errors import PluginError, UsageError
from aezoo.storage.checkpoint import build_model

# a weight, its gradient, and two moments of Adam
COPIES = 4


def refuse_huge_model(name: str, values: dict[str, Any], spec: DataSpec) -> None:
    """Builds the model without memory behind it, and counts, where its options are such that this may be needed.

    The system would promise more than it has, and end the process once that is used.

    Raises:
        UsageError: its weights and what training adds to them are more than this machine's memory.
        UnknownNameError, UsageError, CompositionError: as ``build_model``.
    """
    if not _may_be_huge(values, spec):
        # to build without memory takes modules of torch that are slow to import
        return
    try:
        with torch.device("meta"), random_stream(0):
            model = build_model(name, values, spec)
    except PluginError:
        # a plugin that reads values while it builds: then it is built as it is
        return
    size = sum(tensor.numel() * tensor.itemsize for tensor in model.state_dict().values())
    memory = physical_memory()
    if COPIES * size > memory:
        raise UsageError(
            f"model {name!r} with these options has {size / 2**30:.1f} GiB of weights, which take "
            f"{COPIES * size / 2**30:.1f} GiB to train, and this machine has {memory / 2**30:.1f} GiB: choose smaller "
            "sizes, such as latent_dim and hidden."
        )


def _may_be_huge(values: dict[str, Any], spec: DataSpec) -> bool:
    """Whether a model with a layer for each of its sizes, all as wide as the widest, would fill much of the memory."""
    sizes = [spec.size, *_whole_numbers(values)]
    return COPIES * 4 * len(sizes) * max(sizes) ** 2 > physical_memory() // 8


def _whole_numbers(value: Any) -> Iterator[int]:
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _whole_numbers(item)
    elif isinstance(value, int):
        yield value
