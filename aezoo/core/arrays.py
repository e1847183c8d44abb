"""Raw user data as rows: what every entrance to a model and to a dataset does first.

Shapes: B rows, D values of one datum, S the shape of one datum, (D,) or (C, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from aezoo.core.mapped import Array, release
from aezoo.core.sparse import SparseRows, as_sparse
from aezoo.errors import DataError

# values looked at in one go: bounds the memory of a pass over data of any size
CHUNK = 1 << 22
# NumPy types that torch lacks or hardly supports, and the type that holds their values
_WIDER = {"u2": np.int32, "u4": np.int64, "u8": np.float64, "f12": np.float64, "f16": np.float64}


def as_rows(
    x: Any, shape: Sequence[int], what: str = "data", built: str = "the model was built for data of shape"
) -> tuple[Array, bool]:
    """Rows (B, *S) of raw data for a model of datum shape S, and whether ``x`` was one datum without a batch axis.

    ``x`` is an array, a tensor or nested sequences of numbers; it is not copied where a view will do. A row has the
    shape S, or is flat (D,), or is (H, W) where S is (1, H, W). One-dimensional data of N values for S = (1,) is N
    rows, unless N is 1. Raises DataError for other shapes, for no rows, and for values that are no real numbers.
    """
    array = as_array(x, what)
    shape, got = tuple(shape), tuple(array.shape)
    accepted = {shape, (math.prod(shape),)} | ({shape[1:]} if len(shape) == 3 and shape[0] == 1 else set())
    if got and got[0] == 0:
        raise DataError(f"{what} has no rows: give it at least one.")
    if shape == (1,) and len(got) == 1:
        single = got == (1,)
    elif got == shape or (got in accepted and got[1:] != shape):
        single = True
    elif got[1:] in accepted:
        single = False
    else:
        seen = f"rows of shape {got[1:]}" if len(got) > 1 else f"an array of shape {got}"
        flat = "" if len(shape) == 1 else f", or flat rows of {math.prod(shape)} values"
        raise DataError(f"{what}: {built} {shape}, and got {seen}: give rows of shape {shape}{flat}.")
    return array.reshape(1 if single else got[0], *shape), single


def as_array(x: Any, what: str = "data") -> Array:
    """``x`` as an array or tensor of bool, integer or real dtype; arrays and tensors are not copied.

    Raises DataError for ragged sequences and for text, objects, complex numbers, masked and sparse data.
    """
    if isinstance(x, torch.Tensor):
        if x.layout != torch.strided or x.is_quantized:
            raise DataError(f"{what} is a sparse or quantized tensor: convert it with to_dense() or dequantize().")
        # torch hardly computes with its floats of one byte
        if x.is_complex() or (x.is_floating_point() and x.element_size() < 2):
            raise DataError(f"{what} has dtype {x.dtype}: give it real numbers, such as float32.")
        return x
    sparse = as_sparse(x)
    if sparse is not None:
        return sparse  # type: ignore[return-value]
    if isinstance(x, np.ma.MaskedArray):
        raise DataError(f"{what} is a masked array: fill in the masked values with filled().")
    try:
        array = np.asarray(x)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise DataError(f"{what} cannot be made an array ({error}): give rows of one length, of numbers.") from None
    if array.dtype.kind not in "buif":
        raise DataError(f"{what} has dtype {array.dtype}: give it numbers (bool, integer or float).")
    return array


def as_tensor(rows: Array) -> torch.Tensor:
    """``rows`` as a tensor of the same values; copied only when torch cannot share the memory."""
    if isinstance(rows, torch.Tensor):
        return rows
    wider = _WIDER.get(f"{rows.dtype.kind}{rows.dtype.itemsize}", rows.dtype.newbyteorder("="))
    return torch.from_numpy(np.require(rows.astype(wider, copy=False), requirements=["C", "W"]))


def chunks(x: Array) -> Iterator[tuple[int, Any]]:
    """The index of the first row and the rows, some at a time, of ``x``: views of bounded size, one in memory."""
    step = max(1, CHUNK // max(1, math.prod(x.shape[1:])))
    for start in range(0, len(x), step):
        try:
            yield start, x[start : start + step]
        finally:
            release(x)


def check_finite(x: Array | SparseRows, what: str = "data", first: int = 0) -> None:
    """Raises DataError that names the first NaN or infinity of ``x`` (B, ...), its row counted from ``first``."""
    if not (x.is_floating_point() if isinstance(x, torch.Tensor) else x.dtype.kind == "f"):
        return
    if isinstance(x, SparseRows):
        _check_stored(x, what, first)
        return
    for start, part in chunks(x):
        # a sum is one pass without a temporary, and no sum that NaN or infinity is part of is finite; that of huge
        # values may not be either
        if math.isfinite(_sum(part)):
            continue
        finite = torch.isfinite(part) if isinstance(part, torch.Tensor) else np.isfinite(part)
        if bool(finite.all()):
            continue
        found = finite.cpu().numpy() if isinstance(finite, torch.Tensor) else finite
        row, *place = (int(i) for i in np.unravel_index(int(np.argmin(found)), found.shape))
        value = float(part[(row, *place)])
        name = "NaN" if math.isnan(value) else "infinity" if value > 0 else "-infinity"
        column = f", column {place[0]}" if len(place) == 1 else f", at {tuple(place)}" if place else ""
        raise DataError(
            f"{what}: row {first + start + row}{column} (counted from 0), is {name}: "
            "remove such rows, or take NaN for missing values (holes=true, in tables)."
        )


def _check_stored(x: SparseRows, what: str, first: int) -> None:
    for start in range(0, len(x.values), CHUNK):
        bad = ~np.isfinite(x.values[start : start + CHUNK])
        if not bad.any():
            continue
        place = start + int(bad.argmax())
        row = int(np.searchsorted(x.matrix.indptr, place, side="right")) - 1
        raise DataError(
            f"{what}: row {first + row}, column {int(x.matrix.indices[place])} (counted from 0), is "
            f"{x.values[place]}: remove such rows, or fill in the missing values."
        )


def _sum(x: Array) -> float:
    """The sum of real values, in no fewer than 32 bits."""
    if isinstance(x, torch.Tensor):
        return float(x.detach().sum(dtype=torch.float32 if x.element_size() < 4 else x.dtype))
    with np.errstate(all="ignore"):
        return float(x.sum(dtype=np.float32 if x.dtype.itemsize < 4 else x.dtype.newbyteorder("=")))


def within(x: torch.Tensor, low: float, high: float) -> bool:
    """Whether every value lies in ``low`` to ``high``; bytes that can hold no others are not looked at."""
    if x.dtype == torch.bool:
        x = x.view(torch.uint8)
    if not x.is_floating_point() and low <= torch.iinfo(x.dtype).min and torch.iinfo(x.dtype).max <= high:
        return True
    least, most = x.detach().aminmax()
    return low <= float(least) and float(most) <= high


def spans(rows: int, size: int, *, join: bool = True) -> Iterator[tuple[int, int]]:
    """Bounds of consecutive batches of ``size`` rows.

    With ``join``, as in training, a row left over at the end joins the batch before it: batch normalisation has no
    statistics of one row.
    """
    start, lonely = 0, int(join and size > 1)
    while start < rows:
        end = start + size if start + size + lonely < rows else rows
        yield start, end
        start = end


def steps_of(rows: int, size: int) -> int:
    """How many batches an epoch of training has."""
    whole, left = divmod(rows, size)
    return whole + (left > 1 or (left == 1 and whole == 0))
