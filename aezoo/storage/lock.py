"""A lock on a folder, which the system gives back even when the process that holds it is killed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:
    # elsewhere than on POSIX nothing is locked
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = ".lock"


class Lock:
    """Keeps other processes, and other threads, from writing into a folder.

    Both the folder and a file in it are locked: network file systems lock files alone, and a file can be removed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handles: list[int] = []

    def take(self) -> bool:
        """Takes the lock; False if another one holds it. Raises OSError where the file cannot be made."""
        while True:
            try:
                self._handles = [self._opened()]
                self._handles.append(os.open(self.folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | _PLAIN, 0o666))
                if not all(_locked(handle) for handle in self._handles):
                    self._close()
                    return False
                if self._is_there():
                    return True
            except BaseException:
                self._close()
                raise
            # a run may have ended, and taken its file away, between our opening it and our locking it
            self._close()

    def release(self) -> None:
        """Gives the lock back."""
        if self._handles and not self.is_lost():
            with contextlib.suppress(OSError):
                (self.folder / LOCK_FILE).unlink()
        self._close()

    def is_lost(self) -> bool:
        """Whether the folder was removed, moved or replaced since it was locked."""
        if fcntl is None:
            return not self.folder.is_dir()
        try:
            return not os.path.samestat(os.fstat(self._handles[0]), self.folder.stat())
        except OSError:
            return True

    def _opened(self) -> int:
        return os.open(self.folder, os.O_RDONLY) if fcntl is not None else os.open(os.devnull, os.O_RDONLY)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._handles[1]), (self.folder / LOCK_FILE).stat())
        except FileNotFoundError:
            return False

    def _close(self) -> None:
        for handle in self._handles:
            os.close(handle)
        self._handles = []


# a link would have us make, and lock, a file that is elsewhere; a pipe would have us wait
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def is_taken(folder: Path) -> bool:
    """Whether someone holds the lock of a folder; False where that cannot be told."""
    if fcntl is None:
        return False
    for path, kind in ((folder, os.O_DIRECTORY), (folder / LOCK_FILE, _PLAIN)):
        try:
            handle = os.open(path, os.O_RDONLY | kind)
        except OSError:
            continue
        try:
            if not _locked(handle, shared=True):
                return True
        finally:
            os.close(handle)
    return False


def _locked(handle: int, shared: bool = False) -> bool:
    """Locks what is open; True, too, where there are no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
