"""How well corrupted data comes back: what a denoising model is for.

Shapes: B rows, *X one datum.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aezoo.core.config import Choice
from aezoo.core.rng import random_stream
from aezoo.data import Split, scaled_spec
from aezoo.errors import CapabilityError, CompositionError, UsageError
from aezoo.evaluation.raw import checked_rows, filled, given_back
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.passes import Rows
from aezoo.parts import Corruption, build_part, residual

Corrupting = Callable[[Tensor], Tensor]
AnyCorruption = Corruption | Choice | str | None


class Restored(NamedTuple):
    """Rows as they were corrupted, and as they came back, both in raw units.

    Examples:
        >>> found = aezoo.evaluation.restored(moons.model, [[0.5, 1.0]])
        >>> found.corrupted.shape, found.restored.shape
        ((1, 2), (1, 2))
    """

    corrupted: Any
    """(B, *X); the likelihood's range does not bound it."""
    restored: Any
    """(B, *X): the likelihood's mean at the posterior's mean of the corrupted row."""


def restoration_figures(
    model: Autoencoder, split: Split, *, corruption: AnyCorruption = None, draws: int = 10, seed: int = 0
) -> dict[str, float]:
    """The errors of what comes back from corrupted rows, beside the clean ones. Vincent et al. 2010, section 4.

    Args:
        model: left in the mode that it is in.
        split: clean rows; where its dataset brings pairs, and no corruption is given, their own corrupted rows count.
        corruption: a part, or a name such as ``"masking=0.3"``; None is the one that the model was trained against.
        draws: corrupted copies of each row; of pairs there is one.
        seed: of a stream of the corruption's own, so that two calls give the same figures.

    Returns:
        ``restoration_error``: the squared error summed over the datum, averaged over rows and copies, both sides in
        preprocessed units.
        ``restoration_nll``: −E log p(x | f(x̃)), nats per example in preprocessed units; f is the posterior's mean.

    Raises:
        CapabilityError: no corruption is given, and neither model nor data has one.
        DataError: no rows.
        UsageError: ``draws`` is below 1.

    Examples:
        >>> sorted(aezoo.evaluation.restoration_figures(run.model, split, corruption="masking=0.3"))
        ['restoration_error', 'restoration_nll']
    """
    if draws < 1:
        raise UsageError(f"a mean over corrupted copies needs at least 1 of them (got {draws}): raise draws.")
    squared = nats = 0.0
    copies = 0
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        for x, seen in _corrupted(model, filled(split), corruption, draws):
            px = model.decoder(model.code(seen)[None])
            squared += float(residual(x.double(), px).square().sum())
            nats -= float(px.log_prob(x).double().sum())
            copies += len(x)
    return {"restoration_error": squared / copies, "restoration_nll": nats / copies}


def restored(model: Autoencoder, x: Rows, *, corruption: AnyCorruption = None, seed: int = 0) -> Restored:
    """Rows of raw data (B, *X), or one datum, corrupted and brought back.

    Arguments and errors as for ``restoration_figures``; DataError for rows of another shape. Tensors for a tensor, else
    NumPy.

    Examples:
        >>> aezoo.evaluation.restored(run.model, split.rows()[:3], corruption="masking=0.5").restored.shape
        torch.Size([3, 1, 8, 8])
    """
    rows, single = checked_rows(model, x)
    corrupt = evaluated(model, corruption)
    seen, back = [], []
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        for piece in rows.split(model.rows_a_pass()):
            u = corrupt(model.prepare(piece))
            # what marks a missing value is none
            seen.append(model.raw(u if model.spec.is_mixed else u.nan_to_num()))
            back.append(model.raw(model.decoder(model.code(u)[None]).mean[0]))
    return Restored(given_back(x, torch.cat(seen), single), given_back(x, torch.cat(back), single))


def evaluated(model: Autoencoder, corruption: AnyCorruption = None) -> Corrupting:
    """A corruption of preprocessed rows for evaluation: one of its own, whose stream is that of the caller.

    Raises:
        CapabilityError: none is given, and the model was trained without one.
        UnknownNameError, UsageError, CompositionError: a name that does not fit.
    """
    if corruption is None:
        corruption = model.corruption
    if corruption is None:
        raise CapabilityError(
            "restoring needs corrupted data, and this model was trained without a corruption: name one "
            "(--corruption masking=0.3), or use --model denoising."
        )
    if isinstance(corruption, Corruption):
        # of the stream of training nothing is drawn here
        own = copy.deepcopy(corruption)
        own.seed = own._generator = None
        return own
    kind = getattr(model.preprocess, "kind", "none")
    choice = Choice.model_validate(corruption) if isinstance(corruption, str) else corruption
    made: Corruption = build_part("corruption", choice, spec=scaled_spec(kind, model.spec))
    if made.marks_missing or next(made.parameters(), None) is not None:
        raise CompositionError(
            f"corruption {choice} is learned together with its model: train with it, and it is what is measured."
        )
    return made.to(model.device, model.dtype)


def _corrupted(
    model: Autoencoder, split: Split, corruption: AnyCorruption, draws: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Preprocessed rows (b, *X), clean and corrupted."""
    size = model.rows_a_pass()
    noisy = split.noisy
    if noisy is not None and corruption is None:
        yield from (
            (model.prepare(x), model.prepare(seen))
            for x, seen in zip(split.batches(size), noisy.batches(size), strict=True)
        )
        return
    corrupt = evaluated(model, corruption)
    for raw in split.batches(size):
        x = model.prepare(raw)
        for _ in range(draws):
            yield x, corrupt(x)
