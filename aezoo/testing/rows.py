"""Made-up data that every autoencoder can fit: a mean that is no constant, and a few factors around it.

Shapes: N rows, *X one datum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset

ROWS, TEST = 124, 12
FACTORS = 2
# unlike in height, width and channels, so that no axis can be taken for another one
TABLE, COLUMN = (5,), (1,)
IMAGE, ODD, COLOURED = (1, 8, 8), (1, 7, 5), (3, 6, 9)


def image_spec(shape: tuple[int, ...] = IMAGE) -> DataSpec:
    """Images of 17 grey levels, as the bundled digits are."""
    return DataSpec(name=_named(shape), shape=shape, low=0.0, high=16.0, levels=17, scaling="scale")


def table_spec(shape: tuple[int, ...] = TABLE) -> DataSpec:
    """A table of real numbers without known bounds."""
    return DataSpec(name=_named(shape), shape=shape)


def binary_spec(shape: tuple[int, ...] = IMAGE) -> DataSpec:
    """Images of zeros and ones."""
    return DataSpec(name=f"binary {_named(shape)}", shape=shape, low=0.0, high=1.0, levels=2, scaling="none")


def _named(shape: tuple[int, ...]) -> str:
    return f"rows of shape ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def made_up(spec: DataSpec, rows: int = ROWS) -> np.ndarray[Any, Any]:
    """Rows (N, *X) of ``spec``, float32: the same at every call."""
    draw = np.random.RandomState(0)
    size = spec.size
    # the mean falls along the datum, so that a datum which is turned or reversed is far from it
    mean = np.linspace(1.6, -0.9, size)
    factors = draw.normal(size=(FACTORS, size)) * 0.7
    values = mean + draw.normal(size=(rows, FACTORS)) @ factors
    if spec.low is None or spec.high is None:
        return (4 + 3 * values).astype("float32").reshape(rows, *spec.shape)
    unit = 1 / (1 + np.exp(-values))
    if spec.levels is None:
        scaled = spec.low + (spec.high - spec.low) * (0.05 + 0.9 * unit)
    else:
        step = (spec.high - spec.low) / (spec.levels - 1)
        # the last level is left out: what is seen of a range is not the range
        top = spec.levels - 1 if spec.levels == 2 else spec.levels - 2
        scaled = spec.low + step * np.round(top * unit)
    return scaled.astype("float32").reshape(rows, *spec.shape)


def dataset(spec: DataSpec, rows: int = ROWS, test: int = TEST) -> Dataset:
    """Those rows, the last ``test`` of them the test split."""
    return Dataset(made_up(spec, rows), spec=spec, test=np.arange(rows - test, rows))
