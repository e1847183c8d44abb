"""Raw data on its way in and results on their way out, for figures that are asked of rows; and splits that have some.

Shapes: B rows, *X one datum.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from aezoo.core.arrays import as_tensor
from aezoo.data import Split
from aezoo.data.checks import check_rows
from aezoo.errors import DataError
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.passes import Rows, given_rows


def checked_rows(model: Autoencoder, x: Rows) -> tuple[Tensor, bool]:
    """``x`` as rows (B, *X), and whether it was one datum.

    Raises:
        DataError: rows of another shape, or values that are not finite.
    """
    rows, single = given_rows(model, x)
    check_rows(rows, model.spec)
    return as_tensor(rows).detach(), single


def given_back(x: Rows, result: Tensor, single: bool, axis: int = 0) -> Any:
    """``result`` as a tensor where ``x`` is one, else NumPy; without ``axis``, that of the rows, for one datum."""
    result = result.detach().select(axis, 0) if single else result.detach()
    return result.to(x.device) if isinstance(x, Tensor) else result.cpu().numpy()


def filled(split: Split) -> Split:
    """``split`` itself; raises DataError where it has no rows.

    Examples:
        >>> aezoo.evaluation.filled(split) is split
        True
    """
    if len(split) == 0:
        raise DataError(f"this split of {split.dataset.spec.name} has no rows: look at another.")
    return split
