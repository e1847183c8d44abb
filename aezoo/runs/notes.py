"""What a run says of itself without being asked: one line each, with the remedy; nothing where all is well.

Shapes: n rows, D columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from aezoo.core.processor import has_bf16
from aezoo.data import Split
from aezoo.evaluation import prepared_split, some_rows, value_names
from aezoo.evaluation.split import Array
from aezoo.parts import Regularizer, residual
from aezoo.errors import one_line
from aezoo.runs.run import Run

# nats a code: healthy ones say several, and a collapsed posterior next to nothing
COLLAPSED = 0.1
# of all units: some die in most sparse codes
MANY_DEAD = 1 / 3
# of the test split's error to the training split's: a model that learned its rows by heart has two or three
FAR_OFF = 5.0
# deviations: of 10,000 rows a Gaussian's largest is 4, an exponential's 9
HEAVY = 20.0
# networks begin with weights for rows of about 1 in the root mean square
LARGE = 30.0
# of all that the loss fell: what it still falls over a tenth of the epochs
STILL_FALLING, EPOCHS_TO_TELL = 0.02, 20
# of log σ to its bound, and the share of values that are there
AT_BOUND, MANY_AT_BOUND = 0.1, 0.1
ROWS = 10_000
MOST_NAMED = 3


def notes_of(run: Run) -> list[str]:
    """All that holds of a trained and measured run."""
    return [*run.dataset.notes, *_of_data(run), *_of_fit(run), *_of_code(run), *_of_training(run)]


# ------------------------------------------------------------------ the data


def _of_data(run: Run) -> Iterator[str]:
    train, size = run.splits.train, run.model.spec.size
    if not len(run.splits.test):
        asked = run.dataset.source.get("test") == 0
        why = "every row was learned from" if asked else f"{run.dataset.spec.name} has too few rows for a test split"
        yield f"{why}: nothing could be measured."
    if run.dataset.noisy is not None and run.model.corruption is not None:
        yield f"the data brings pairs, so {type(run.model.corruption).__name__} took no part: leave corruption out."
    if len(train) < size:
        yield (
            f"there are fewer training rows ({len(train)}) than values in each ({size}): what is learned may be the "
            "rows themselves. Bring more rows or fewer columns, or a smaller code and hidden layers."
        )
    if len(run.model.spec.shape) > 1:
        # the margins of images never change
        return
    kind = getattr(run.model.preprocess, "kind", "none")
    rows = prepared_split(run.model, some_rows(train, max(1, min(ROWS, (1 << 24) // size))))
    low, high = rows.min(0), rows.max(0)
    constant = np.flatnonzero(low == high)
    if len(constant) and len(rows) > 1:
        yield f"{_columns(constant, run)} the same in all training rows: leave {_them(constant)} out, which says nothing."
    size_of_rows = float(np.sqrt(np.square(rows).mean()))
    if kind == "none" and size_of_rows > LARGE:
        yield (
            f"the rows are {size_of_rows:.3g} in the root mean square, and networks learn well where that is about 1: "
            "use --preprocess standardize."
        )
    if kind == "standardize":
        # a column of two values, one of them rare, has no tail
        two = ((rows == low) | (rows == high)).all(0)
        heavy = np.flatnonzero((np.abs(rows).max(0) > HEAVY) & ~two)
        if len(heavy):
            far = float(np.abs(rows[:, heavy]).max())
            yield (
                f"{_columns(heavy, run)} heavy in the tails, up to {far:.0f} deviations from the mean, so that a few rows "
                f"are most of the loss: give the logarithm or ranks of {_them(heavy)}, or use likelihood laplace."
            )


def _columns(found: Array, run: Run) -> str:
    """'column 'age' is', or without names 'column 3 (counted from 0) is', 'columns 1, 2, 3 and 9 more … are'."""
    known, counted = value_names(run.model), ""
    if not run.model.spec.columns:
        counted = " (counted from 0)"
        names = [str(int(column)) for column in found]
    else:
        names = [repr(one_line(known[column])) for column in found]
    if len(names) == 1:
        return f"column {names[0]}{counted} is"
    shown = names if len(names) <= MOST_NAMED + 1 else [*names[:MOST_NAMED], f"{len(names) - MOST_NAMED} more"]
    return f"columns {', '.join(shown[:-1])} and {shown[-1]}{counted} are"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _them(found: Array) -> str:
    return "it" if len(found) == 1 else "them"


# ------------------------------------------------------------------ the fit


def _of_fit(run: Run) -> Iterator[str]:
    train, test = run.splits.train, run.splits.test
    if not len(test) or not run.history:
        return
    at_most = max(1, min(ROWS, (1 << 24) // run.model.spec.size))
    learned, unseen = (_errors(run, some_rows(split, at_most)) for split in (train, test))
    if unseen.sum() > FAR_OFF * learned.sum() > 0:
        excess = np.sort(unseen - learned)[::-1]
        # the columns that are most of what is too much
        count = int(np.searchsorted(np.cumsum(excess), 0.5 * (unseen.sum() - learned.sum()))) + 1
        culprits = np.argsort(unseen - learned)[::-1][:count]
        few = len(run.model.spec.shape) == 1 and count <= MOST_NAMED
        where = f" {_capital(_columns(np.sort(culprits), run))} most of that." if few else ""
        yield (
            f"the squared error of the test rows, {unseen.sum():.3g}, is far from the training rows' "
            f"{learned.sum():.3g}.{where} Look for outliers and heavy tails there, or for a test split of another kind; "
            "else bring more rows, or a smaller model."
        )
    scale = _at_bound(run, some_rows(test, 1000))
    if scale is not None:
        share, bound = scale
        yield (
            f"the learned scale of the likelihood is at its bound, exp({bound:g}), in {100 * share:.0f} % of all "
            "values: the density there says more of the bound than of the data. Lower min_log_scale, or leave out "
            "values that never change."
        )


def _errors(run: Run, split: Split) -> Array:
    """The squared error of each value of the datum (D,), averaged over the rows."""
    model = run.model
    total: Any = 0.0
    with torch.no_grad(), model.evaluating():
        for raw in split.batches(model.rows_a_pass()):
            x = model.prepare(raw)
            error = residual(x.double(), model.decoder(model.code(x)[None]))[0].square()
            total = total + error.flatten(1).sum(0).cpu().numpy()
    return np.asarray(total / len(split))


def _at_bound(run: Run, split: Split) -> tuple[float, float] | None:
    """The share of scales that are at the bound of the likelihood, and log of that; None where few are, or none is."""
    model = run.model
    bound = getattr(model.decoder.likelihood, "min_log_scale", None)
    with torch.no_grad(), model.evaluating():
        raw = next(iter(split.batches(min(1000, model.rows_a_pass()))))
        log_scale = getattr(model.decoder(model.code(model.prepare(raw))[None]), "log_scale", None)
    if bound is None or not isinstance(log_scale, torch.Tensor):
        return None
    share = float((log_scale < bound + AT_BOUND).double().mean())
    return (share, bound) if share > MANY_AT_BOUND else None


# ------------------------------------------------------------------ the code


def _of_code(run: Run) -> Iterator[str]:
    results, size = run.results, run.config.latent_dim if run.config is not None else 0
    if run.config is not None and size >= run.model.spec.size:
        yield "the code is as large as the data, so PCA of its size loses nothing and is no rival."
    # a divergence that is no penalty of the loss leaves its mark in the codes alone
    told = results.get("penalty_kl", 0.0 if results.get("active_units") == 0 else math.inf)
    if told < COLLAPSED:
        yield (
            f"the posterior has collapsed: a code says {told:.2g} nats of its datum. Try a longer kl_warmup, free_bits, "
            "or a smaller weight of the divergence."
        )
    dead = results.get("dead_units", 0)
    if size and dead > MANY_DEAD * size:
        yield (
            f"{dead:g} of {size} units are dead: no test row uses them. Lower the weight of the sparsity penalty or "
            "the learning rate, take a smaller code, or use topk, which brings dead units back."
        )


# ------------------------------------------------------------------ the training


def _of_training(run: Run) -> Iterator[str]:
    losses = [line["validation_loss"] if "validation_loss" in line else line["loss"] for line in run.history]
    if _still_falls(losses):
        yield (
            f"the loss was still falling after {len(losses)} epochs: train longer (aezoo resume with more --epochs), or "
            "with a higher --lr."
        )
    training = run.training
    if training.precision == "bf16" and training.device == "cpu" and not has_bf16():
        yield (
            "this processor has no units for bfloat16, which is imitated and many times slower: use --precision fp32."
        )
    shape = (training.batch_size, *run.model.spec.shape)
    for name, regularizer in run.model.regularizers.items():
        assert isinstance(regularizer, Regularizer)
        said = regularizer.remark(run.model.encoder, shape)
        if said:
            yield f"{name}: {said}."


def _still_falls(losses: Sequence[float]) -> bool:
    """Whether over the last tenth of the epochs, in the mean, it falls by a good part of all that it fell."""
    if len(losses) < EPOCHS_TO_TELL:
        return False
    count = len(losses) // 10
    last, before = (float(np.mean(losses[start:stop])) for start, stop in ((-count, None), (-2 * count, -count)))
    return before - last > STILL_FALLING * (losses[0] - last) > 0


__all__ = ["notes_of"]
