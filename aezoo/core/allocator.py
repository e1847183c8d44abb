"""Keeps the heap's freed pages in the process while a model trains.

A step asks for the same few megabytes again and again. glibc hands what is freed back to the system and takes it
again, page by page: up to a tenth of the time, and more on machines whose page faults are dear.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of glibc's ``malloc.h``."""
KEPT = 1 << 30
# where glibc's own thresholds, which grow with what is freed, end: they cannot be set moving again
USUAL = 32 << 20
# someone has chosen; mallopt would silently win
CHOSEN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_")


@contextmanager
def pages_kept(device: torch.device) -> Iterator[None]:
    """Has glibc keep what is freed for the time of the block, and give it back afterwards.

    Does nothing elsewhere than on the processor, under another C library or allocator, or where the environment has
    set glibc's thresholds.
    """
    libc = _glibc() if device.type == "cpu" else None
    if libc is None:
        yield
        return
    libc.mallopt(TRIM_THRESHOLD, KEPT)
    libc.mallopt(MMAP_THRESHOLD, KEPT)
    try:
        yield
    finally:
        libc.mallopt(MMAP_THRESHOLD, USUAL)
        libc.mallopt(TRIM_THRESHOLD, 2 * USUAL)
        libc.malloc_trim(0)


def _glibc() -> Any:
    """The C library that this process allocates with, where it is glibc and has been left as it is; else None."""
    chosen = any(name in os.environ for name in CHOSEN) or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    if not sys.platform.startswith("linux") or chosen:
        return None
    try:
        process = ctypes.CDLL(None)
        version, trim, malloc = process.gnu_get_libc_version, process.malloc_trim, process.malloc
        own = ctypes.CDLL("libc.so.6")
    except (OSError, AttributeError):
        return None
    # a preloaded allocator, such as jemalloc, answers to malloc in glibc's place
    same = ctypes.cast(malloc, ctypes.c_void_p).value == ctypes.cast(own.malloc, ctypes.c_void_p).value
    return own if same and version and trim else None
