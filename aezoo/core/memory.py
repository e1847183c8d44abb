"""The memory of a pass through a model: how much it takes, and how the C library is kept from taking it anew."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

T = TypeVar("T")

# just below the 32 MiB where glibc's thresholds end
KEPT = 31 << 20


def keep_blocks() -> None:
    """Has glibc keep freed blocks of a pass for the next one, instead of giving them back to the system.

    Returned and taken again page by page, they cost a third of the time of a pass. glibc keeps what is as small as the
    largest block that was ever returned to it; so one is taken and returned, untouched. Other allocators, and a glibc
    that the environment has set otherwise, take no notice.
    """
    torch.empty(KEPT, dtype=torch.uint8)


def most_bytes(function: Callable[[], T]) -> tuple[int, T]:
    """The most bytes that the tensors which ``function`` makes hold at any one time, and what it returns."""
    with _Meter() as meter:
        result = function()
    return meter.most, result


class _Meter(TorchDispatchMode):
    """Adds up the storages of what every operation returns, for as long as something refers to them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = self._now = 0
        self._owners: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {_place(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and (_place(tensor) in self._owners or _place(tensor) not in before):
                self._count(tensor)
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        place, size = _place(tensor), tensor.untyped_storage().nbytes()
        if place not in self._owners:
            self._owners[place] = 0
            self._now += size
            self.most = max(self.most, self._now)
        self._owners[place] += 1
        weakref.finalize(tensor, self._release, place, size).atexit = False

    def _release(self, place: int, size: int) -> None:
        self._owners[place] -= 1
        if not self._owners[place]:
            del self._owners[place]
            self._now -= size


def _place(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
