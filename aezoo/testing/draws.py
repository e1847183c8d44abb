"""Random numbers that depend on what is drawn and not on what was drawn before.

Under this mode a draw of torch's own stream starts from a seed made of the operation, its shape and its numbers. So an
option that only draws more, or in another order, changes nothing, and what does change is computed differently.
"""

from __future__ import annotations

import zlib
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class OrderlessDraws(TorchDispatchMode):
    """Within it, equal draws give equal numbers, whenever they are made; generators of their own are left alone."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            told = [_told(value) for value in (*args, *kwargs.values())]
            torch.default_generator.manual_seed(zlib.crc32(repr((str(func), told)).encode()))
        return func(*args, **kwargs)


def _told(value: Any) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
