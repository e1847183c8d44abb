"""What a user calls from Python: ``train``, ``load`` and ``inspect``."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from aezoo import registry
from aezoo.assembly import complete, distributions
from aezoo.autoencoder import Autoencoder
from aezoo.data import Dataset, Splits, open_data
from aezoo.data.infer import all_in
from aezoo.errors import (
    CompositionError,
    DataError,
    UnknownNameError,
    near_misses,
)
from aezoo.evaluation import evaluate
from aezoo.inspection import Finding, Subject, look
from aezoo.options import ModelConfig, TrainConfig
from aezoo.parts import Regularizer
from aezoo.reopening import open_run, rows_of, splits_of
from aezoo.streams import random_stream
from aezoo.training import (
    MODEL_FILE,
    Events,
    Header,
    Metrics,
    Progress,
    RunFolder,
    Trainer,
    build_model,
    load_model,
    save_model,
)


@dataclass
class Run:
    """One training: what went in, and what came out.

    ``history`` holds the metrics of each epoch, ``results`` the figures of the test split, ``notes`` what a user
    should be told. ``folder`` is None for a run that writes nothing.
    """

    name: str
    model: Autoencoder
    dataset: Dataset
    splits: Splits
    config: ModelConfig | None
    training: TrainConfig
    folder: Path | None = None
    history: list[Metrics] = field(default_factory=list)
    results: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)

    @cached_property
    def header(self) -> Header:
        """What the checkpoint says of itself; made once, since it reads the versions of what is installed."""
        entry = registry.models[self.name] if self.name else None
        return Header(
            model=self.name,
            config=self.config.model_dump(mode="json") if self.config else {},
            data=self.model.spec,
            plugin=entry.plugin if entry else "",
            distribution=entry.distribution if entry else "",
            requires=distributions(self.config) if self.config else (),
            versions=_versions(entry.distribution if entry else ""),
        )


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
    out: str | Path | None = None,
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
    folder = None if out is None else RunFolder(out, overwrite)
    dataset = open_data(data, labels=labels, data_dir=data_dir)
    splits = dataset.split(training.validation, training.seed)
    if isinstance(model, str):
        assert config is not None
        with random_stream(training.seed):
            model = build_model(name, config.model_dump(mode="json"), dataset.spec)
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


class Recorder:
    """Writes down what happens while a run trains."""

    def __init__(self, run: Run, folder: RunFolder | None, trackers: Iterable[Any], progress: Progress) -> None:
        self.run = run
        self.folder = folder
        self.events = Events(trackers, run.notes.append)
        self.trainer = Trainer(run.model, run.splits, run.training, self._on_epoch, progress)
        run.training = run.training.model_copy(
            update={
                "epochs": self.trainer.epochs,
                "batch_size": self.trainer.batch_size,
                "validation": len(run.splits.validation),
                "device": str(self.trainer.device),
            }
        )

    def go(self) -> Run:
        """Trains, evaluates, and leaves what a run leaves."""
        with self.opened():
            self.trainer.fit()
            self.finish()
        return self.run

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keeps other runs out of the folder; what breaks off the block learns what is in it."""
        with nullcontext() if self.folder is None else self.folder.claimed():
            try:
                self.events.call("aezoo_train_start", run=self.run)
                yield
            except KeyboardInterrupt as stop:
                stop.args = (f"interrupted; {self.folder.state if self.folder else 'nothing was written'}.",)
                raise

    def finish(self, pictures: bool = True) -> None:
        """Evaluates the trained model, and writes what comes of it."""
        run = self.run
        run.notes += self.trainer.notes
        run.results = evaluate(run.model, run.splits)
        run.notes += _remarks(run)
        if self.folder is not None:
            save_model(self.folder.path / MODEL_FILE, run.model, run.header)
            self.folder.finish(run.results)
            if pictures:
                from aezoo.plots import draw_run  # here, since nobody should wait for matplotlib before the first step

                run.pictures = draw_run(self.folder.path, run.model, run.splits, run.history)
        self.events.call("aezoo_train_end", run=run, results=run.results)

    def _on_epoch(self, metrics: Metrics, keep: bool) -> None:
        run = self.run
        run.history.append(metrics)
        if self.folder is not None:
            if keep:
                save_model(self.folder.path / MODEL_FILE, run.model, run.header)
            if not self.folder.begun:
                self.folder.begin(config_of(run))
            self.folder.append(metrics)
        self.events.call("aezoo_epoch_end", run=run, metrics=metrics)


def config_of(run: Run) -> dict[str, Any]:
    """All that decided a run, for its config.json."""
    header = run.header
    return {
        "model": run.name,
        "config": header.config,
        "training": run.training.model_dump(mode="json"),
        "data": run.dataset.source,
        "spec": run.dataset.spec.model_dump(mode="json"),
        "plugin": header.plugin,
        "distribution": header.distribution,
        "versions": header.versions,
    }


def _remarks(run: Run) -> list[str]:
    """What a reader of the figures should know."""
    remarks = []
    if not len(run.splits.test):
        remarks.append(f"{run.dataset.spec.name} has too few rows for a test split: nothing could be measured.")
    if run.config is not None and run.config.latent_dim >= run.model.spec.size:
        remarks.append("the code is as large as the data, so PCA of its size loses nothing and is no rival.")
    shape = (run.training.batch_size, *run.model.spec.shape)
    for name, regularizer in run.model.regularizers.items():
        assert isinstance(regularizer, Regularizer)
        said = regularizer.remark(run.model.encoder, shape)
        remarks += [f"{name}: {said}."] if said else []
    return remarks


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


def _versions(distribution: str) -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3])), "torch": str(torch.__version__)}
    for name in dict.fromkeys(("aezoo", distribution)):
        try:
            found[name] = importlib.metadata.version(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            continue
    return found


__all__ = ["Run", "inspect", "load", "train"]
