"""Where images are: the files of a folder, or the members of zip and tar archives, in the order of their names."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

from aezoo.core.mapped import physical_memory
from aezoo.data.formats.guard import GROWTH, HARMLESS
from aezoo.errors import DataError
from aezoo.errors import one_line as shown

IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".pgm", ".ppm", ".pbm")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
LABELS = ".cls"
# of one file, unpacked: far more than any image takes
MOST_BYTES = 1 << 30


class Files:
    """Images by their names, which begin with a folder where they have classes; a context that closes archives.

    Attributes:
        what: where they are, for messages.
        names: of the images, in order.
        labels: the content of files beside the images that hold a class, by the image's name.
        notes: what should be told of how they were found.
    """

    def __init__(self, path: Path) -> None:
        self.what = str(path)
        self.names: list[str] = []
        self.labels: dict[str, str] = {}
        self.notes: list[str] = []
        self._read: dict[str, Any] = {}
        self._stack = ExitStack()
        self._lock = Lock()
        found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        archives = [file for file in found if is_archive(file)]
        plain = [file for file in found if file.suffix.lower() in IMAGES]
        if archives and plain:
            raise DataError(f"{path} holds images and archives of images: give one of them.")
        for file in plain:
            self._add(file.relative_to(path).as_posix(), file)
        for archive in archives:
            prefix = f"{archive.name}/" if len(archives) > 1 else ""
            (self._add_zip if archive.suffix.lower() == ".zip" else self._add_tar)(archive, prefix)
        if not self.names:
            raise DataError(f"{path} holds no images: put {', '.join(IMAGES[:6])} … files into it.")
        self._tell_of_dots()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *stop: object) -> None:
        self._stack.close()

    def stamp(self) -> Iterator[str]:
        """What tells these files from others: names, sizes and times."""
        for name in self.names:
            source = self._read[name]
            if isinstance(source, Path):
                state = source.stat()
                yield f"{name} {state.st_size} {state.st_mtime_ns}"
            else:
                yield f"{name} {source[1]}"

    def content(self, name: str) -> Any:
        """The bytes of one image, or a path to them."""
        source = self._read[name]
        return source if isinstance(source, Path) else self._bytes(*source)

    def _bytes(self, archive: Any, size: int, member: Any) -> bytes:
        with self._lock:
            file = archive.open(member) if isinstance(archive, zipfile.ZipFile) else archive.extractfile(member)
            found: bytes = file.read(MOST_BYTES)
        return found

    def _add(self, name: str, source: Any) -> None:
        self.names.append(name)
        self._read[name] = source

    def _add_zip(self, path: Path, prefix: str) -> None:
        archive = self._stack.enter_context(zipfile.ZipFile(path))
        members = [member for member in archive.infolist() if not member.is_dir()]
        self._add_members(path, prefix, archive, [(m.filename, m.file_size, m) for m in members])

    def _add_tar(self, path: Path, prefix: str) -> None:
        archive = self._stack.enter_context(tarfile.open(path))  # noqa: SIM115 - closed by the stack
        members = [member for member in archive.getmembers() if member.isfile()]
        self._add_members(path, prefix, archive, [(m.name, m.size, m) for m in members])

    def _add_members(self, path: Path, prefix: str, archive: Any, members: list[tuple[str, int, Any]]) -> None:
        _refuse_bomb(path, sum(size for _, size, _ in members), path.stat().st_size)
        for name, size, member in sorted(members, key=lambda found: found[0]):
            self._member(path, prefix, name, (archive, size, member))

    def _member(self, path: Path, prefix: str, name: str, source: tuple[Any, int, Any]) -> None:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
            raise DataError(f"{path} holds {shown(name)!r}, which leaves its folder: such an archive is not read.")
        if parts and (parts[-1].startswith("._") or parts[0] == "__MACOSX"):
            return
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in IMAGES:
            self._add(prefix + name.removeprefix("./"), source)
        elif suffix == LABELS and source[1] < 1000:
            self.labels[prefix + name.removeprefix("./").removesuffix(LABELS)] = (
                self._bytes(*source).decode("utf-8", "replace").strip()
            )

    def _tell_of_dots(self) -> None:
        """Readers of WebDataset shards take all files up to the first dot of their names for one sample."""
        keys: dict[str, int] = {}
        for name in self.names:
            folder, _, file = name.rpartition("/")
            key = f"{folder}/{file.partition('.')[0]}"
            keys[key] = keys.get(key, 0) + 1
        merged = sum(count for count in keys.values() if count > 1)
        tar = any(not isinstance(self._read[name], Path) for name in self.names)
        if merged and tar:
            self.notes.append(
                f"{merged:,} images share the part of their name before its first dot with another, such as "
                f"{shown(self.names[0])!r}: each is a row here, and they are one sample to readers of WebDataset "
                "shards."
            )


def is_archive(path: Path) -> bool:
    """Whether a file is an archive by its name."""
    return path.name.lower().endswith(ARCHIVES) and path.is_file()


def has_images(path: Path) -> bool:
    """Whether a folder holds images, or archives that may."""
    return any(p.suffix.lower() in IMAGES or is_archive(p) for p in path.rglob("*"))


def _refuse_bomb(path: Path, size: int, packed: int) -> None:
    if size > HARMLESS and size > GROWTH * packed:
        raise DataError(
            f"{path} unpacks to {size / 2**20:,.0f} MiB, {size // max(1, packed):,} times its size, as no images do."
        )
    if size > 64 * physical_memory():
        raise DataError(f"{path} unpacks to {size / 2**30:,.0f} GiB: give it in parts.")
