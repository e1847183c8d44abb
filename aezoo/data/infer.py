"""What arrays given without a description are taken to be."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from pydantic import ValidationError

from aezoo.core.arrays import as_array, as_tensor, chunks
from aezoo.core.mapped import Array, rows_at
from aezoo.core.sparse import SparseRows
from aezoo.core.spec import Column, DataSpec
from aezoo.data.dataset import Dataset, first_item
from aezoo.errors import DataError

CHANNELS = (1, 3, 4)


Layout = Literal["auto", "image", "series", "table"]
# of channels of one series: how far their deviations may lie apart before they are hardly columns of one image
FAR_APART = 10.0
# rows that are looked at to tell windows of series from images
LOOKED_AT = 1000


def infer_spec(x: Any, name: str = "data", layout: Layout = "auto") -> DataSpec:
    """The spec of an array, tensor or torch dataset.

    (N, D) is a table; (N, H, W), (N, C, H, W) and (N, H, W, C) of 1, 3 or 4 channels are images; (N, T, C) may be
    windows of series instead, T steps of C channels, each of which is scaled by itself: ``layout`` says which, or it is
    guessed. Values that are all
    0 or 1 have that range and two levels, bytes have 0..255, images of floats within [0, 1] have that range; anything
    else has no known range and is standardised. Of a torch dataset only the first item is looked at, so its range is
    a guess, and its images must be channels first. Raises DataError for other shapes.

    Examples:
        >>> aezoo.data.infer_spec(np.random.default_rng(0).normal(size=(50, 3))).shape
        (3,)
    """
    if isinstance(x, torch.utils.data.Dataset):
        return _spec_of_item(first_item(x, name), name)
    array, _ = laid_out(as_array(x, name), name, layout)
    return _spec(array, tuple(array.shape[1:]), name, all_in(array, binary=True))


def from_arrays(
    x: Any,
    labels: Any = None,
    name: str = "data",
    test: Any = None,
    layout: Layout = "auto",
    holes: bool = False,
) -> Dataset:
    """A Dataset of an array, tensor or torch dataset whose spec is inferred; raises DataError as that does.

    With ``holes``, NaN in a table (N, D) is a missing value.
    """
    note = ""
    if not isinstance(x, torch.utils.data.Dataset):
        x, note = laid_out(as_array(x, name), name, layout)
        layout = "series" if x.ndim == 3 else "auto"
    spec = infer_spec(x, name, layout)
    dataset = Dataset(x, labels, spec=_with_holes(x, spec) if holes else spec, test=test)
    dataset.notes += [note] if note else []
    return told_classes(dataset)


def told_classes(dataset: Dataset) -> Dataset:
    """The dataset itself, its spec told how many classes there are, where they are numbered from 0 without gaps."""
    if dataset.labels is not None:
        present = np.unique(dataset.labels)
        if np.array_equal(present, np.arange(len(present))):
            dataset.spec = dataset.spec.model_copy(update={"classes": len(present)})
    return dataset


def _with_holes(x: Any, spec: DataSpec) -> DataSpec:
    if len(spec.shape) != 1 or isinstance(x, torch.utils.data.Dataset | SparseRows):
        raise DataError(f"{spec.name} has rows of shape {spec.shape}: missing values are for tables (N, D).")
    missing = np.zeros(spec.size, dtype=bool)
    for _, part in chunks(x):
        missing |= np.isnan(np.asarray(part, dtype=np.float64)).any(0)
    columns = tuple(Column(name=str(i), holes=bool(found)) for i, found in enumerate(missing))
    return spec.model_copy(
        update={"columns": columns, "scaling": "standardize", "low": None, "high": None, "levels": None}
    )


def laid_out(x: Array, name: str, layout: Layout = "auto") -> tuple[Array, str]:
    """``x`` as a table (N, D), series (N, T, C) or images (N, C, H, W), without copying; and what was guessed, or ''.

    Raises DataError for other shapes.
    """
    if layout == "table" and x.ndim > 1:
        return x.reshape(len(x), -1), ""
    if layout in ("series", "image") and x.ndim == 2:
        # one series (S, C), of which windows are yet to be cut; or images whose rows are flat
        return x, ""
    if layout == "series" and x.ndim != 3:
        raise DataError(f"{name}: an array of shape {tuple(x.shape)} is no series: give windows (N, steps, channels).")
    if layout == "image" and x.ndim not in (3, 4):
        raise DataError(f"{name}: an array of shape {tuple(x.shape)} is no images: give (N, H, W) or (N, C, H, W).")
    if x.ndim == 2:
        return x, ""
    if x.ndim == 3:
        if layout != "auto":
            return (x if layout == "series" else x[:, None]), ""
        return _guessed(x, name)
    if x.ndim == 4:
        last = x.shape[3] in CHANNELS and x.shape[1] not in CHANNELS
        if not last:
            return x, ""
        return (x.permute(0, 3, 1, 2) if isinstance(x, torch.Tensor) else np.moveaxis(x, 3, 1)), ""
    remedy = "reshape(-1, 1) makes rows of one column" if x.ndim == 1 else "give (N, D), (N, H, W) or (N, C, H, W)"
    raise DataError(f"{name}: an array of shape {tuple(x.shape)} is neither a table nor images: {remedy}.")


def _guessed(x: Array, name: str) -> tuple[Array, str]:
    """Three axes: grey images (N, H, W), or windows (N, T, C) of series."""
    _, height, width = x.shape
    index = np.unique(np.linspace(0, len(x) - 1, min(LOOKED_AT, len(x))).astype(np.int64))
    some = as_tensor(rows_at(x, index)).double()
    is_long = 2 * width <= height
    is_grey = "uint8" in str(x.dtype) or "bool" in str(x.dtype) or (not is_long and all_in(some, binary=False))
    if is_grey or not bool(some.isfinite().all()):
        return x[:, None], ""
    spread = some.std((0, 1), correction=0)
    far = bool(spread.max() > FAR_APART * spread[spread > 0].min()) if bool((spread > 0).any()) else False
    if far or is_long:
        why = "channels of very different size" if far else "many steps of few channels"
        return x, (
            f"{name}: {height}×{width} values a row, {why}, are taken for windows of a series, {height} steps of "
            f"{width} channels, each scaled by itself (layout=image if they are images)."
        )
    return x[:, None], (
        f"{name}: {height}×{width} values a row are taken for grey images, all scaled alike (layout=series if they are "
        f"{height} steps of {width} channels, layout=table if they are columns)."
    )


def all_in(x: Array, binary: bool) -> bool:
    """Whether all values are 0 or 1 (``binary``), or within [0, 1]; NaN is neither."""
    stored = [(0, x.values)] if isinstance(x, SparseRows) else chunks(x)
    for _, part in stored:
        inside = (part == 0) | (part == 1) if binary else (part >= 0) & (part <= 1)
        if not bool(inside.all()):
            return False
    return True


def _spec_of_item(item: Array, name: str) -> DataSpec:
    shape = tuple(item.shape)
    if len(shape) == 3 and shape[2] in CHANNELS and shape[0] not in CHANNELS:
        raise DataError(
            f"{name}: its images have shape {shape}, channels last: return them channels first, as "
            "torchvision.transforms.ToTensor does."
        )
    if len(shape) not in (1, 2, 3):
        raise DataError(f"{name}: its items have shape {shape}: return (D,), (H, W) or (C, H, W).")
    shape = (1, *shape) if len(shape) == 2 else shape
    return _spec(item[None].reshape(1, *shape), shape, name, "bool" in str(item.dtype))


def _spec(rows: Array, shape: tuple[int, ...], name: str, binary: bool) -> DataSpec:
    low: float | None = 0.0
    high: float | None = 1.0
    levels = None
    if binary:
        levels = 2
    elif str(rows.dtype).removeprefix("torch.") == "uint8":
        high, levels = 255.0, 256
    elif len(shape) != 3 or "float" not in str(rows.dtype) or not all_in(rows, binary=False):
        low = high = None
    # a table of bytes holds counts and codes, each column with a reach of its own
    scaling = "scale" if low is not None and (binary or len(shape) == 3) else "standardize"
    try:
        given: Any = {"scaling": scaling, "series": len(shape) == 2}
        return DataSpec(name=name, shape=shape, low=low, high=high, levels=levels, **given)
    except ValidationError:
        raise DataError(f"{name}: a row of shape {shape} is no datum: every axis has 1 to 1,000,000 values.") from None
