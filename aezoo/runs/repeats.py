"""The same training many times over: ``train_many``, with other seeds or other settings."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aezoo.runs.job import Job, takes_a_job
from aezoo.runs.prepare import prepare
from aezoo.data import Dataset
from aezoo.errors import DivergenceError, OutputError, TerminatedError, UsageError
from aezoo.core.options import PLACES, TrainConfig
from aezoo.runs.resume import reopened
from aezoo.runs.recorder import Recorder
from aezoo.runs.run import Run, config_of
from aezoo.training import (
    CONFIG_FILE,
    MODEL_FILE,
    RESULTS_FILE,
    STATE_FILE,
    Metrics,
    NotTogetherError,
    Progress,
    RunFolder,
    Together,
    pays,
    run_config,
)

MOST_SEEDS = 100_000


@dataclass
class Runs(Sequence[Run]):
    """Trainings of one model that differ in their seeds or settings, in order; those that diverged are left out.

    ``names`` are theirs (``seed-3``, ``setting-2``), ``failed`` says by name why others came to nothing, ``together``
    whether they were trained as one batched model, and ``notes`` what a user should be told.

    Examples:
        >>> runs = aezoo.train_many("linear", "digits", seeds=2, latent_dim=2, epochs=1)
        >>> runs.names, len(runs), sorted(runs.mean)[:2]
        (['seed-0', 'seed-1'], 2, ['dead_units', 'examples'])
    """

    runs: list[Run] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    folder: Path | None = None
    together: bool = False
    notes: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, index: Any) -> Any:
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def mean(self) -> dict[str, float]:
        """The mean of each figure of the test split."""
        return {key: statistics.fmean(values) for key, values in self._figures().items()}

    @property
    def deviation(self) -> dict[str, float | None]:
        """The sample standard deviation (n − 1) of each figure; None where there is only one."""
        figures = self._figures().items()
        return {key: statistics.stdev(values) if len(values) > 1 else None for key, values in figures}

    def _figures(self) -> dict[str, list[float]]:
        keys = dict.fromkeys(key for run in self.runs for key in run.results)
        return {key: [run.results[key] for run in self.runs if key in run.results] for key in keys}


@takes_a_job()
def train_many(
    model: str = "contractive",
    data: Any = "digits",
    *,
    seeds: int | None = None,
    settings: Sequence[Mapping[str, Any]] | None = None,
    together: bool | None = None,
    **arguments: Any,
) -> Runs:
    """Trains a registered model several times, as one batched model where that pays.

    Every run is what ``train`` with its seed and settings gives, to the rounding of batched products (see
    ``aezoo.training.batched``), and its folder, ``OUT/seed-K`` or ``OUT/setting-K``, is one of a run of its own
    without pictures. A run that diverges is left out of the mean and does not stop the others.

    Args:
        model: a registered name.
        data, labels, data_dir, trackers, progress: as for ``train``.
        seeds: how many runs, with the seeds ``seed``, ``seed + 1``, … (``seed`` is 0 unless given).
        settings: instead of seeds, options of the model or of training for each run, over ``options``.
        out: folder of the runs' folders and of ``results.json`` with means and deviations; None writes nothing.
        overwrite: replace the runs that are there.
        together: train them as one model, or one after the other; None does what is faster.
        **options: those that all runs share.

    Raises:
        UsageError: as for ``train``; fewer than one run; both or neither of ``seeds`` and ``settings``; or runs that
            are to be trained together and cannot be.
        DataError, OutputError: as for ``train``.
        DivergenceError: of every run the loss stopped being finite.

    Examples:
        >>> runs = aezoo.train_many("linear", "digits", settings=[{"latent_dim": 2}, {"latent_dim": 8}], epochs=1)
        >>> runs.names, [run.config.latent_dim for run in runs]
        (['setting-1', 'setting-2'], [2, 8])
    """
    job = Job.of({"data": data, **arguments})
    members = _members(seeds, settings, job.options)
    more = {"seeds": seeds} if settings is None else {"settings": [dict(setting) for setting in settings]}
    folder = None if job.out is None else _Folder(Path(job.out), job.overwrite, list(members), more)  # type: ignore[arg-type]
    job = replace(job, data=job.opened(), labels=None, data_dir=None)

    def prepared(name: str) -> Recorder:
        place = None if folder is None else folder.runs[name]
        return prepare(model, replace(job, out=place, options=members[name]))

    def every(runs: Runs) -> None:
        joint = None
        if together or (together is None and len(members) > 1 and _pays(model, job, members)):
            recorders = {name: prepared(name) for name in members}
            joint = _joined(recorders, settings is None, Progress(job.progress), runs, needed=together is True)
        if joint is not None:
            _train_together(joint, recorders, runs, folder)
        else:
            for name in members:
                _train_alone(name, prepared(name), runs, folder)

    return _all_of(len(members), folder, every)


@takes_a_job("out", "overwrite")
def resume_many(out: str | Path, **arguments: Any) -> Runs:
    """Goes on with what ``train_many`` was at with several seeds, to the same result as without a break.

    Runs that were trained one by one go on each from where it was; those that were trained as one model begin anew.

    Args:
        out: the folder of the runs' folders.
        data, labels, data_dir, trackers, progress: as for ``resume``.

    Raises:
        UsageError: these runs came to their end, or are of several settings, which their folder does not hold.
        CheckpointError, DataError, OutputError, DivergenceError: as for ``resume``.

    Examples:
        >>> runs = aezoo.train_many("linear", "digits", seeds=2, epochs=1, out="runs/seeds")
        >>> aezoo.resume_many("runs/seeds")
        Traceback (most recent call last):
            ...
        aezoo.errors.UsageError: runs/seeds is finished: nothing is left to train.
    """
    path = Path(out)
    job = Job.of(arguments)
    config = run_config(path)
    seeds = config.get("seeds")
    if (
        type(seeds) is not int
        or not isinstance(config.get("config"), dict)
        or not isinstance(config.get("training"), dict)
        # which are no options of a run, and what is said here
        or {*PLACES} & {*config["config"], *config["training"]}
    ):
        raise UsageError(f"{path} holds no runs of several seeds that could go on: train again.")
    if (path / RESULTS_FILE).exists():
        raise UsageError(f"{path} is finished: nothing is left to train.")
    options = {**config["config"], **config["training"]}
    members = _members(seeds, None, options)
    job = replace(job, data=job.opened(config.get("data") or {}), labels=None, data_dir=None)
    model = str(config.get("model"))
    if not any((path / name / STATE_FILE).exists() for name in members):
        hearers: dict[str, Any] = {"trackers": job.trackers, "progress": job.progress}
        return train_many(model, job.data, seeds=seeds, out=path, overwrite=True, **hearers, **options)
    folder = _Folder(path, True, list(members), {"seeds": seeds})
    begun = [name for name in members if (path / name / STATE_FILE).exists()]
    folder.runs |= {name: RunFolder(path / name, resume=True) for name in begun}

    def prepared(name: str) -> Recorder:
        if name in begun:
            return reopened(folder.runs[name], job)
        return prepare(model, replace(job, out=folder.runs[name], options=members[name]))

    def every(runs: Runs) -> None:
        for name in members:
            _train_alone(name, prepared(name), runs, folder)

    return _all_of(len(members), folder, every)


def holds_several(path: str | Path) -> bool:
    """Whether a folder is one that ``train_many`` wrote; raises CheckpointError for a broken config.json."""
    return (Path(path) / CONFIG_FILE).is_file() and bool({"seeds", "settings"} & run_config(path).keys())


def _all_of(count: int, folder: _Folder | None, every: Callable[[Runs], None]) -> Runs:
    """Has ``every`` run trained, and writes down what came of all."""
    runs = Runs(folder=folder.path if folder else None)
    with nullcontext() if folder is None else folder.claimed():
        try:
            every(runs)
        except (KeyboardInterrupt, TerminatedError, OutputError) as stop:
            stop.args = (_left(stop, runs, count, folder),)
            raise
        finally:
            if folder is not None and folder.begun and not folder.members:
                folder.withdraw()
        if not runs.runs:
            raise DivergenceError(
                f"no run came to its end; {next(iter(runs.failed))}: {next(iter(runs.failed.values()))}"
            )
        if folder is not None:
            folder.finish({"runs": runs.names, "failed": runs.failed, "mean": runs.mean, "deviation": runs.deviation})
    return runs


def _members(
    seeds: int | None, settings: Sequence[Mapping[str, Any]] | None, options: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The options of each run by its name; raises UsageError for no runs."""
    if (seeds is None) == (settings is None):
        raise UsageError("give seeds, a number of runs, or settings, the options of each run: one of the two.")
    if settings is not None:
        if not settings:
            raise UsageError("settings is empty: give the options of one run at least.")
        return {f"setting-{k}": {**options, **setting} for k, setting in enumerate(settings, 1)}
    if isinstance(seeds, bool) or not isinstance(seeds, int) or not 1 <= seeds <= MOST_SEEDS:
        raise UsageError(f"seeds is a number of runs, 1 at least and {MOST_SEEDS:,} at most (got {seeds!r}).")
    ours = set(TrainConfig.keys())
    given = {key: value for key, value in options.items() if key in ours}
    first = TrainConfig.parse(given, owner="training").seed
    return {f"seed-{seed}": {**options, "seed": seed} for seed in range(first, first + seeds)}


