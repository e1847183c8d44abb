"""A run, made ready to begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from aezoo import registry
from aezoo.core.options import TrainConfig
from aezoo.core.rng import random_stream
from aezoo.core.sparse import SparseRows
from aezoo.data import Dataset
from aezoo.data.infer import all_in
from aezoo.errors import CompositionError, DataError, UnknownNameError, near_misses
from aezoo.model.assembly import complete
from aezoo.model.autoencoder import Autoencoder
from aezoo.runs.job import Job
from aezoo.runs.recorder import Recorder
from aezoo.runs.run import Run
from aezoo.storage.checkpoint import build_model
from aezoo.storage.folder import RunFolder
from aezoo.storage.sizes import refuse_huge_model
from aezoo.training import Progress


def prepare(model: str | Autoencoder, job: Job) -> Recorder:
    """A run that is ready to begin; errors are those of ``train``."""
    name = model if isinstance(model, str) else ""
    ours, theirs = _split_options(name, job.options)
    config = None
    if name:
        entry = registry.models[name]
        ours = entry.training_with(ours)
    if job.train_on == "all":
        ours = {"validation": 0, **ours}
    training = TrainConfig.parse(ours, owner="training")
    folder = job.out if job.out is None or isinstance(job.out, RunFolder) else RunFolder(job.out, job.overwrite)
    dataset = job.opened()
    splits = dataset.split(training.validation, training.seed)
    if name:
        if dataset.spec.is_mixed and "likelihood" in entry.options.keys():  # noqa: SIM118 - not a mapping
            counts = isinstance(dataset.x, SparseRows) and all(c.kind == "count" for c in dataset.spec.columns)
            theirs = {"likelihood": "counts" if counts else "table", **theirs}
        config = complete(entry.options.parse(theirs, owner=f"model {name!r}"))
    if isinstance(model, str):
        assert config is not None
        values = config.model_dump(mode="json")
        refuse_huge_model(name, values, dataset.spec)
        with random_stream(training.seed):
            model = build_model(name, values, dataset.spec)
    else:
        _refuse_other_data(model, dataset)
    run = Run(name, model, dataset, splits, config, training, folder.path if folder else None)
    return Recorder(run, folder, job.trackers, Progress(job.progress))


def _refuse_other_data(model: Autoencoder, dataset: Dataset) -> None:
    """Refuses data that a model composed by hand was not composed for."""
    spec = dataset.spec
    if model.spec.shape != spec.shape:
        raise DataError(f"the model was built for data of shape {model.spec.shape}, and this is {spec.shape}.")
    likelihood = model.decoder.likelihood
    if not likelihood.unit_interval or model.preprocess is not None or isinstance(dataset.x, torch.utils.data.Dataset):
        return
    if not all_in(dataset.x, binary=False):
        raise CompositionError(
            f"{type(likelihood).__name__} needs data in [0, 1], and {spec.name} has other values: give the model a "
            "preprocess, or scale the data first."
        )


def _split_options(name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of training, and of the model; raises UnknownNameError for one that is neither's."""
    ours = TrainConfig.keys()
    theirs = registry.models[name].options.keys() if name else []
    for key in options:
        if key not in ours and key not in theirs:
            owner = f"model {name!r} has no option {key!r}, nor has" if name else f"no option {key!r} in"
            raise UnknownNameError(f"{owner} training{near_misses(key, [*ours, *theirs])}")
    return {k: v for k, v in options.items() if k in ours}, {k: v for k, v in options.items() if k not in ours}
