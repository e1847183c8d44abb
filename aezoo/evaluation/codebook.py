"""How much of its codebook a model with discrete codes uses.

Shapes: K vectors in the codebook.
"""

from __future__ import annotations

import numpy as np
import torch

from aezoo.data import Split
from aezoo.evaluation.raw import filled
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder, need


def code_counts(model: Autoencoder, split: Split) -> Array:
    """How often each vector of the codebook (K,) is chosen over all rows and positions.

    Raises:
        CapabilityError: the model's codes are not discrete.
        DataError: the split has no rows.

    Examples:
        >>> aezoo.evaluation.code_counts(codebook.model, split).shape
        (64,)
    """
    need(model, ("discrete",), "a codebook", "vq-vae")
    counts: Array | None = None
    with torch.no_grad(), model.evaluating():
        for x in filled(split).batches(model.rows_a_pass()):
            q = model.encoder(model.prepare(x))
            found = torch.bincount(q.index.flatten(), minlength=q.count).cpu().numpy()
            counts = found if counts is None else counts + found
    assert counts is not None
    return counts


def perplexity(counts: Array) -> float:
    """exp of the entropy of the frequencies ``counts`` (K,): K when all are used alike, 1 when one alone is.

    Examples:
        >>> round(aezoo.evaluation.perplexity(np.array([5, 5, 0])), 6)
        2.0
    """
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
