"""What a model is worth: reconstruction, bounds, codes, and the two baselines they stand beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aezoo._lazy import exporter

if TYPE_CHECKING:
    from aezoo.evaluation.bounds import bits_per_dim, negative_elbo
    from aezoo.evaluation.codes import active_units, dead_units, l0
    from aezoo.evaluation.pca import pca_squared_error
    from aezoo.evaluation.probe import probe_accuracy
    from aezoo.evaluation.reconstruction import reconstruction_figures
    from aezoo.evaluation.report import evaluate
    from aezoo.evaluation.split import encode_split, prepared_split, some_rows

_NAMES = {
    "active_units": "aezoo.evaluation.codes",
    "bits_per_dim": "aezoo.evaluation.bounds",
    "dead_units": "aezoo.evaluation.codes",
    "encode_split": "aezoo.evaluation.split",
    "evaluate": "aezoo.evaluation.report",
    "l0": "aezoo.evaluation.codes",
    "negative_elbo": "aezoo.evaluation.bounds",
    "pca_squared_error": "aezoo.evaluation.pca",
    "prepared_split": "aezoo.evaluation.split",
    "probe_accuracy": "aezoo.evaluation.probe",
    "reconstruction_figures": "aezoo.evaluation.reconstruction",
    "some_rows": "aezoo.evaluation.split",
}
__getattr__ = exporter(__name__, _NAMES)
__all__ = [
    "active_units",
    "bits_per_dim",
    "dead_units",
    "encode_split",
    "evaluate",
    "l0",
    "negative_elbo",
    "pca_squared_error",
    "prepared_split",
    "probe_accuracy",
    "reconstruction_figures",
    "some_rows",
]