def _pays(model: str, job: Job, members: Mapping[str, Mapping[str, Any]]) -> bool:
    return pays(prepare(model, replace(job, out=None, progress=False, options=next(iter(members.values())))).trainer)


def _joined(
    recorders: Mapping[str, Recorder], alike: bool, progress: Progress, runs: Runs, needed: bool
) -> Together | None:
    """All as one, or None and a note why not; raises UsageError where that is ``needed``."""
    try:
        return Together([recorder.trainer for recorder in recorders.values()], alike, progress)
    except NotTogetherError as error:
        if needed:
            raise UsageError(f"these runs cannot be trained together: {error}; leave together out.") from None
        runs.notes.append(f"trained one after the other: {error}.")
        return None


def _train_together(joint: Together, recorders: Mapping[str, Recorder], runs: Runs, folder: _Folder | None) -> None:
    runs.together = True
    with ExitStack() as opened:
        for recorder in recorders.values():
            opened.enter_context(recorder.opened(stateful=False))
            if folder is not None:
                folder.begin_with(recorder)
        errors = joint.fit()
        for (name, recorder), error in zip(recorders.items(), errors, strict=True):
            if error is None:
                recorder.finish(pictures=False)
            _keep(name, recorder, runs, error)


def _train_alone(name: str, recorder: Recorder, runs: Runs, folder: _Folder | None) -> None:
    error = None
    with recorder.opened():
        if folder is not None:
            folder.begin_with(recorder)
        try:
            recorder.trainer.fit()
        except DivergenceError as diverged:
            error = diverged
        else:
            recorder.finish(pictures=False)
    _keep(name, recorder, runs, error)


