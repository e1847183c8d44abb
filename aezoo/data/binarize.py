"""Grey values as probabilities of a one: the binary data that likelihoods of the field are compared on.

Shapes: N rows of the dataset, *X one datum.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from torch.utils.data import Dataset as TorchDataset

from aezoo.core.arrays import as_tensor
from aezoo.core.sparse import SparseRows
from aezoo.data.dataset import Dataset
from aezoo.errors import DataError, UsageError

Binarize = Literal["none", "static", "dynamic"]
# values drawn in one go: uniform numbers for all of MNIST would take half a gigabyte
CHUNK = 1 << 22


def binarized(dataset: Dataset, how: Binarize = "dynamic", seed: int = 0) -> Dataset:
    """Zeros and ones, drawn with probability ``(x − low) / (high − low)`` of a one.

    ``static`` draws every row once (Salakhutdinov & Murray 2008). ``dynamic`` does so too, for all that is measured,
    and draws the rows of each training batch afresh from the run's own stream (Burda et al. 2016, arXiv:1509.00519).
    ``none`` gives the dataset back as it is. ``seed`` is that of the rows drawn once.

    Raises:
        UsageError: no such way.
        DataError: values lie outside of their range, which is [0, 1] where the data states none; or the rows are
            those of a torch dataset.

    Examples:
        >>> ones = aezoo.data.binarized(aezoo.data.open_data("digits"), "static")
        >>> ones.all().rows().unique().tolist()
        [0, 1]
    """
    if how == "none":
        return dataset
    if how not in ("static", "dynamic"):
        raise UsageError(f"no way {how!r} to binarize: choose none, static or dynamic.")
    rates = _rates(dataset)
    # the legacy generator's stream is frozen: a later NumPy draws the same rows
    draw = np.random.RandomState(seed)
    x = np.empty(rates.shape, dtype=np.uint8)
    size = max(1, CHUNK // dataset.spec.size)
    for start in range(0, len(x), size):
        part = rates[start : start + size]
        x[start : start + size] = draw.random_sample(part.shape) < part
    spec = dataset.spec.model_copy(update={"low": 0.0, "high": 1.0, "levels": 2, "scaling": "none"})
    return dataset.changed(x, spec, rates if how == "dynamic" else None)


def _rates(dataset: Dataset) -> np.ndarray[Any, np.dtype[np.float32]]:
    spec = dataset.spec
    if isinstance(dataset.x, SparseRows):
        raise DataError(f"{spec.name} is sparse, and binarizing it would make it dense: give zeros and ones.")
    if isinstance(dataset.x, TorchDataset):
        raise DataError(f"{spec.name} is a torch dataset, read row by row: binarize its items in it.")
    values = as_tensor(dataset.x).cpu().float().numpy()
    # what states no range and lies in [0, 1] may well be probabilities
    low, high = (0.0, 1.0) if spec.low is None or spec.high is None else (spec.low, spec.high)
    rates = (values - np.float32(low)) / np.float32(high - low)
    if not (rates.min() >= 0 and rates.max() <= 1):
        if spec.low is None or spec.high is None:
            raise DataError(
                f"{spec.name} states no range of its values, and they are not all in [0, 1], so that none is a "
                "probability: rescale them."
            )
        raise DataError(f"{spec.name} has values outside {low:g} to {high:g}: rescale them.")
    return rates
