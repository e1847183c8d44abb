"""Files that are whole at every instant: written beside, synced, renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from aezoo.errors import OutputError


def write_whole(path: str | Path, write: Callable[[Path], None]) -> None:
    """Calls ``write`` with a path beside ``path`` and renames the result into place.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full; an older file then stays as it was.
    """
    path = Path(path)
    beside: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
        beside = Path(name)
        write(beside)
        # mkstemp makes files for their owner alone; a result is as readable as any other file of this user
        umask = os.umask(0)
        os.umask(umask)
        beside.chmod(0o666 & ~umask)
        _sync(beside)
        beside.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}): choose another place.") from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """``write_whole`` for a text."""

    def write(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")

    write_whole(path, write)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
