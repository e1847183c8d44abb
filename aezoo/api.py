"""What a user calls from Python: ``train``, ``load`` and ``inspect``."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aezoo import registry
from aezoo.assembly import complete, distributions
from aezoo.autoencoder import Autoencoder
from aezoo.data import Dataset, Splits, digest_of, open_data
from aezoo.data.infer import all_in
from aezoo.errors import (
    CompositionError,
    DataError,
    OutputError,
    TerminatedError,
    UnknownNameError,
    ZooError,
    near_misses,
    reason_of,
)
from aezoo.evaluation import evaluate
from aezoo.inspection import Finding, Subject, look
from aezoo.options import ModelConfig, TrainConfig
from aezoo.parts import Regularizer
from aezoo.reopening import open_run, rows_of, splits_of
from aezoo.streams import random_stream
from aezoo.training import (
    MODEL_FILE,
    STATE_FILE,
    Events,
    Header,
    Metrics,
    Progress,
    RunFolder,
    State,
    Trainer,
    build_model,
    load_model,
    save_model,
)
from aezoo.training.sizes import refuse_huge_model


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
        requires = distributions(self.config) if self.config else ()
        return Header(
            model=self.name,
            config=self.config.model_dump(mode="json") if self.config else {},
            data=self.model.spec,
            plugin=entry.plugin if entry else "",
            distribution=entry.distribution if entry else "",
            requires=requires,
            versions=_versions(entry.distribution if entry else "", *requires),
        )

    @cached_property
    def digest(self) -> str:
        """Of the data, so that a run which goes on notices when it is other data."""
        return digest_of(self.dataset)


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


class Recorder:
    """Writes down what happens while a run trains.

    Args:
        run: what is trained.
        folder: where to; None writes nothing.
        trackers: who else hears of it.
        progress: where progress is shown.
        state: where an earlier training of the run was broken off.
    """

    def __init__(
        self,
        run: Run,
        folder: RunFolder | None,
        trackers: Iterable[Any],
        progress: Progress,
        state: State | None = None,
    ) -> None:
        self.run = run
        self.folder = folder
        self.events = Events(trackers, run.notes.append)
        on_save = None if folder is None else self._on_save
        self.trainer = Trainer(run.model, run.splits, run.training, self._on_epoch, progress, on_save, state)
        run.history = list(self.trainer.history)
        run.training = run.training.model_copy(
            update={
                "epochs": self.trainer.epochs,
                "batch_size": self.trainer.batch_size,
                "validation": len(run.splits.validation),
                "device": str(self.trainer.device),
            }
        )
        self._saved: Any = None
        # whether figures and pictures of an earlier training are there, which further training would make untrue
        self._outdated = False
        self._stateful = True

    @cached_property
    def _config(self) -> dict[str, Any]:
        return config_of(self.run)

    def go(self) -> Run:
        """Trains, evaluates, and leaves what a run leaves."""
        with self.opened():
            self.trainer.fit()
            self.finish()
        return self.run

    @contextmanager
    def opened(self, stateful: bool = True) -> Iterator[None]:
        """Keeps other runs out of the folder; what breaks off the block learns what is in it.

        A run that is not ``stateful`` saves no state of training, but its weights after each epoch.
        """
        self._stateful = stateful
        with nullcontext() if self.folder is None else self.folder.claimed():
            try:
                self._begin()
                self.events.call("aezoo_train_start", run=self.run)
                yield
            except BaseException as stop:
                self._say_what_is_left(stop)
                raise
            finally:
                if self.folder is not None and self.folder.begun and not (self.folder.resume or self.has_saved):
                    self.folder.withdraw()

    def _begin(self) -> None:
        folder = self.folder
        if folder is None:
            return
        if folder.resume:
            folder.write_config(self._config)
            folder.write_metrics(self.run.history)
            self._outdated = True
        elif folder.is_new:
            # from here on a run that is killed can go on, if only from its first step
            folder.begin(self._config)

    def _say_what_is_left(self, stop: BaseException) -> None:
        if not self._stateful:
            # one of several, of which whoever trains them speaks
            return
        if isinstance(stop, KeyboardInterrupt | TerminatedError):
            word = "terminated" if isinstance(stop, TerminatedError) else "interrupted"
            stop.args = (f"{word}; {self._left()}.",)
        elif isinstance(stop, OutputError):
            stop.args = (f"{str(stop).removesuffix('.')}; {self._left()}.",)

    def _left(self) -> str:
        """What there is when a run is broken off, for a message."""
        folder = self.folder
        if folder is None:
            return "nothing was written"
        if folder.is_lost:
            return "what was saved is where the folder is now, if it still is"
        if not folder.begun and not folder.is_new:
            return f"the older run in {folder.path} is as it was"
        if not (folder.resume or self.has_saved):
            return "nothing was saved yet, and nothing stays"
        python = "" if self.run.name else f", which in Python is aezoo.resume({str(folder.path)!r}, into=model)"
        return f"{folder.path} holds what was saved; go on with: aezoo resume {folder.path}{python}"

    @property
    def has_saved(self) -> bool:
        """Whether a checkpoint of this run is in its folder."""
        return self._saved is not None

    def finish(self, pictures: bool = True) -> None:
        """Evaluates the trained model, and writes what comes of it."""
        run = self.run
        run.notes += self.trainer.notes
        with registry.naming(run.model.modules(), "in evaluation"):
            run.results = evaluate(run.model, run.splits)
        run.notes += _remarks(run)
        if self.folder is not None:
            self.folder.check()
            if not (self._stateful and self.has_saved):
                # also of a run that had nothing left to train, and may have been killed between its weights and state
                save_model(self.folder.path / MODEL_FILE, run.model, run.header)
            self.folder.finish(run.results)
            if pictures:
                self._draw(self.folder.path)
        self.events.call("aezoo_train_end", run=run, results=run.results)

    def _draw(self, folder: Path) -> None:
        from aezoo.plots import draw_run  # here, since nobody should wait for matplotlib before the first step

        run = self.run
        try:
            run.pictures = draw_run(folder, run.model, run.splits, run.history)
        except ZooError:
            raise
        except Exception as error:
            run.notes.append(f"pictures could not be drawn ({reason_of(error)}); weights and figures are there.")

    def _on_save(self, state: State) -> None:
        # the best weights stay the same for many saves
        best = self.trainer.best_weights
        self._write(("best", state.position.best_epoch) if best else ("step", state.position.step), best, state)

    def _on_epoch(self, metrics: Metrics, keep: bool) -> None:
        run, folder = self.run, self.folder
        if folder is not None and keep and not self._stateful:
            self._write(("step", self.trainer.step))
        run.history.append(metrics)
        if folder is not None and folder.begun:
            folder.append(metrics)
        self.events.call("aezoo_epoch_end", run=run, metrics=metrics)

    def _write(
        self, mark: tuple[str, int], best: Mapping[str, Tensor] | None = None, state: State | None = None
    ) -> None:
        """Writes weights, then the state, which then never is of a later step; ``mark`` tells weights apart."""
        run, folder = self.run, self.folder
        assert folder is not None
        folder.check()

        def write(place: Path) -> None:
            if mark != self._saved:
                save_model(place / MODEL_FILE, run.model, run.header, best)
                self._saved = mark
            if state is not None:
                state.save(place / STATE_FILE, self._config)

        if folder.begun:
            if self._outdated:
                folder.outdate()
                self._outdated = False
            write(folder.path)
            return

        def begin(place: Path) -> None:
            folder.write_metrics(run.history, place)
            write(place)

        folder.begin(self._config, begin)


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
        "digest": run.digest,
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


def _versions(*distributions: str) -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3])), "torch": str(torch.__version__)}
    for name in dict.fromkeys(("aezoo", *distributions)):
        try:
            found[name] = importlib.metadata.version(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            continue
    return found


__all__ = ["Run", "inspect", "load", "train"]
