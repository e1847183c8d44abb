"""The state of training: everything that decides the steps to come.

Weights and buffers, optimizers, the order of the rows and the place in it, random streams, the figures of an epoch that
is half done, early stopping and the history. A trainer that is given the state of another one goes on with the same
bits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field, JsonValue
from torch import Tensor, nn

from aezoo.core.arrays import steps_of
from aezoo.core.config import Config, listed
from aezoo.errors import CheckpointError
from aezoo.storage.tensors import check_digest, kind_of, line_of, opened, read_header, write_tensors

FORMAT = 1
STATE_FILE = "state.safetensors"
KEY = "aezoo-state"
PREFIXES = ("model/", "best/", "optimizer/", "generator/", "stream/")
OF_ADAM, OF_SGD = {"step", "exp_avg", "exp_avg_sq"}, {"momentum_buffer"}
# whole numbers that a float holds
Count = Annotated[int, Field(ge=0, le=1 << 53)]
Floats = Annotated[tuple[float, ...], BeforeValidator(listed)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(listed)]
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]


class Sums(Config):
    """The figures of an epoch that is half done, but for those that were not read yet, which are a tensor."""

    names: Names = ()
    sums: Floats = ()
    count: Count = 0
    rows: Counts = ()
    first_step: Count = 0


class Position(Config):
    """Where a run stands, apart from its tensors.

    ``epoch`` counts the whole epochs, ``batches`` those taken of the epoch that is under way. ``lines`` are those of
    metrics.jsonl for each epoch, ``further`` those for steps; ``how`` says by what options and on how many rows the
    steps were taken, ``run`` is the run's config.json, ``threads`` how many computed it, on which the last bit of a
    matrix product can depend.
    """

    format: int = Field(FORMAT, ge=1)
    step: Count = 0
    epoch: Count = 0
    batches: Count = 0
    best: float | None = None
    best_epoch: Count = 0
    sums: Sums = Sums()
    lines: Names = ()
    further: Names = ()
    moves: dict[str, Count] = {}  # noqa: RUF012 - pydantic copies it
    scalars: dict[str, JsonValue] = {}  # noqa: RUF012
    scaler: dict[str, Annotated[int | float, Field(ge=0)]] = {}  # noqa: RUF012
    how: dict[str, JsonValue] = {}  # noqa: RUF012
    threads: int = 0
    run: dict[str, JsonValue] = {}  # noqa: RUF012

    def refuse_fewer(self, epochs: int) -> None:
        """Raises ValueError for a training of fewer epochs than were begun, whose weights are gone."""
        if epochs < self.epoch:
            raise ValueError(f"epochs is {epochs}, and {self.epoch} are done")
        if epochs == self.epoch and self.batches:
            raise ValueError(f"epochs is {epochs}, and epoch {self.epoch + 1} has begun")


@dataclass
class State:
    """A state of training: where it stands, and its tensors by name, on the processor and apart from the trainer's.

    Examples:
        >>> states = []
        >>> config = aezoo.TrainConfig(epochs=1)
        >>> trainer = aezoo.Trainer(aezoo.load("runs/vae"), run.splits, config, on_save=states.append)
        >>> metrics = trainer.fit()
        >>> states[-1].position.epoch
        1
    """

    position: Position
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def save(self, path: str | Path, run: Mapping[str, Any] | None = None) -> None:
        """Writes the state, whole or not at all, with the config of its ``run``; raises OutputError."""
        position = self.position if run is None else self.position.model_copy(update={"run": dict(run)})
        write_tensors(path, self.tensors, KEY, position.model_dump(mode="json"))

    @classmethod
    def load(cls, path: str | Path) -> State:
        """The state of a run's folder, or of the file itself.

        Raises:
            CheckpointError: the file is missing, broken, damaged, or no state of training.
        """
        path = Path(path)
        try:
            path = path / STATE_FILE if path.is_dir() else path
            is_there = path.is_file()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error.strerror}): check the path.") from None
        if not is_there:
            raise CheckpointError(f"no state of training at {path}: give the folder of a run that saved one.")
        values = read_header(path, KEY, "aezoo's training")
        wanted, written = values.pop("digest", ""), values.get("format")
        if isinstance(written, int) and written > FORMAT:
            raise CheckpointError(f"{path} has format {written}, and this aezoo reads up to {FORMAT}: upgrade aezoo.")
        try:
            position = Position.model_validate(values)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"the header of {path} is not one that aezoo writes ({line_of(error)}).") from None
        with opened(path) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        check_digest(path, tensors, wanted)
        return cls(position, tensors)

    @property
    def history(self) -> list[dict[str, float]]:
        """The metrics of each whole epoch; raises ValueError for lines that are none."""
        found = [json.loads(line) for line in self.position.lines]
        for number, metrics in enumerate(found, 1):
            if not (
                isinstance(metrics, dict) and metrics.get("epoch") == number and all(map(_is_figure, metrics.values()))
            ):
                raise ValueError(f"the metrics of epoch {number} are none")
        return found

    @property
    def further(self) -> list[dict[str, float]]:
        """The metrics of single steps; raises ValueError for lines that are none, or out of order."""
        found = [json.loads(line) for line in self.position.further]
        before = 0
        for metrics in found:
            whole = isinstance(metrics, dict) and all(map(_is_figure, metrics.values()))
            if not whole or not before < metrics.get("step", 0) <= self.position.step:
                raise ValueError("the metrics of a step are none")
            before = metrics["step"]
        return found

    def refuse_senseless(self, batch_size: int, rows: int, names: Sequence[str]) -> None:
        """Raises ValueError for a place that a training never is at.

        Args:
            batch_size: rows a step.
            rows: an epoch.
            names: of the figures that a step leaves.
        """
        at, steps = self.position, steps_of(rows, batch_size)
        if at.batches > steps or at.step != at.epoch * steps + at.batches or at.best_epoch > at.epoch:
            raise ValueError(f"step {at.step} is not batch {at.batches} after {at.epoch} epochs")
        for name, count in at.moves.items():
            if count != at.step:
                raise ValueError(f"the optimizer {name!r} has moved {count} times in {at.step} steps")
        if len(at.lines) != at.epoch:
            raise ValueError(f"it has the metrics of {len(at.lines)} epochs, and {at.epoch} are done")
        seen = rows if at.batches == steps else at.batches * batch_size
        if at.batches and (at.sums.names != tuple(names) or at.sums.count + sum(at.sums.rows) != seen):
            raise ValueError(f"the figures of the epoch are not of {seen} rows, or of other terms")
        for name, tensor in self.tensors.items():
            if not name.startswith(PREFIXES) and name not in ("order", "pending"):
                raise ValueError(f"an unknown tensor {name!r}")
            if name == "pending" and tensor.dtype != torch.float64:
                raise ValueError(f"the figures of the epoch are {kind_of(tensor)}")

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with ``prefix``, by what follows it."""
        return {name[len(prefix) :]: t for name, t in self.tensors.items() if name.startswith(prefix)}


