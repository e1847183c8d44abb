"""A run, opened again: its model, and the splits that it was trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aezoo import registry
from aezoo.model.autoencoder import Autoencoder
from aezoo.data import Split, Splits, open_data, reopen
from aezoo.errors import DataError, UsageError, near_misses
from aezoo.core.options import TrainConfig
from aezoo.training import Header, load_model, pick_device, run_config

SPLITS = ("train", "validation", "test", "all")


def open_run(path: str | Path, device: str = "auto") -> tuple[Autoencoder, Header]:
    """The model of a run's folder or a .safetensors file, and what the checkpoint says of itself.

    Raises:
        CheckpointError: the file is missing, broken or foreign, or its model is not installed.
        UsageError: the device cannot be used.
    """
    return load_model(path, pick_device(device))


def splits_of(
    path: str | Path, header: Header, data: Any = None, *, data_dir: str | Path | None = None, labels: Any = None
) -> Splits:
    """The splits that the run was trained with, or, with ``data``, those of other data.

    Raises:
        UsageError: a bare checkpoint does not say where its data is.
        DataError: the data is missing, or of another shape than the model's.
    """
    training: dict[str, Any] = {}
    if Path(path).is_dir() and data is None:
        config = run_config(path)
        training = _training(config.get("training"))
        dataset = reopen(config.get("data") or {}, labels=labels, data_dir=data_dir, like=header.data)
    else:
        if data is None and header.data.name not in registry.datasets:
            raise UsageError(f"{path} says nothing of where its data {header.data.name!r} is: name it by --data.")
        dataset = open_data(header.data.name if data is None else data, data_dir=data_dir, labels=labels, like=header.data)
    if dataset.spec.shape == (header.data.size,) != header.data.shape:
        # rows laid out flat, which the model takes as they are, are shaped for what looks at them as images
        spec = dataset.spec.model_copy(update={"shape": header.data.shape})
        dataset = dataset.changed(dataset.x, spec)
    if dataset.spec.shape != header.data.shape:
        raise DataError(
            f"the model was built for data of shape {header.data.shape}, and {dataset.spec.name} is of shape "
            f"{dataset.spec.shape}."
        )
    return dataset.split(training.get("validation"), training.get("seed", 0))


def _training(recorded: Any) -> dict[str, Any]:
    """What of a run's training decides its splits."""
    if not isinstance(recorded, dict | None):
        raise UsageError("what the run says of its training is not what aezoo train writes: name the data by --data.")
    given = {key: value for key, value in (recorded or {}).items() if key in ("validation", "seed")}
    return TrainConfig.parse(given, owner="training of the run").model_dump()


def rows_of(splits: Splits, which: str) -> Split:
    """The rows of one split by name, or of all; raises UsageError where there are none."""
    if which not in SPLITS:
        raise UsageError(f"no split {which!r}{near_misses(which, SPLITS)} Use {', '.join(SPLITS)}.")
    split: Split = splits.test.dataset.all() if which == "all" else getattr(splits, which)
    # a model meets what is to be restored
    split = split.noisy or split
    if not len(split):
        raise UsageError(f"the {which} split has no rows: choose another --split.")
    return split
