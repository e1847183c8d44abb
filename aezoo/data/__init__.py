"""What a model learns from: datasets, their splits, their files, and the scaling of raw values.

The public names are loaded on first use, so that looking up a dataset's options brings no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aezoo.core.lazy import exporter

if TYPE_CHECKING:
    from aezoo.core.spec import DataSpec
    from aezoo.data.binarize import binarized
    from aezoo.data.dataset import Dataset, Split, Splits
    from aezoo.data.digest import digest_of
    from aezoo.data.infer import infer_spec
    from aezoo.data.open import open_data, reopen
    from aezoo.data.preprocess import Preprocess, make_preprocess, scaled_spec

_HOMES = {
    "DataSpec": "aezoo.core.spec",
    "Dataset": "aezoo.data.dataset",
    "Preprocess": "aezoo.data.preprocess",
    "Split": "aezoo.data.dataset",
    "Splits": "aezoo.data.dataset",
    "binarized": "aezoo.data.binarize",
    "digest_of": "aezoo.data.digest",
    "infer_spec": "aezoo.data.infer",
    "make_preprocess": "aezoo.data.preprocess",
    "open_data": "aezoo.data.open",
    "reopen": "aezoo.data.open",
    "scaled_spec": "aezoo.data.preprocess",
}

__all__ = [
    "DataSpec",
    "Dataset",
    "Preprocess",
    "Split",
    "Splits",
    "binarized",
    "digest_of",
    "infer_spec",
    "make_preprocess",
    "open_data",
    "reopen",
    "scaled_spec",
]


__getattr__ = exporter(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