# ------------------------------------------------------------------ the model


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, those included that a checkpoint leaves out."""
    return dict((*model.named_parameters(), *model.named_buffers()))


def _is_figure(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def fill(model: nn.Module, found: Mapping[str, Tensor]) -> None:
    """Sets a model's tensors in place; raises CheckpointError where they are not the model's."""
    wanted = tensors_of(model)
    refuse_other(wanted, found)
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(found[name])


def refuse_other(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError unless ``found`` has the names, shapes and types of ``wanted``, a model's tensors."""
    for name in sorted(wanted.keys() ^ found.keys()):
        raise CheckpointError(
            f"{'no' if name in wanted else 'an unknown'} tensor {name!r} is in the state of training."
        )
    for name, tensor in wanted.items():
        if tensor.shape != found[name].shape or tensor.dtype != found[name].dtype:
            raise CheckpointError(
                f"tensor {name!r} is {kind_of(found[name])} in the state of training, {kind_of(tensor)} in the model."
            )


def copied(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Copies of tensors on the processor, which training does not move."""
    return {f"{prefix}{name}": tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


# ------------------------------------------------------------------ the optimizers


def optimizer_state(optimizer: torch.optim.Optimizer, prefix: str) -> tuple[dict[str, Tensor], dict[str, JsonValue]]:
    """What an optimizer remembers of each parameter, by number: tensors, and everything else."""
    tensors, scalars = {}, {}
    for number, parameter in enumerate(_parameters(optimizer)):
        for key, value in optimizer.state.get(parameter, {}).items():
            name = f"{prefix}{number}/{key}"
            if isinstance(value, Tensor):
                tensors[name] = value.detach().to("cpu", copy=True)
            else:
                scalars[name] = value
    return tensors, scalars


def fill_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], scalars: Mapping[str, JsonValue]
) -> None:
    """Gives an optimizer the state that another one had; names are without the prefix.

    Raises:
        ValueError: it is none of this optimizer's, whose step would read and write by it unchecked.
    """
    parameters = {str(number): parameter for number, parameter in enumerate(_parameters(optimizer))}
    states: dict[int, dict[str, Any]] = {}
    for name, value in (*tensors.items(), *scalars.items()):
        number, _, key = name.partition("/")
        if number not in parameters:
            raise ValueError(f"the optimizer has no parameter {number!r}")
        parameter = parameters[number]
        _refuse_odd(optimizer, parameter, key, value)
        if isinstance(value, Tensor):
            # the state's own stays as it is; a moment in the parameter's memory layout, which a fused step relies on
            value = value.clone() if key == "step" else torch.empty_like(parameter).copy_(value)
        states.setdefault(int(number), {})[key] = value
    for place, held in states.items():
        if isinstance(optimizer, torch.optim.Adam) and len(held) < len(OF_ADAM):
            raise ValueError(f"the optimizer's state of parameter {place} lacks {min(OF_ADAM - held.keys())}")
    if any(isinstance(held.get("momentum_buffer"), Tensor) for held in states.values()):
        # torch wants all or none, and from zero a moment goes where one without a past goes
        for index, parameter in enumerate(parameters.values()):
            states.setdefault(index, {}).setdefault("momentum_buffer", torch.zeros_like(parameter))
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def _refuse_odd(optimizer: torch.optim.Optimizer, parameter: Tensor, key: str, value: Any) -> None:
    known = OF_ADAM if isinstance(optimizer, torch.optim.Adam) else OF_SGD
    is_tensor = isinstance(value, Tensor)
    if key == "step" and is_tensor:
        is_fine = value.dtype in (torch.float32, torch.float64) and value.shape == () and 0 <= float(value) < 1 << 53
    elif is_tensor:
        is_fine = value.dtype == parameter.dtype and value.shape == parameter.shape
    else:
        # what SGD without momentum remembers
        is_fine = value is None and key == "momentum_buffer" and not optimizer.defaults.get("momentum")
    if key not in known or not is_fine:
        shown = kind_of(value) if is_tensor else repr(value)[:60]
        raise ValueError(f"the optimizer's {key!r} of a parameter {kind_of(parameter)} cannot be {shown}")


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
