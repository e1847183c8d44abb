"""Which rows are measured on, where the user says so: a share, a number, a file of their own, or none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aezoo.core.arrays import as_tensor
from aezoo.core.mapped import mapped
from aezoo.core.sparse import SparseRows
from aezoo.data.dataset import Dataset, drawn
from aezoo.errors import DataError, UsageError

Opened = Callable[[str], Dataset]


def tested(dataset: Dataset, test: Any, opened: Opened) -> Dataset:
    """The dataset with another test split, on record in its source.

    Args:
        dataset: its own split is left aside.
        test: a share below 1 or a number of rows, drawn alike whatever the seed of training; 0 for none; or a file of
            further rows, which are never learned from.
        opened: reads such a file as the dataset was read.

    Raises:
        UsageError: what is neither.
        DataError: a file whose rows are of another kind.
    """
    if isinstance(test, str):
        with contextlib.suppress(ValueError):
            test = int(test) if test.strip().isdecimal() else float(test)
    if isinstance(test, str | os.PathLike):
        made = _with_rows(dataset, os.fspath(test), opened)
        made.source = {**dataset.source, "test": str(Path(test).absolute())}
        return made
    is_number = isinstance(test, int | float) and not isinstance(test, bool)
    if not is_number or test < 0 or (isinstance(test, float) and test >= 1):
        raise UsageError(
            f"test {test!r} is neither a share below 1, nor a number of rows, nor a file: try 0.2, 500 or FILE."
        )
    count = test if isinstance(test, int) else round(test * len(dataset))
    if count >= len(dataset):
        raise UsageError(
            f"{dataset.spec.name} has {len(dataset)} rows: a test split of {count} leaves none to train on."
        )
    dataset.test = drawn(len(dataset), count, 0)
    dataset.source = {**dataset.source, "test": test}
    return dataset


def _with_rows(dataset: Dataset, path: str, opened: Opened) -> Dataset:
    further = opened(path)
    if (
        any(isinstance(part.x, torch.utils.data.Dataset | SparseRows) for part in (dataset, further))
        or dataset.rates is not None
    ):
        raise DataError(
            f"test rows of their own are for arrays and tables, and {dataset.spec.name} is none: give a share."
        )
    if further.spec.shape != dataset.spec.shape:
        raise DataError(
            f"{path} has rows of shape {further.spec.shape}, and {dataset.spec.name} of {dataset.spec.shape}: they "
            "must be alike."
        )
    if mapped(dataset.x) is not None and dataset.x.nbytes > further.x.nbytes + (1 << 30):
        raise DataError(
            f"{dataset.spec.name} is too large to be joined with other rows: leave --test out, and evaluate --data."
        )
    x = torch.cat([as_tensor(part.x) for part in (dataset, further)]).numpy()
    labels: Any = None
    if dataset.labels is not None and further.labels is not None:
        labels = np.concatenate([_named(part) for part in (dataset, further)])
    own = np.arange(len(dataset), len(x))
    spec = dataset.spec.model_copy(update={"classes": None}) if dataset.spec.classes else dataset.spec
    made = Dataset(x, labels, spec=spec, test=own, source=dataset.source)
    made.notes = [*dataset.notes, *further.notes]
    return made


def _named(dataset: Dataset) -> Any:
    assert dataset.labels is not None
    names = dataset.label_names
    return dataset.labels if names is None else np.array([names[number] for number in dataset.labels])
