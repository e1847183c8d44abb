"""Missing values of a table, filled in from what is there.

Shapes: B rows, D columns.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from aezoo.core.rng import random_stream
from aezoo.core.spec import LEVELLED
from aezoo.data import Split
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation.raw import checked_rows, given_back
from aezoo.evaluation.split import Array, some_rows
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.passes import Rows
from aezoo.parts import Table, draw

# of a model that was not trained to fill holes in: by measurement more make little of it
STEPS = 3
ROWS = 20_000


def impute(model: Autoencoder, x: Rows, *, draws: bool = False, steps: int | None = None, seed: int = 0) -> Any:
    """Raw rows (B, D) with their missing values (NaN) filled in; what is there stays to the bit.

    Each step decodes the rows as filled by the step before, and fills the holes again: with the means of numbers and
    counts and the likeliest levels, or, with ``draws``, with a draw of the code's posterior and of p(x | z), the
    pseudo-Gibbs sampling of Rezende et al. 2014, arXiv:1401.4082, appendix F. The first step fills holes with what the
    model makes of the rest alone. Of a model that was trained with holes the encoder goes on being told where they are.

    Args:
        model: of a mixed table, ``--likelihood table``.
        x: rows, or a data frame, whose columns are matched by name.
        draws: one draw for each hole, instead of what is expected.
        steps: how often; None is once for a model that was trained with masks (``masking`` with a channel), whose first
            answer is what it has learned to give, and three times for others.
        seed: of the draws.

    Raises:
        CapabilityError: the model knows nothing of missing values.
        DataError: rows that the model cannot take.
        UsageError: no step.

    Examples:
        >>> columns = (aezoo.Column(name="a"), aezoo.Column(name="b", holes=True))
        >>> x = np.repeat(np.arange(100.0)[:, None], 2, axis=1)
        >>> x[::7, 1] = np.nan
        >>> data = aezoo.Dataset(x, spec=aezoo.DataSpec(shape=(2,), columns=columns))
        >>> model = aezoo.train("undercomplete", data, latent_dim=1, epochs=1).model
        >>> bool(np.isfinite(aezoo.evaluation.impute(model, x)).all())
        True
    """
    likelihood = model.decoder.likelihood
    if not isinstance(likelihood, Table):
        raise CapabilityError(
            f"filling in missing values needs likelihood table, and this model has {type(likelihood).__name__}: train "
            "it on a table with holes, or with --likelihood table."
        )
    if steps is None:
        steps = 1 if model.corruption is not None and model.corruption.marks_missing else STEPS
    if steps < 1:
        raise UsageError(f"missing values are filled in steps, at least 1 (got {steps}).")
    rows, single = checked_rows(model, x)
    out = rows.clone()
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        size = model.rows_a_pass()
        for start in range(0, len(rows), size):
            raw = rows[start : start + size]
            holes = raw.isnan()
            if not bool(holes.any()):
                continue
            u = model.prepare(raw)
            missing = holes.to(u.device)
            filled = u
            for _ in range(steps):
                q = model.encoder(torch.where(missing, filled, u))
                px = model.decoder(draw(q, 1) if draws else q.mean[None])
                filled = (px.sample() if draws else px.mean)[0].to(u.dtype)
            back = model.raw(filled.double()).cpu().to(raw.dtype)
            out[start : start + size] = torch.where(holes, back, raw)
    return given_back(x, out, single)


def imputation_figures(
    model: Autoencoder, train: Split, split: Split, *, share: float = 0.1, seed: int = 0, steps: int | None = None
) -> dict[str, dict[str, float]]:
    """How well values come back that were there and were hidden, beside other ways to fill them in.

    A share of the observed cells of ``split`` is hidden, the same for all. ``error`` is the root mean squared error of
    the hidden numbers, dates and counts, in standard deviations of the training rows; ``accuracy`` the share of hidden
    levels that come back right.

    Returns:
        Of ``model``, of the ``mean`` (of levels the most frequent), and of scikit-learn's ``nearest`` neighbours and
        ``iterative`` regressions, fitted on the training rows, at most 20,000 of them.

    Raises:
        CapabilityError: as ``impute``.
        DataError: no rows, or nothing to hide.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> x = np.repeat(rng.normal(size=(100, 1)), 2, axis=1)
        >>> x[::7, 1] = np.nan
        >>> columns = (aezoo.Column(name="a"), aezoo.Column(name="b", holes=True))
        >>> data = aezoo.Dataset(x, spec=aezoo.DataSpec(shape=(2,), columns=columns))
        >>> tried = aezoo.train("undercomplete", data, latent_dim=1, epochs=1)
        >>> sorted(aezoo.evaluation.imputation_figures(tried.model, tried.splits.train, tried.splits.test))
        ['iterative', 'mean', 'model', 'nearest']
    """
    fitted, rows = (some_rows(part, ROWS, seed).rows().double().numpy() for part in (train, split))
    draw_of = np.random.default_rng(seed)
    hidden = (draw_of.random(rows.shape) < share) & ~np.isnan(rows)
    if not hidden.any():
        raise DataError("there is no observed value to hide: give more rows, or a larger share.")
    seen = np.where(hidden, np.nan, rows)
    levelled = np.array([column.kind in LEVELLED for column in model.spec.columns])
    ways = {"model": np.asarray(_of_model(model, seen, steps)), **_others(fitted, seen, levelled)}
    spread = np.where(np.nanstd(fitted, axis=0) > 0, np.nanstd(fitted, axis=0), 1.0)
    return {name: _figures(found, rows, hidden, levelled, spread) for name, found in ways.items()}


def _of_model(model: Autoencoder, seen: Array, steps: int | None) -> Array:
    unchecked = torch.from_numpy(seen)
    # what is hidden here may be a hole where no training row had one
    spec = model.spec
    model.spec = spec.model_copy(
        update={"columns": tuple(column.model_copy(update={"holes": True}) for column in spec.columns)}
    )
    try:
        return np.asarray(impute(model, unchecked, steps=steps))
    finally:
        model.spec = spec


def _others(fitted: Array, seen: Array, levelled: Array) -> dict[str, Array]:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the next import possible
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

    center = np.nanmean(fitted, axis=0)
    spread = np.where(np.nanstd(fitted, axis=0) > 0, np.nanstd(fitted, axis=0), 1.0)
    a, b = ((part - center) / spread for part in (fitted, seen))
    mean = np.where(np.isnan(b), 0.0, b)
    for column in np.flatnonzero(levelled):
        most = SimpleImputer(strategy="most_frequent").fit(a[:, [column]])
        mean[:, column] = most.transform(b[:, [column]])[:, 0]
    found = {"mean": mean}
    found["nearest"] = KNNImputer().fit(a[:5000]).transform(b)
    with warnings.catch_warnings():
        # ten rounds are what most people take of it
        warnings.simplefilter("ignore")
        found["iterative"] = IterativeImputer(random_state=0).fit(a).transform(b)
    return {name: values * spread + center for name, values in found.items()}


def _figures(found: Array, rows: Array, hidden: Array, levelled: Array, spread: Array) -> dict[str, float]:
    figures = {}
    numbers, words = hidden & ~levelled, hidden & levelled
    if numbers.any():
        figures["error"] = float(np.sqrt(np.square((found - rows) / spread)[numbers].mean()))
    if words.any():
        figures["accuracy"] = float((np.round(found) == rows)[words].mean())
    return figures
