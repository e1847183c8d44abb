"""Images of a folder or an archive as a Dataset: looked at first, then decoded side by side, in memory or on disk.

Shapes: N images, C channels, H height, W width.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from aezoo.core.mapped import HELD_BYTES
from aezoo.core.progress import Progress
from aezoo.core.spec import DataSpec
from aezoo.data.cache import kept
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import NDArray, reading
from aezoo.data.images.files import Files
from aezoo.data.images.pixels import DEPTHS, Colour, Depth, Fit, Look, look, pixels
from aezoo.data.infer import told_classes
from aezoo.errors import DataError
from aezoo.errors import one_line as shown

T = TypeVar("T")
AHEAD = 64
MOST_SIZES = 5
HIGH = {"bit": 1.0, "byte": 255.0, "word": 65535.0}
KINDS = {"bit": np.uint8, "byte": np.uint8, "word": np.uint16, "float": np.float32}


def image_folder(path: str | Path, **how: Any) -> Dataset:
    """The images of a folder, or of a zip or tar archive, as ``images_of`` reads them."""
    path = Path(path)
    name = path.name.split(".")[0] if path.is_file() else path.resolve().name
    with reading(path, "a folder or archive of images"), Files(path) as files:
        return images_of(files, name, **how)


class Images(Protocol):
    """Images by name, wherever they are."""

    what: str
    names: list[str]
    labels: dict[str, str]
    notes: list[str]

    def content(self, name: str) -> Any:
        """The bytes of one, or a path to them."""

    def stamp(self) -> Iterator[str]:
        """What tells these images from others."""


def images_of(
    files: Images,
    name: str,
    size: tuple[int, ...] = (),
    fit: Fit = "resize",
    mode: str = "auto",
    skip_broken: bool = False,
    cache: str | None = None,
    like: DataSpec | None = None,
) -> Dataset:
    """Images as rows (N, C, H, W) of their pixels as a person sees them.

    Where every image lies in a subfolder, the first one names its class. Images that take more than memory should are
    decoded once into a file of ``cache`` (by default the user's cache folder) and read from there.

    Raises:
        DataError: an image that is broken, by its name; images of several sizes where none was chosen; no image.
    """
    looks, broken = _looked_at(files, skip_broken)
    names = [name for name, found in zip(files.names, looks, strict=True) if found is not None]
    known = [found for found in looks if found is not None]
    if not known:
        raise DataError(
            f"{files.what}: none of its {len(looks)} images can be read, such as {shown(files.names[0])!r}."
        )
    colour, depth = _mode(known, mode, like)
    shape = _shape(files.what, known, size, like)
    if depth == "bit" and like is None and any(found.size != shape for found in known):
        # between black and white lie the greys of a smaller picture
        depth = "byte"
    wanted = (1 if colour == "grey" else 3, *shape)

    def decoded(name: str) -> NDArray:
        return pixels(files.content(name), colour, depth, shape, fit)

    rows = _all_of(files, names, decoded, wanted, KINDS[depth], cache, f"{colour} {depth} {shape} {fit}")
    notes = list(files.notes)
    if broken:
        notes.append(f"{len(broken):,} of {len(looks):,} images are broken and left out, such as {shown(broken[0])!r}.")
    clear = sum(found.alpha for found in known)
    if clear:
        notes.append(f"{clear:,} images have transparent parts: they are seen over white.")
    levels = {"bit": 2, "byte": 256, "word": 65536}.get(depth)
    spec = DataSpec(
        name=name,
        shape=wanted,
        low=0.0 if levels else None,
        high=HIGH.get(depth),
        levels=levels,
        scaling="scale" if levels else "standardize",
    )
    dataset = told_classes(Dataset(rows, _classes(files, names), spec=spec))
    dataset.notes += notes
    return dataset


def _looked_at(files: Images, skip: bool) -> tuple[list[Look | None], list[str]]:
    broken: list[str] = []

    def one(name: str) -> Look | None:
        try:
            # a file that ends early has a whole head
            found = look(files.content(name))
            if skip:
                pixels(files.content(name), found.colour, found.depth, None, "resize")
            return found
        except MemoryError:
            raise
        # a damaged image surfaces as almost any exception of its decoder
        except Exception as error:
            if not skip:
                raise _broken(files, name, error) from None
            broken.append(name)
            return None

    return list(side_by_side(one, files.names)), sorted(broken)


def _broken(files: Images, name: str, error: Exception) -> DataError:
    reason = shown(str(error) or type(error).__name__)
    return DataError(
        f"{files.what}: image {shown(name)!r} cannot be read ({reason}): mend or remove it, or leave such out "
        "(skip_broken=true)."
    )


def _mode(looks: Sequence[Look], mode: str, like: DataSpec | None) -> tuple[Colour, Depth]:
    """Channels and depth of all images: those that lose nothing, unless they are chosen or learned."""
    depth = DEPTHS[max(DEPTHS.index(found.depth) for found in looks)]
    if depth == "bit" and any(found.alpha for found in looks):
        depth = "byte"
    colour: Colour = "rgb" if any(found.colour == "rgb" for found in looks) else "grey"
    if mode != "auto":
        colour = "grey" if mode == "grey" else "rgb"
    if like is not None and like.is_image:
        colour = "grey" if like.shape[0] == 1 else "rgb"
        depth = next((one for one in DEPTHS if HIGH.get(one) == like.high), "float")
    if colour == "rgb" and depth == "bit":
        depth = "byte"
    return colour, depth


def _shape(what: str, looks: Sequence[Look], size: tuple[int, ...], like: DataSpec | None) -> tuple[int, int]:
    if size:
        return (size[0], size[-1])
    found = Counter(one.size for one in looks)
    if len(found) > 1:
        listed = ", ".join(f"{h}×{w} ({n:,})" for (h, w), n in found.most_common(MOST_SIZES))
        more = f" and {len(found) - MOST_SIZES} more sizes" if len(found) > MOST_SIZES else ""
        raise DataError(
            f"{what} holds images of several sizes, {listed}{more}: choose one (size=64, or size=64;48 for height and "
            "width; fit=resize, crop or pad)."
        )
    shape = next(iter(found))
    if like is not None and like.is_image and like.shape[1:] != shape:
        height, width = like.shape[1:]
        raise DataError(
            f"{what} holds images of {shape[0]}×{shape[1]}, and the model learned {height}×{width}: give "
            f"size={height};{width}."
        )
    return shape


def _classes(files: Images, names: Sequence[str]) -> list[str] | None:
    stems = [name.rpartition(".")[0] or name for name in names]
    if files.labels and all(stem in files.labels for stem in stems):
        return [files.labels[stem] for stem in stems]
    folders = [name.partition("/")[0] if "/" in name else None for name in names]
    distinct = set(folders)
    if None in distinct or len(distinct) < 2:
        inner = [name.partition("/")[2] for name in names]
        # an archive of one folder, as most are
        if len(distinct) == 1 and None not in distinct and all("/" in name for name in inner):
            folders = [name.partition("/")[0] for name in inner]
            return [str(folder) for folder in folders] if len(set(folders)) > 1 else None
        return None
    return [str(folder) for folder in folders]


def _all_of(
    files: Images,
    names: Sequence[str],
    decoded: Callable[[str], NDArray],
    shape: tuple[int, ...],
    kind: Any,
    cache: str | None,
    how: str,
) -> NDArray:
    """The rows (N, C, H, W), in memory, or mapped from a file that is made once."""
    size = len(names) * int(np.prod(shape)) * np.dtype(kind).itemsize
    if size <= HELD_BYTES and cache is None:
        rows = np.empty((len(names), *shape), kind)
        _fill(rows, files, names, decoded)
        return rows
    stamp = "\0".join((how, *names, *files.stamp()))
    return kept(stamp, (len(names), *shape), kind, lambda rows: _fill(rows, files, names, decoded), cache)


def _fill(rows: NDArray, files: Images, names: Sequence[str], decoded: Callable[[str], NDArray]) -> None:
    def one(name: str) -> NDArray:
        try:
            return decoded(name)
        except MemoryError:
            raise
        except Exception as error:
            raise _broken(files, name, error) from None

    progress = Progress()
    with progress.of(1, len(names), "decoding images"):
        for place, row in enumerate(side_by_side(one, names)):
            rows[place] = row
            progress.advance(1)


def side_by_side(work: Callable[[str], T], names: Sequence[str]) -> Iterator[T]:
    """``work`` of each name, in order, by as many threads as there are processors: decoders leave Python to others."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        rest = iter(names)
        waiting = [pool.submit(work, name) for name in islice(rest, AHEAD)]
        try:
            while waiting:
                first = waiting.pop(0)
                yield first.result()
                waiting += [pool.submit(work, name) for name in islice(rest, 1)]
        finally:
            for one in waiting:
                one.cancel()
