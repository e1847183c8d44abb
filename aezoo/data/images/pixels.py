"""One image as numbers: the pixels that a person sees, of any mode that files have.

Shapes: C channels, H height, W width.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from aezoo.data.formats.guard import NDArray

Colour = Literal["grey", "rgb"]
Fit = Literal["resize", "crop", "pad"]
Depth = Literal["bit", "byte", "word", "float"]
DEPTHS: tuple[Depth, ...] = ("bit", "byte", "word", "float")
# what 16-bit images are opened as
WORDS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


class Look(NamedTuple):
    """What is known of an image before its pixels are decoded."""

    size: tuple[int, int]
    """(H, W), as it is seen."""
    colour: Colour
    depth: Depth
    alpha: bool


def opened(content: Any) -> Image.Image:
    """An image file; raises whatever Pillow does for one that is broken, and for one that would fill a memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(content if not isinstance(content, bytes) else io.BytesIO(content))


def look(content: Any) -> Look:
    """Size and mode of an image, from its head."""
    with opened(content) as image:
        width, height = image.size
        # such cameras were held on their side
        if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):
            width, height = height, width
        alpha = "A" in image.getbands() or "transparency" in image.info
        if image.mode == "P":
            palette = image.getpalette() or []
            grey = all(palette[i] == palette[i + 1] == palette[i + 2] for i in range(0, len(palette) - 2, 3))
        else:
            grey = image.mode in ("1", "L", "LA", "La", "F", *WORDS)
        depth: Depth = (
            "bit" if image.mode == "1" else "word" if image.mode in WORDS else "float" if image.mode == "F" else "byte"
        )
        return Look((height, width), "grey" if grey else "rgb", depth, alpha)


def pixels(content: Any, colour: Colour, depth: Depth, size: tuple[int, int] | None, fit: Fit) -> NDArray:
    """The pixels (C, H, W) of an image: upright, without palette, its transparent parts over white.

    Args:
        content: bytes, or a path.
        colour: 1 or 3 channels.
        depth: ``bit`` gives 0 and 1, ``byte`` uint8, ``word`` uint16, ``float`` float32; shallower files are stretched.
        size: (H, W) to bring it to; None leaves it.
        fit: ``resize`` changes its shape, ``crop`` cuts what is too much, ``pad`` adds black at the borders.
    """
    with opened(content) as image:
        image.load()
        image = ImageOps.exif_transpose(image)
        if depth in ("word", "float") or image.mode in (*WORDS, "F"):
            array = _deep(image, depth)
            if size is not None:
                layer = Image.fromarray(array.astype(np.float32), "F")
                array = np.asarray(_fitted(layer, size, fit))
            array = array[None] if colour == "grey" else np.repeat(array[None], 3, axis=0)
            if depth == "float":
                return array.astype(np.float32)
            return np.clip(np.rint(array), 0, 65535 if depth == "word" else 255).astype(
                np.uint16 if depth == "word" else np.uint8
            )
        if "A" in image.getbands() or "transparency" in image.info:
            seen = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
        image = image.convert("L" if colour == "grey" else "RGB")
        if size is not None:
            image = _fitted(image, size, fit)
        array = np.asarray(image)
        array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        return (array > 127).astype(np.uint8) if depth == "bit" else array


def _deep(image: Image.Image, depth: Depth) -> NDArray:
    """The values (H, W) float64 of an image in the range of ``depth``."""
    if image.mode in WORDS or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        # a file of 16 bits among bytes
        return values / 257 if depth == "byte" and image.mode in WORDS else values
    values = np.asarray(image.convert("L")).astype(np.float64)
    return values * 257 if depth == "word" else values


def _fitted(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    wanted = (size[1], size[0])
    if image.size == wanted:
        return image
    if fit == "resize":
        return image.resize(wanted, Image.Resampling.BILINEAR)
    if fit == "crop":
        return ImageOps.fit(image, wanted, Image.Resampling.BILINEAR)
    return ImageOps.pad(image, wanted, Image.Resampling.BILINEAR)
