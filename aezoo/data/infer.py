"""What arrays given without a description are taken to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from aezoo.core.arrays import as_array, chunks
from aezoo.core.config import DataSpec
from aezoo.core.mapped import Array
from aezoo.data.dataset import Dataset, first_item
from aezoo.errors import DataError

CHANNELS = (1, 3, 4)


def infer_spec(x: Any, name: str = "data") -> DataSpec:
    """The spec of an array, tensor or torch dataset.

    (N, D) is a table; (N, H, W), (N, C, H, W) and (N, H, W, C) of 1, 3 or 4 channels are images. Values that are all
    0 or 1 have that range and two levels, bytes have 0..255, images of floats within [0, 1] have that range; anything
    else has no known range and is standardised. Of a torch dataset only the first item is looked at, so its range is
    a guess, and its images must be channels first. Raises DataError for other shapes.

    Examples:
        >>> aezoo.data.infer_spec(np.random.default_rng(0).normal(size=(50, 3))).shape
        (3,)
    """
    if isinstance(x, torch.utils.data.Dataset):
        return _spec_of_item(first_item(x, name), name)
    array = channels_first(as_array(x, name), name)
    return _spec(array, tuple(array.shape[1:]), name, all_in(array, binary=True))


def from_arrays(
    x: Any,
    labels: Any = None,
    name: str = "data",
    test: Any = None,
) -> Dataset:
    """A Dataset of an array, tensor or torch dataset whose spec is inferred; raises DataError as that does."""
    if not isinstance(x, torch.utils.data.Dataset):
        x = channels_first(as_array(x, name), name)
    dataset = Dataset(x, labels, spec=infer_spec(x, name), test=test)
    if dataset.labels is not None:
        present = np.unique(dataset.labels)
        if np.array_equal(present, np.arange(len(present))):
            dataset.spec = dataset.spec.model_copy(update={"classes": len(present)})
    return dataset


def channels_first(x: Array, name: str) -> Array:
    """``x`` as a table (N, D) or images (N, C, H, W), without copying; raises DataError for other shapes."""
    if x.ndim == 2:
        return x
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4:
        last = x.shape[3] in CHANNELS and x.shape[1] not in CHANNELS
        if not last:
            return x
        return x.permute(0, 3, 1, 2) if isinstance(x, torch.Tensor) else np.moveaxis(x, 3, 1)
    remedy = "reshape(-1, 1) makes rows of one column" if x.ndim == 1 else "give (N, D), (N, H, W) or (N, C, H, W)"
    raise DataError(f"{name}: an array of shape {tuple(x.shape)} is neither a table nor images: {remedy}.")


def all_in(x: Array, binary: bool) -> bool:
    """Whether all values are 0 or 1 (``binary``), or within [0, 1]; NaN is neither."""
    for _, part in chunks(x):
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
        return DataSpec(name=name, shape=shape, low=low, high=high, levels=levels, scaling=scaling)  # type: ignore[arg-type]
    except ValidationError:
        raise DataError(f"{name}: a row of shape {shape} is no datum: every axis has 1 to 1,000,000 values.") from None
