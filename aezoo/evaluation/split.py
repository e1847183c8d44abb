"""How the rows of a split get to a figure: some of them, in bounded passes, as codes or as the model sees them.

Shapes: n rows, D values of one datum, Z values of one code (flattened).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from aezoo.data import Split
from aezoo.model.autoencoder import Autoencoder

Array = np.ndarray[Any, Any]


def some_rows(split: Split, at_most: int, seed: int = 0) -> Split:
    """``split`` itself, or ``at_most`` of its rows in their order, chosen at random by ``seed``.

    Examples:
        >>> len(aezoo.evaluation.some_rows(split, 20, seed=1))
        20
    """
    if len(split) <= at_most:
        return split
    chosen = np.random.default_rng(seed).choice(len(split), at_most, replace=False)
    return split.part(np.sort(chosen))


def encode_split(model: Autoencoder, split: Split) -> Array:
    """The posterior means (n, Z) of all rows, float32.

    Examples:
        >>> aezoo.evaluation.encode_split(run.model, split).shape
        (359, 2)
    """
    codes = [model.encode(x).flatten(1).float().cpu().numpy() for x in split.batches(model.rows_a_pass())]
    return np.concatenate(codes)


def prepared_split(model: Autoencoder, split: Split) -> Array:
    """All rows as the model sees them (n, D), preprocessed and flattened, float64; of mixed tables (n, W).

    Examples:
        >>> aezoo.evaluation.prepared_split(run.model, split).shape
        (359, 64)
    """
    rows = np.empty((len(split), len(value_names(model))))
    start = 0
    for x in split.batches(model.rows_a_pass()):
        rows[start : start + len(x)] = seen_by(model, model.prepare(x)).flatten(1).double().cpu().numpy()
        start += len(x)
    return rows


def seen_by(model: Autoencoder, u: Tensor) -> Tensor:
    """Preprocessed rows (B, *X) as they are; of mixed tables (B, W) as a network takes them, without masks.

    Examples:
        >>> u = run.model.prepare(split.rows()[:3])
        >>> aezoo.evaluation.seen_by(run.model, u) is u
        True
    """
    entry = model.decoder.likelihood.entry
    return u if entry is None else entry.dense(u)


def value_names(model: Autoencoder) -> tuple[str, ...]:
    """What the values that a network takes of one datum are called: columns, levels as ``column=level``, or numbers.

    Examples:
        >>> aezoo.evaluation.value_names(run.model)[:2]
        ('0', '1')
    """
    entry = model.decoder.likelihood.entry
    if entry is not None:
        return tuple(entry.names)
    named = model.spec.columns if len(model.spec.shape) == 1 else ()
    return tuple(column.name for column in named) or tuple(str(i) for i in range(model.spec.size))
