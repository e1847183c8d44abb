"""Files that hold what was read or decoded once, where it is more than memory should hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aezoo.core.files import write_whole
from aezoo.data.formats.guard import NDArray


def cache_folder() -> Path:
    """``AEZOO_CACHE``, or the user's cache folder."""
    known = os.environ.get("AEZOO_CACHE")
    return Path(known) if known else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aezoo"


def kept(
    stamp: str, shape: tuple[int, ...], kind: Any, fill: Callable[[NDArray], None], folder: str | None = None
) -> NDArray:
    """An array mapped from a file of the cache, which ``fill`` writes where there is none yet.

    Args:
        stamp: what the values follow from; other values have another one.
        shape: of the array.
        kind: its type.
        fill: writes all its values into an array.
        folder: instead of the user's.
    """
    home = Path(folder) if folder else cache_folder()
    path = home / f"{hashlib.sha256(stamp.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}.npy"
    if not path.is_file():
        home.mkdir(parents=True, exist_ok=True)

        def write(beside: Path) -> None:
            mapped = np.lib.format.open_memmap(beside, "w+", kind, shape)
            fill(mapped)
            mapped.flush()

        write_whole(path, write)
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
