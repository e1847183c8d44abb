"""Random streams of their own: what is drawn inside leaves the caller's streams as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def random_stream(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seeds the processor's stream, and that of a CUDA ``device``, for the time of the block.

    ``torch.manual_seed`` would also reseed every other GPU, whose streams nobody gives back.
    """
    cuda = device if device is not None and device.type == "cuda" else None
    with torch.random.fork_rng(devices=[] if cuda is None else [cuda]):
        torch.default_generator.manual_seed(seed)
        if cuda is not None:
            with torch.cuda.device(cuda):
                torch.cuda.manual_seed(seed)
        yield
