"""Arithmetic that a run in 16 bits leaves in full precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """A block in which nothing is rounded to 16 bits: sums of signed products, and differences of large numbers.

    Examples:
        >>> with aezoo.parts.full_precision(torch.device("cpu")):
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.float32
    """
    # a device that torch has no such arithmetic for, as that of a model without memory, has none to turn off
    known = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


__all__ = ["full_precision"]
