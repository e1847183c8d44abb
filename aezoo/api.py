"""What a user calls from Python: ``train``, ``load`` and ``inspect``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from aezoo import registry
from aezoo.assembly import complete
from aezoo.autoencoder import Autoencoder
from aezoo.data import Dataset, open_data
from aezoo.data.infer import all_in
from aezoo.errors import (
    CompositionError,
    DataError,
    UnknownNameError,
    near_misses,
)
from aezoo.inspection import Finding, Subject, look
from aezoo.options import TrainConfig
from aezoo.reopening import open_run, rows_of, splits_of
from aezoo.runs import Recorder, Run
from aezoo.streams import random_stream
from aezoo.training import (
    Progress,
    RunFolder,
    build_model,
    load_model,
)
from aezoo.training.sizes import refuse_huge_model


def train(
    model: str | Autoencoder = "contractive",
    data: Any = "digits",
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    labels: Any = None,
    data_dir: str | Path | None = None,
    trackers: Iterable[Any] = (),
    progress: bool | None = None,
    **options: Any,
) -> Run:
    """Trains a model, evaluates it on the test split, and, with ``out``, leaves a run folder.

    Args:
        model: a registered name, or an Autoencoder composed by hand.
        data: a registered name, a file, an array, a tensor, or a torch Dataset.
        out: the run's folder: config, metrics, checkpoint, results and pictures; None writes nothing.
        overwrite: replace a run that is there.
        labels: of the rows, for the linear probe and the pictures.
        data_dir: folder of a dataset that is read from one, such as mnist.
        trackers: objects with training hooks (``aezoo_epoch_end`` ...).
        progress: show it; None shows it on a terminal.
        **options: options of the model and of training, by name (``latent_dim=8, epochs=20``).

    Raises:
        UsageError: an unknown name, or an option that does not exist, is out of range or does not fit.
        DataError: data that is missing, malformed or does not fit the model.
        OutputError: the folder exists or cannot be written.
        DivergenceError: the loss stopped being finite; what was written before stays.
    """
    return prepare(
        model,
        data,
        out=out,
        overwrite=overwrite,
        labels=labels,
        data_dir=data_dir,
        trackers=trackers,
        progress=progress,
        **options,
    ).go()


def prepare(
    model: str | Autoencoder,
    data: Any,
    *,
    out: str | Path | RunFolder | None = None,
    overwrite: bool = False,
    labels: Any = None,
    data_dir: str | Path | None = None,
    trackers: Iterable[Any] = (),
    progress: bool | None = None,
    **options: Any,
) -> Recorder:
    """A run that is ready to begin; arguments and errors are those of ``train``."""
    name = model if isinstance(model, str) else ""
    ours, theirs = _split_options(name, options)
    config = None
    if name:
        entry = registry.models[name]
        config = complete(entry.config.parse(theirs, owner=f"model {name!r}"))
    training = TrainConfig.parse(ours, owner="training")
    folder = out if out is None or isinstance(out, RunFolder) else RunFolder(out, overwrite)
    dataset = open_data(data, labels=labels, data_dir=data_dir)
    splits = dataset.split(training.validation, training.seed)
    if isinstance(model, str):
        assert config is not None
        values = config.model_dump(mode="json")
        refuse_huge_model(name, values, dataset.spec)
        with random_stream(training.seed):
            model = build_model(name, values, dataset.spec)
    else:
        _refuse_other_data(model, dataset)
    run = Run(name, model, dataset, splits, config, training, folder.path if folder else None)
    return Recorder(run, folder, trackers, Progress(progress))


def load(path: str | Path, *, into: Autoencoder | None = None, device: str = "cpu") -> Autoencoder:
    """The trained model of a run's folder or a .safetensors file, in evaluation mode; nothing else is needed.

    Args:
        path: the folder or file.
        into: a model composed by hand, as it was given to ``train``, whose weights are to be set.
        device: where to.

    Raises:
        CheckpointError: the file is missing, broken or foreign, or its model is not installed.
    """
    return load_model(path, device, into)[0]


def inspect(
    run: Run | str | Path,
    name: str,
    *,
    data: Any = None,
    data_dir: str | Path | None = None,
    labels: Any = None,
    split: str = "test",
    seed: int = 0,
    device: str = "auto",
    **options: Any,
) -> Finding:
    """Looks at a trained model in one of the registered ways, as ``aezoo inspect`` does; writes nothing.

    Args:
        run: what ``train`` returned, a run's folder, or a .safetensors file.
        name: of the inspection (``aezoo.registry.inspections`` lists them).
        data, data_dir, labels: other data than the run was trained on, as for ``train``.
        split: ``"train"``, ``"validation"``, ``"test"`` or ``"all"``.
        seed: of every draw.
        device: where to, for a run that is loaded.
        **options: of the inspection.

    Raises:
        UsageError, DataError, CheckpointError: something unknown, out of range, missing, or that does not fit.
        CapabilityError: the model's parts cannot give what is asked.
    """
    if isinstance(run, Run):
        model = run.model
        splits = run.splits if data is None else open_data(data, labels=labels, data_dir=data_dir).split()
    else:
        model, header = open_run(run, device)
        splits = splits_of(run, header, data, data_dir=data_dir, labels=labels)
    return look(Subject(model, splits, rows_of(splits, split), seed), name, **options)


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


def _split_options(name: str, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of training, and of the model; raises UnknownNameError for one that is neither's."""
    ours = TrainConfig.keys()
    theirs = registry.models[name].config.keys() if name else []
    for key in options:
        if key not in ours and key not in theirs:
            owner = f"model {name!r} has no option {key!r}, nor has" if name else f"no option {key!r} in"
            raise UnknownNameError(f"{owner} training{near_misses(key, [*ours, *theirs])}")
    return {k: v for k, v in options.items() if k in ours}, {k: v for k, v in options.items() if k not in ours}


__all__ = ["Run", "inspect", "load", "train"]
