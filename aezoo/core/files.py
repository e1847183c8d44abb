"""Files that are whole at every instant: written beside, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from aezoo.errors import OutputError

REMEDIES = {
    errno.ENOSPC: "make room, or choose another place",
    errno.EDQUOT: "make room, or choose another place",
    errno.EFBIG: "allow larger files, ulimit -f, or choose another place",
    errno.EMFILE: "allow more open files, ulimit -n",
    errno.ENFILE: "close what else is open on this machine",
    errno.ENAMETOOLONG: "choose a shorter name",
}


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Says of what the system refuses in the block that ``path`` cannot be written, why, and what helps.

    Raises:
        OutputError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        number, reason = _reason(error)
        remedy = REMEDIES.get(number, "choose another place")
        raise OutputError(f"{path} cannot be written ({reason}): {remedy}.") from error


def _reason(error: OSError) -> tuple[int, str]:
    # other libraries wrap what the system said in words of their own
    found = re.search(r"\(os error (\d+)\)", str(error))
    number = error.errno or (int(found[1]) if found else 0)
    return number, os.strerror(number) if number else str(error)


def write_whole(path: str | Path, write: Callable[[Path], None]) -> None:
    """Calls ``write`` with a path beside ``path`` and renames the result into place.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full; an older file then stays as it was.

    Examples:
        >>> from pathlib import Path
        >>> aezoo.training.write_whole("rows.bin", lambda path: path.write_bytes(b"123") and None)
        >>> Path("rows.bin").read_text()
        '123'
    """
    path = Path(path)
    # known before there is a file, so that nothing can come between the two and leave it behind
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}{path.suffix}")
    try:
        with writing(path):
            beside.open("x").close()
            rights = beside.stat().st_mode
            write(beside)
            # safetensors makes a file of its own in this one's place, for its owner alone
            beside.chmod(rights)
            sync(beside)
            beside.replace(path)
            sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def write_text(path: str | Path, text: str) -> None:
    """``write_whole`` for a text.

    Examples:
        >>> from pathlib import Path
        >>> aezoo.training.write_text("note.txt", "one line\\n")
        >>> Path("note.txt").read_text()
        'one line\\n'
    """

    def write(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")

    write_whole(path, write)


def append_text(path: str | Path, text: str) -> None:
    """Adds ``text`` to a file, all of it or nothing; raises OutputError."""
    with writing(path), Path(path).open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        content = text.encode()
        try:
            if file.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except BaseException:
            file.truncate(size)
            raise


def sync_folder(path: Path) -> None:
    """Makes what was renamed in a folder last, on systems whose folders can be opened."""
    if os.name == "posix":
        sync(path)


def sync(path: Path) -> None:
    """Waits until a file's content is on the disk; raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # some file systems have no such thing for folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
