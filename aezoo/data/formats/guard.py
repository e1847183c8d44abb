"""What every reader of a file shares: errors that name the file, and nothing held that a file only claims."""

from __future__ import annotations

import contextlib
import io
import stat
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from aezoo.core.mapped import physical_memory
from aezoo.errors import DataError, ZooError, one_line

NDArray: TypeAlias = np.ndarray[Any, Any]
ByteStream: TypeAlias = IO[bytes] | io.BufferedIOBase
LABELS = ("y", "Y", "labels")
BLOCK = 1 << 22
# packed data that grow so much beyond so many bytes were made to fill a memory
GROWTH, HARMLESS = 200, 256 << 20


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turns whatever goes wrong with the file into a DataError that names it."""
    try:
        _refuse_special(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ZooError:
        raise
    except FileNotFoundError:
        raise DataError(f"no file {str(path)!r}: check the path.") from None
    except MemoryError:
        raise DataError(f"{path} does not fit in memory: save it as .npy, which is read from disk.") from None
    except RecursionError:
        raise DataError(f"{path} cannot be read as {kind} (values within values without end): make it again.") from None
    # damaged bytes surface as almost any exception of zipfile, zlib, gzip, ast and numpy
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(
            f"{path} cannot be read as {kind} ({reason}): check that it is one, or make it again."
        ) from error


def refuse_double(what: str | Path, names: Sequence[str]) -> None:
    """Raises DataError where two columns have one name."""
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in seen:
            raise DataError(
                f"{what} has two columns called {one_line(name)!r}, {seen[name]} and {place} (counted from 0): rename "
                "one of them."
            )
        seen[name] = place


def refuse_huge(path: Path, size: int, packed: int) -> None:
    """Raises DataError when ``size`` bytes, unpacked from ``packed``, are more than should be held, before trying."""
    memory = physical_memory()
    if size > memory // 4:
        raise DataError(
            f"{path} unpacks to {size / 2**30:.1f} GiB and this machine has {memory / 2**30:.1f} GiB, of which "
            "data may hold a quarter: save it as .npy, which is read from disk."
        )
    if size > HARMLESS and size > GROWTH * packed:
        raise DataError(
            f"{path} unpacks to {size / 2**20:.0f} MiB, {size // max(1, packed):,} times its size, as no data do: save "
            "it as .npy if that is meant."
        )


def _refuse_special(path: Path) -> None:
    """Refuses a pipe or a device, which may have no end, and no beginning either."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DataError(f"{path} is no file but a pipe or a device: save what comes out of it, and give that.")


def data_among(names: Collection[str], path: Path, further: str = "") -> str:
    """Which of the named arrays of a file is the data: x, X, data, or the only one that is not labels."""
    others = [name for name in names if name not in LABELS]
    found = next((name for name in ("x", "X", "data") if name in names), others[0] if len(others) == 1 else None)
    if found is None:
        held = ", ".join(map(repr, list(names)[:10])) or "nothing"
        raise DataError(f"{path} holds {held}: name the data x and its labels y{further}.")
    return found


def exactly(file: ByteStream, size: int, path: Path) -> bytes:
    """So many bytes of a file's header; raises DataError where it ends before."""
    content = file.read(size)
    if len(content) != size:
        raise DataError(f"{path} ends within its header: fetch it again.")
    return content


def at_most(file: ByteStream, size: int) -> bytearray:
    """What a file holds, up to ``size`` bytes, whatever it claims to hold."""
    content = bytearray()
    while len(content) < size and (block := file.read(min(BLOCK, size - len(content)))):
        content += block
    return content
