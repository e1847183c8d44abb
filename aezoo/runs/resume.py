"""A run that was broken off, taken up again: ``resume``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue, ValidationError

from aezoo import registry
from aezoo.model.assembly import complete
from aezoo.model.autoencoder import Autoencoder
from aezoo.core.config import Config
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, digest_of
from aezoo.errors import CheckpointError, DataError, UnknownNameError, UsageError, is_out_of_memory, near_misses
from aezoo.core.options import MAY_CHANGE, ModelConfig, TrainConfig
from aezoo.runs.job import Job, takes_a_job
from aezoo.runs.recorder import Recorder
from aezoo.runs.run import Run, config_of
from aezoo.core.rng import random_stream
from aezoo.core.schedules import Cyclical, Linear
from aezoo.training import CONFIG_FILE, RESULTS_FILE, STATE_FILE, Progress, RunFolder, State, build_model, run_config
from aezoo.storage.checkpoint import ROOM, build_within, install
from aezoo.training.patience import Patience
from aezoo.storage.sizes import refuse_huge_model
from aezoo.storage.state import refuse_other, tensors_of

# what else may compute the last bit of a sum in another way, and is said
MACHINE = ("python", "torch")


class Recorded(Config):
    """A run's config.json."""

    model: str
    config: dict[str, JsonValue]
    training: dict[str, JsonValue]
    data: dict[str, JsonValue]
    spec: DataSpec
    plugin: str = ""
    distribution: str = ""
    versions: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    digest: str


@takes_a_job("out", "overwrite")
def resume(run: str | Path, *, into: Autoencoder | None = None, **arguments: Any) -> Run:
    """Goes on with a run that was killed, or trains a finished one for more epochs; ends as if there was no break.

    On a processor the weights have the same bits and metrics.jsonl the same lines; on a GPU, or with ``compile``,
    they agree to rounding. A run that was killed before its first save begins anew, with the same result.

    Args:
        run: the folder that ``train`` wrote.
        into: the model, where it was composed by hand, as it was given to ``train``.
        data, labels, data_dir: where the data is now, when it is elsewhere or was given in Python.
        trackers, progress: as for ``train``.
        **options: ``epochs``, ``save_every`` or ``device``; no other option of a run can change.

    Raises:
        UsageError: an option that cannot change, or fewer epochs than are done; another process writes there.
        CheckpointError: no run, a broken one, or one of another version of aezoo or of the plugin.
        DataError: the data is not what the run was trained on.
        OutputError, DivergenceError: as for ``train``.

    Examples:
        >>> run = aezoo.train("linear", "digits", epochs=1, out="runs/short")
        >>> len(aezoo.resume("runs/short", epochs=2).history)
        2
    """
    folder = RunFolder(run, resume=True)
    with folder.claimed():
        return reopened(folder, Job.of(arguments, without=("out", "overwrite")), into).go()


def reopened(folder: RunFolder, job: Job, into: Autoencoder | None = None) -> Recorder:
    """The run of a folder, ready to go on; errors are those of ``resume``."""
    recorded = _read(folder.path)
    state = _state_of(folder.path, recorded)
    training = _training(recorded, job.options, state)
    found = _rebuilt(folder.path, recorded, training, into, state, job)
    recorder = Recorder(found, folder, job.trackers, Progress(job.progress), state)
    found.notes += _remarks(folder.path, recorded, config_of(found), state, found.model.weights)
    return recorder


def _read(folder: Path) -> Recorded:
    values = run_config(folder)
    more = next((key for key in ("seeds", "settings") if key in values), None)
    if more:
        raise UsageError(f"{folder} holds runs of several {more}: aezoo.resume_many goes on with those of seeds.")
    try:
        return Recorded.model_validate(values)
    except UnicodeEncodeError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} is not what aezoo train writes ({error.reason}).") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        older = " It was written before runs could go on: train again." if where == "digest" else ""
        raise CheckpointError(
            f"{folder / CONFIG_FILE} is not what aezoo train writes ({where}: {first['msg']}).{older}"
        ) from None


def _state_of(folder: Path, recorded: Recorded) -> State | None:
    """The state of training, or None where none was saved yet."""
    if not (folder / STATE_FILE).exists():
        if (folder / RESULTS_FILE).exists():
            raise CheckpointError(f"{folder} is finished, and no state of training was saved with it: train again.")
        return None
    state = State.load(folder)
    theirs = state.position.run
    here = recorded.model_dump(mode="json")
    for part in ("model", "config", "training", "spec", "digest"):
        _refuse_other(folder, part, theirs.get(part), here[part])
    return state


def _refuse_other(folder: Path, part: str, saved: Any, here: Any) -> None:
    """Raises CheckpointError where config.json is not of the run whose state it stands beside."""
    if saved == here:
        return
    keys = [""]
    if isinstance(saved, dict) and isinstance(here, dict):
        keys = [k for k in sorted(saved.keys() | here.keys()) if k not in MAY_CHANGE and saved.get(k) != here.get(k)]
    for key in keys[:1]:
        pair = (saved.get(key), here.get(key)) if key else (saved, here)
        raise CheckpointError(
            f"{folder / CONFIG_FILE} was changed since the run was saved: {key or part} was {pair[0]!r} and is "
            f"{pair[1]!r}; put it back ({', '.join(MAY_CHANGE)} may change), or train anew."
        )


