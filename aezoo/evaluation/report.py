"""Everything that is measured of a model, as one flat dict."""

from __future__ import annotations

import math

import numpy as np

from aezoo.core.config import Choice
from aezoo.core.mapped import HELD_BYTES
from aezoo.data import Split, Splits
from aezoo.errors import UsageError, near_misses
from aezoo.evaluation.bounds import bits_per_dim, negative_elbo
from aezoo.evaluation.codebook import code_counts, perplexity
from aezoo.evaluation.codes import active_units, dead_units, l0
from aezoo.evaluation.pca import pca_squared_error
from aezoo.evaluation.probe import probe_accuracy, truth_r2
from aezoo.evaluation.reconstruction import reconstruction_figures
from aezoo.evaluation.restoration import restoration_figures
from aezoo.evaluation.split import Array, encode_split, prepared_split, some_rows
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Corruption

PROBE_ROWS = 10_000
PROBE_CLASSES = 100
PCA_ROWS = 60_000
# half a gigabyte in float64, and an eighth of that where the data is too large to be held
PCA_VALUES = 1 << 26
# exact Jacobians and statistics over a batch alike are made for batches of about this size
PENALTY_ROWS = 128


def evaluate(
    model: Autoencoder,
    dataset_splits: Splits,
    *,
    seed: int = 0,
    draws: int = 10,
    rows: str = "test",
    corruption: Corruption | Choice | str | None = None,
) -> dict[str, float]:
    """Measures a model on one split, in evaluation mode, with streams of its own: two calls give the same bits.

    Args:
        model: left in the mode it is in.
        dataset_splits: baselines are fitted on the training split.
        seed: of the draws of the posterior, and of which training rows a baseline sees where there are very many.
        draws: of the posterior per example, for the bound; and of the corruption, for the restoration.
        rows: the split to measure: ``"train"``, ``"validation"`` or ``"test"``.
        corruption: that of ``restoration_figures``; None is the one that the model was trained against.

    Returns:
        Plain numbers in this order; one that has no meaning for the model or the data is left out:

        - ``examples``: rows measured; with none it stands alone.
        - ``squared_error``, ``explained_variance``, ``psnr``, ``reconstruction``: see ``reconstruction_figures``.
        - ``restoration_error``, ``restoration_nll``: of models trained against a corruption, of data that brings pairs,
          or where one is given (``restoration_figures``).
        - ``neg_elbo``: nats per example in preprocessed units (``negative_elbo``), of models with a bound.
        - ``bits_per_dim``: the same in bits per value of the raw data (``bits_per_dim``), where it is a likelihood.
        - ``penalty_<name>``: each regularizer before its weight, nats per example, in batches of 128 rows.
        - ``active_units``: of models whose posterior has a density, and so a scale set by the prior.
        - ``perplexity``, ``codes_used``: of models with a codebook.
        - ``l0``, ``dead_units``: of models whose encoder is deterministic.
        - ``probe_accuracy``: of labelled data with 2 to 100 classes, fitted on at most 10,000 training rows.
        - ``r2_<name>``: of data whose truth is known, what a linear regression reads of it out of the codes, fitted as
          the probe is (``truth_r2``).
        - ``pca_squared_error``: of as many components as the code has values, on at most 60,000 rows.

    Raises:
        UsageError: no such split, or fewer than 1 draw.
        DataError: a row that is not finite, or of another shape than the model's.

    Examples:
        >>> results = aezoo.evaluate(run.model, run.splits)
        >>> sorted(results)[:3]
        ['active_units', 'bits_per_dim', 'examples']
    """
    if rows not in Splits._fields:
        raise UsageError(f"no split {rows!r}{near_misses(rows, Splits._fields)} Use train, validation or test.")
    split: Split = getattr(dataset_splits, rows)
    figures: dict[str, float] = {"examples": len(split)}
    if len(split) == 0:
        return figures
    figures |= reconstruction_figures(model, split)
    if corruption is not None or model.corruption is not None or split.noisy is not None:
        figures |= restoration_figures(model, split, corruption=corruption, draws=draws, seed=seed)
    if "bound" in model.capabilities:
        figures["neg_elbo"] = negative_elbo(model, split, draws=draws, seed=seed)
        if {"density", "mass"} & set(model.capabilities) and not is_bent(model):
            figures["bits_per_dim"] = bits_per_dim(model, figures["neg_elbo"])
    figures |= _penalties(model, split, seed)
    figures |= _codes(model, dataset_splits.train, split, seed)
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def is_bent(model: Autoencoder) -> bool:
    """Whether the preprocessing is no straight line, so that no density of raw values follows from one of scaled "
    "ones."""
    return getattr(model.preprocess, "bend", None) is not None


def _penalties(model: Autoencoder, split: Split, seed: int) -> dict[str, float]:
    if not len(model.regularizers):
        return {}
    size = min(PENALTY_ROWS, model.rows_a_pass(model.draws))
    means = model.measure((model.prepare(x) for x in split.batches(size)), seed=seed)
    return {f"penalty_{name}": means[name] for name in model.regularizers}


def _codes(model: Autoencoder, train: Split, split: Split, seed: int) -> dict[str, float]:
    codes = encode_split(model, split)
    figures: dict[str, float] = {}
    if np.isfinite(codes).all():
        if "discrete" in model.capabilities:
            counts = code_counts(model, split)
            figures |= {"perplexity": perplexity(counts), "codes_used": int((counts > 0).sum())}
        elif "stochastic" not in model.capabilities:
            figures |= {"l0": l0(codes), "dead_units": dead_units(codes)}
        elif len(codes) > 1:
            figures["active_units"] = active_units(codes)
        learned = some_rows(train, PROBE_ROWS, seed)
        figures |= _probe(model, learned, codes, split.labels)
        figures |= {f"r2_{name}": value for name, value in truth_r2(model, learned, split).items()}
    # the baseline's rows are held whole in float64, so there is a most for both splits
    held = not train.mapped or len(train.dataset) * model.spec.size * model.dtype.itemsize <= HELD_BYTES
    most = min(PCA_ROWS, max(1, (PCA_VALUES if held else PCA_VALUES // 8) // model.spec.size))
    fitted, measured = (prepared_split(model, some_rows(part, most, seed)) for part in (train, split))
    figures["pca_squared_error"] = pca_squared_error(fitted, measured, codes.shape[1])
    return figures


def _probe(model: Autoencoder, train: Split, codes: Array, labels: Array | None) -> dict[str, float]:
    if labels is None or train.labels is None or not 2 <= len(np.unique(train.labels)) <= PROBE_CLASSES:
        return {}
    train_codes = encode_split(model, train)
    if not np.isfinite(train_codes).all():
        return {}
    return {"probe_accuracy": probe_accuracy(train_codes, train.labels, codes, labels)}