def _keep(name: str, recorder: Recorder, runs: Runs, error: DivergenceError | None) -> None:
    """Takes what came of a run; a note that all share is said once."""
    if error is None:
        runs.runs.append(recorder.run)
        runs.names.append(name)
        runs.notes += [note for note in recorder.run.notes if note not in runs.notes]
    else:
        runs.failed[name] = str(error)
        runs.notes.append(f"{name} is left out of the mean: {error}")


def _left(stop: BaseException, runs: Runs, count: int, folder: _Folder | None) -> str:
    """What broke the runs off, and what there is."""
    said = (str(stop).removesuffix(".") or "interrupted").partition(";")[0]
    if folder is None:
        return f"{said}; nothing was written."
    begun = folder.members - len(runs) - len(runs.failed)
    others = f", and {begun} more left the checkpoint of the last save" if begun else ""
    on = f"; go on with: aezoo resume {folder.path}" if folder.members and folder.of_seeds else ""
    return f"{said}; {len(runs)} of {count} runs are whole in {folder.path}{others}{on}."


class _Folder(RunFolder):
    """The folder of the runs' folders.

    Raises:
        UsageError: it holds something else, or runs of an older training that these would not replace.
        OutputError: it is a file.
    """

    def __init__(self, path: Path, overwrite: bool, names: Sequence[str], more: Mapping[str, Any]) -> None:
        super().__init__(path, overwrite)
        self._more = more
        self.of_seeds = "seeds" in more
        self._config: dict[str, Any] = {}
        left = [found.parent.name for found in path.glob(f"*/{CONFIG_FILE}") if found.parent.name not in names]
        if (path / MODEL_FILE).exists():
            raise UsageError(f"{path} holds a single run: choose another --out for several.")
        if left:
            raise UsageError(f"{path} holds {', '.join(sorted(left))} of an older training: choose another --out.")
        # refused now where one of them is in use, and not when the others are trained
        self.runs = {name: RunFolder(path / name, overwrite) for name in names}
        self._recorders: list[Recorder] = []

    @property
    def members(self) -> int:
        """How many runs have saved something."""
        return sum(recorder.has_saved for recorder in self._recorders)

    def begin_with(self, recorder: Recorder) -> None:
        """Writes the config, over an older one's once the first of the runs has something to show."""
        self._recorders.append(recorder)
        on_epoch = recorder.trainer.on_epoch
        # of the first run, whose seed is where a repetition begins
        self._config = self._config or {**config_of(recorder.run), **self._more}
        if self.is_new:
            # from here on runs that are killed can go on
            self.begin(self._config)

        def noted(metrics: Metrics, keep: bool) -> None:
            on_epoch(metrics, keep)
            if recorder.has_saved and not self.begun:
                self.begin(self._config)

        recorder.trainer.on_epoch = noted


__all__ = ["Runs", "resume_many", "train_many"]