def _training(recorded: Recorded, options: Mapping[str, Any], state: State | None) -> TrainConfig:
    known = TrainConfig.parse(recorded.training, owner=f"training in {CONFIG_FILE}")
    for key, value in options.items():
        if key in MAY_CHANGE:
            continue
        before = {**recorded.config, **recorded.training}
        if key not in before:
            raise UnknownNameError(f"a run has no option {key!r}{near_misses(key, [*before])}")
        if before[key] != value:
            raise UsageError(
                f"{key} is {before[key]!r} in this run and cannot become {value!r}: only {', '.join(MAY_CHANGE)} may "
                "change when a run goes on; train anew for others."
            )
    given = {key: value for key, value in options.items() if key in MAY_CHANGE and value is not None}
    training = TrainConfig.parse({**known.model_dump(), **given}, owner="training")
    if training.epochs is not None and state is not None:
        try:
            state.position.refuse_fewer(training.epochs)
        except ValueError as error:
            raise UsageError(f"{error}: give more, or leave it out.") from None
    return training


def _rebuilt(
    folder: Path,
    recorded: Recorded,
    training: TrainConfig,
    into: Autoencoder | None,
    state: State | None,
    job: Job,
) -> Run:
    """The run as it was before its first step; what is looked up comes before what takes time."""
    config: ModelConfig | None = None
    if recorded.model:
        if into is not None:
            raise UsageError(f"{folder} is a run of the registered model {recorded.model!r}: leave into out.")
        recorded = _as_of_now(recorded)
        config = complete(registry.models[recorded.model].options.parse(recorded.config, owner=f"model {recorded.model!r}"))
    elif into is None:
        raise UsageError(f"{folder} is a run of a model composed by hand: aezoo.resume({str(folder)!r}, into=model).")
    dataset = job.opened(recorded.data)
    if digest_of(dataset) != recorded.digest:
        raise DataError(
            f"the data is not what {folder} was trained on: {_difference(recorded.spec, dataset)}; bring the same "
            "data, or train anew."
        )
    # by the name that the checkpoint, and what was saved of the run, have for it
    dataset.spec = dataset.spec.model_copy(update={"name": recorded.spec.name})
    model = into
    if model is None:
        with random_stream(training.seed):
            model = _built(folder, recorded, dataset.spec, state)
    assert isinstance(model, Autoencoder)
    splits = dataset.split(training.validation, training.seed)
    run = Run(recorded.model, model, dataset, splits, config, training, folder)
    # where the data was first read from stays on record, unless it was named anew
    dataset.source = dataset.source or dict(recorded.data)
    _refuse_other_versions(folder, recorded.versions, run.header.versions)
    return run


def _built(folder: Path, recorded: Recorded, spec: DataSpec, state: State | None) -> Autoencoder:
    """The model, which is that of the state before memory is taken for it."""
    refuse_huge_model(recorded.model, recorded.config, spec)
    if state is None:
        return build_model(recorded.model, recorded.config, spec)
    theirs = state.under("model/")
    room = ROOM + 8 * sum(tensor.nbytes for tensor in theirs.values())
    try:
        return build_within(
            room, lambda built: refuse_other(tensors_of(built), theirs), recorded.model, recorded.config, spec
        )
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"{folder} names a model that takes far more memory than its state has tensors."
        ) from None


def _as_of_now(recorded: Recorded) -> Recorded:
    """With the options that the model has got since; raises CheckpointError for a model that is not installed."""
    try:
        entry = registry.models[recorded.model]
    except UnknownNameError as error:
        command = install(recorded.distribution)
        hint = f": {command}" if command else ""
        raise CheckpointError(f"{error} The run is of plugin {recorded.plugin!r}{hint}.") from None
    return recorded.model_copy(update={"config": entry.options.recorded(recorded.config)})


def _difference(spec: DataSpec, dataset: Dataset) -> str:
    for name in type(spec).model_fields:
        before, now = getattr(spec, name), getattr(dataset.spec, name)
        if before != now and name != "name":
            return f"{name} was {before} and is {now}"
    return f"of its {len(dataset)} rows, their values, labels or test split, some are others"


def _refuse_other_versions(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for name in before:
        if name not in MACHINE and before[name] != now.get(name):
            raise CheckpointError(
                f"{folder} was trained with {name} {before[name]}, and {now.get(name, 'none')} is installed: "
                f"{install(f'{name}=={before[name]}') or 'install that version'}, or train anew."
            )


def _remarks(
    folder: Path,
    recorded: Recorded,
    now: Mapping[str, Any],
    state: State | None,
    weights: Mapping[str, float | Linear | Cyclical],
) -> list[str]:
    """What a user of a run that went on should know."""
    if state is None:
        return [f"{folder} had saved nothing yet: it begins with the first step."]
    at, training = state.position, now["training"]
    others = {name: (recorded.versions.get(name), now["versions"].get(name)) for name in MACHINE}
    others["threads"] = (str(at.threads), str(torch.get_num_threads()))
    others["device"] = (str(recorded.training.get("device")), training["device"])
    found = [
        f"{name} was {before} and is {here}: the last bits may be others than without a break."
        for name, (before, here) in others.items()
        if before != here
    ]
    patience = Patience(training["patience"])
    patience.best_epoch = at.best_epoch
    if patience.over(at.epoch):
        return [*found, "nothing was left to train: patience ran out, which more epochs do not change."]
    longer = recorded.training.get("epochs") != training["epochs"]
    if training["schedule"] != "constant" and longer:
        found.append(f"the learning rate follows its {training['schedule']} to the new end from here on.")
    if longer and any(isinstance(weight, Linear) and weight.share for weight in weights.values()):
        found.append("weights that grow over a share of all steps follow it to the new end from here on.")
    if at.epoch == training["epochs"]:
        found.append("nothing was left to train: --epochs N trains on.")
    return found


__all__ = ["reopened", "resume"]
