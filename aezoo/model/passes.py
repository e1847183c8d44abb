"""How raw data gets through a model: pass by pass, in bounded memory, each row checked on its way.

Shapes: B rows, K draws, *X one datum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aezoo.core.arrays import as_rows, as_tensor, within
from aezoo.core.mapped import Array
from aezoo.core.memory import keep_blocks
from aezoo.data.checks import check_rows
from aezoo.data.tables.files import is_frame
from aezoo.data.tables.read import rows_of_frame
from aezoo.errors import DataError, UsageError
from aezoo.model.objective import Objective

Rows = Any
"""Raw data: a NumPy array, a tensor or nested lists; rows (B, *X) or one datum (*X)."""

# of a pass with draws; 16 MiB in float32 keep memory bounded
PASS_VALUES = 1 << 22
PASS_BYTES = 4 * PASS_VALUES
# of a pass without: by measurement the fewest at which the matrix products still run at full speed, so that what one
# layer gives is still near the processor when the next one takes it
NEAR_VALUES = 1 << 20


def prepared(model: Objective, x: Tensor) -> Tensor:
    """Raw rows (B, *X) as the objective takes them: on the model's device, scaled, of its type."""
    x = x.to(model.device)
    return x.to(model.dtype) if model.preprocess is None else model.preprocess(x, model.dtype)


def rowwise(
    model: Objective,
    x: Rows,
    function: Callable[[Tensor], Tensor],
    batch_size: int | None,
    draws: int | None = None,
    seed: int | None = None,
    *,
    axis: int = 0,
) -> Any:
    """Applies ``function`` to preprocessed rows, pass by pass, and gives back the kind of thing that came in.

    ``axis`` is the one of the rows in what ``function`` returns.
    """
    if draws is not None:
        refuse_none(draws)
    if batch_size is not None:
        refuse_none(batch_size, "batch_size")
    rows, single = given_rows(model, x)
    size = batch_size or (rows_a_pass(model, draws) if draws else rows_nearby(model))
    if size < len(rows):
        keep_blocks()
    result: Tensor | None = None
    with torch.no_grad(), model.evaluating(), model.stream(seed if draws is not None else None):
        for start in range(0, len(rows), size):
            piece = as_tensor(rows[start : start + size])
            # while it is near the processor anyway
            check_rows(piece, model.spec, first=start)
            _check_range(model, piece, start)
            part = function(prepared(model, piece))
            if result is None:
                # laid out once: joining the passes at the end would hold everything twice
                shape = list(part.shape)
                shape[axis] = len(rows)
                result = part.new_empty(shape, device=x.device if isinstance(x, Tensor) else "cpu")
            result.narrow(axis, start, len(piece)).copy_(part)
    assert result is not None
    if single:
        result = result.select(axis, 0)
    return result if isinstance(x, Tensor) else result.numpy()


def given_rows(model: Objective, x: Rows) -> tuple[Array, bool]:
    """``x`` as rows (B, *X) of the model's data, not yet looked at, and whether it was one datum.

    Columns of a data frame are matched by name. Raises DataError for rows of another shape.
    """
    return as_rows(rows_of_frame(x, model.spec) if is_frame(x) else x, model.spec.shape)


def _check_range(model: Objective, rows: Tensor, first: int) -> None:
    """Refuses values that the likelihood gives no probability; scaled by a fitted range, they are clipped."""
    low, high = model.spec.low, model.spec.high
    if not model.decoder.likelihood.unit_interval or low is None or high is None:
        return
    if not within(rows, low, high):
        row = first + int(((rows < low) | (rows > high)).flatten(1).any(1).nonzero()[0])
        raise DataError(
            f"row {row} has values outside {low:g} to {high:g}, to which {type(model.decoder.likelihood).__name__} "
            "gives no probability: rescale the data, or train with likelihood gaussian."
        )


def rows_a_pass(model: Objective, draws: int = 1) -> int:
    """How many rows, each decoded ``draws`` times, go through at once in bounded memory."""
    values = max(model.spec.size, model.decoder.likelihood.outputs.size)
    return max(1, min(8192, PASS_VALUES // (values * draws)))


def rows_nearby(model: Objective) -> int:
    """How many rows without draws go through at once fastest: no more than in bounded memory."""
    values = max(model.spec.size, model.decoder.likelihood.outputs.size)
    return max(1, min(rows_a_pass(model), NEAR_VALUES // values))


def refuse_none(count: int, name: str = "draws") -> None:
    """Raises UsageError for a count that is no whole number of at least 1."""
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        raise UsageError(f"{name} must be a whole number of at least 1 (got {count!r}).")


def pieces(draws: int, rows: int, at_once: int) -> Iterator[tuple[slice, slice]]:
    """Parts of a block of codes (draws, rows), of at most ``at_once`` codes each."""
    height = min(draws, at_once)
    width = max(1, at_once // height)
    for k in range(0, draws, height):
        for row in range(0, rows, width):
            yield slice(k, k + height), slice(row, row + width)


def chunks(total: int, size: int) -> Iterator[int]:
    """The sizes of the parts of ``total``, of at most ``size`` each."""
    for start in range(0, total, size):
        yield min(size, total - start)
