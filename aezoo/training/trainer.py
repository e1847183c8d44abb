"""The one training loop, for every model."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from aezoo import registry
from aezoo.core.allocator import pages_kept
from aezoo.core.arrays import steps_of
from aezoo.core.options import MAY_CHANGE, TrainConfig
from aezoo.core.progress import Progress
from aezoo.core.rng import random_stream
from aezoo.data import Splits
from aezoo.errors import CheckpointError, CompositionError, DivergenceError, UsageError
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.objective import Step
from aezoo.storage.state import (
    Position,
    State,
    copied,
    fill,
    fill_optimizer,
    optimizer_state,
    refuse_other,
    tensors_of,
)
from aezoo.storage.tensors import line_of
from aezoo.training.batches import Batches, make_batches
from aezoo.training.engine.step import Captured, Plain
from aezoo.training.engine.update import Descent
from aezoo.training.metrics import REMEDY, Record, explained, norm_of
from aezoo.training.optim import forget, learning_rate, make_optimizer
from aezoo.training.patience import Patience
from aezoo.training.randomness import generators, set_generator, set_generators, streams, streams_of
from aezoo.training.saving import Saving, Stop, finishing_steps

Metrics = dict[str, float]
DEFAULT_STEPS = 2000
# looked at in one go when the preprocessing is fitted, in float64
FIT_VALUES = 1 << 25


class Trainer:
    """Trains a model in place.

    Args:
        model: any Autoencoder; its preprocessing is fitted on the training split first.
        splits: training and validation rows.
        config: how.
        on_epoch: called after each epoch with its metrics and whether the weights are to be kept.
        progress: where progress is shown.
        on_steps: called with the metrics of a step whenever ``config.log_every`` says so.
        on_save: called with the state whenever ``config.save_every`` says so, and at the end.
        state: of a trainer of the same model, rows and config, to go on from with the same bits (on a GPU, or with
            ``compile``, to rounding).

    Raises:
        DivergenceError: the loss stopped being finite.
        CheckpointError: the state is not one of this model.
        UsageError: a device or precision that this machine does not have.

    Examples:
        >>> config = aezoo.TrainConfig(epochs=1)
        >>> trainer = aezoo.Trainer(aezoo.load("runs/vae"), run.splits, config)
        >>> len(trainer.fit())
        1
    """

    def __init__(
        self,
        model: Autoencoder,
        splits: Splits,
        config: TrainConfig,
        on_epoch: Callable[[Metrics, bool], None] | None = None,
        progress: Progress | None = None,
        on_save: Callable[[State], None] | None = None,
        state: State | None = None,
        on_steps: Callable[[Metrics], None] | None = None,
    ) -> None:
        self.config = config
        self.device = pick_device(config.device)
        self.model = model.to(self.device)
        self.on_save = on_save
        self._state: State | None = None
        if state is not None:
            # before anything is scaled by what the preprocessing learned
            fill(model, state.under("model/"))
        self.notes: list[str] = []
        self.on_steps = on_steps or (lambda metrics: None)
        self.on_epoch = on_epoch or (lambda metrics, keep: None)
        self.progress = progress or Progress(enabled=False)
        if model.preprocess is not None and not bool(model.preprocess.fitted):
            # once: weights trained under one scaling mean nothing under another
            model.preprocess.fit(splits.train.batches(max(1, min(8192, FIT_VALUES // model.spec.size))))
        self.train = make_batches(splits.train, model)
        self.validation = make_batches(splits.validation, model) if len(splits.validation) else None
        self.batch_size = min(config.batch_size, len(self.train))
        if self.batch_size < config.batch_size:
            self.notes.append(f"batch size {config.batch_size} is more than the training rows: {self.batch_size} used.")
        if config.patience is not None and self.validation is None:
            raise UsageError("patience watches the validation loss, and no rows are held out: raise validation.")

        self.autocast, self.scaler = _arithmetic(config.precision, self.device)
        _refuse_untrainable(model, saved=on_save is not None)
        if state is None:
            rows = splits.train.batches(min(8192, len(self.train)))
            model.before_training(lambda: _mean_of(map(model.prepare, rows)))
        self.optimizer = make_optimizer(model.own_parameters(), config, model.paces())
        self.opponents = {n: make_optimizer(m.parameters(), config) for n, m in model.opponents().items()}
        self._main = Descent(self.optimizer, self.scaler, config.clip_norm)
        self._against = {n: Descent(o, self.scaler, config.clip_norm) for n, o in self.opponents.items()}
        self.order = torch.Generator().manual_seed(config.seed)
        if self.batch_size == 1 and any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules()):
            raise UsageError("batch normalisation has no statistics of one row: raise batch_size, or use norm=layer.")
        steps = steps_of(len(self.train), self.batch_size)
        self.epochs = config.epochs or _epochs_of(config.steps, steps)
        self.total_steps = model.total_steps = self.epochs * steps
        if config.warmup >= self.total_steps:
            self.notes.append(f"warmup takes all of the {self.total_steps} steps: the learning rate never reaches lr.")
        self.step = self.epoch = self._taken = 0
        self.history: list[Metrics] = []
        self.further: list[Metrics] = []
        """Of single steps."""
        self._lines: list[str] = []
        self.patience = Patience(config.patience, config.tolerance)
        self.best_weights: dict[str, Tensor] | None = None
        self._record: Record | None = None
        self._order_before = self.order.get_state()
        self._saving = Saving(config.save_every)
        self._fitting = False
        if state is not None:
            try:
                self._restore(state)
            except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
                raise CheckpointError(
                    f"the state of training is not one of this training: {line_of(error)}."
                ) from error
        self._gradients = Captured(Plain(model, self._main, self.autocast), self.total_steps, compiled=config.compile)

    def fit(self) -> list[Metrics]:
        """Trains to the end or until patience runs out; returns the metrics of each epoch, earlier ones included.

        With ``on_save``, Ctrl-C and SIGTERM finish the step and save before they raise.
        """
        progress = self.progress.of(self.epochs, len(self.train))
        state, self._state = self._state, None
        # the noise of training is a stream of its own, so that the caller's is left as it was
        with (
            random_stream(self.config.seed, self.device),
            streams_of(None if state is None else state.tensors, self.device),
            progress,
            pages_kept(self.device),
            finishing_steps(self.on_save is not None) as stop,
            registry.naming(self.model.modules(), "in training"),
        ):
            if self.step:
                self.progress.advance(self.epoch * len(self.train) + self._taken * self.batch_size)
            self._fitting = True
            try:
                while self.epoch < self.epochs and not self.patience.over(self.epoch):
                    self._fit_epoch(stop)
            except DivergenceError as error:
                raise explained(error, next(iter(self.train.epoch(self.batch_size)))) from None
            finally:
                self._fitting = False
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
        if self.patience.over(self.epoch):
            self.notes.append(self.patience.remark(self.epoch))
        if self.config.compile and self._gradients.why_not:
            self.notes.append(f"compile was of no use, the plain step was taken: {self._gradients.why_not}.")
        return self.history

    def state(self) -> State:
        """Everything that decides the steps to come, apart from the trainer's own tensors.

        Raises:
            UsageError: it is not called while ``fit`` runs, but when the random streams are the caller's.
        """
        if not self._fitting:
            raise UsageError("the state of training is to be had while it goes on: give the trainer on_save.")
        sums, pending = (self._record or Record()).so_far()
        tensors = copied(tensors_of(self.model), "model/")
        tensors |= {} if self.best_weights is None else copied(self.best_weights, "best/")
        tensors |= {**streams(self.device), **copied(generators(self.model), "generator/"), "pending": pending}
        tensors["order"] = self._order_before if self._taken else self.order.get_state()
        scalars: dict[str, Any] = {}
        for name, descent in self._descents().items():
            found, rest = optimizer_state(descent.optimizer, f"optimizer/{name}/")
            tensors |= found
            scalars |= rest
        return State(
            Position(
                step=self.step,
                epoch=self.epoch,
                batches=self._taken,
                best=self.patience.best if math.isfinite(self.patience.best) else None,
                best_epoch=self.patience.best_epoch,
                sums=sums,
                lines=tuple(self._lines),
                further=tuple(map(json.dumps, self.further)),
                moves={name: descent.steps for name, descent in self._descents().items()},
                scalars=scalars,
                scaler=self.scaler.state_dict(),
                threads=torch.get_num_threads(),
                how=self._how(),
            ),
            tensors,
        )

    def _how(self) -> dict[str, Any]:
        """What a run cannot change on its way."""
        given = self.config.model_dump(mode="json", exclude={*MAY_CHANGE, "steps", "log_every", "validation"})
        held_out = 0 if self.validation is None else len(self.validation)
        return {**given, "batch_size": self.batch_size, "rows": len(self.train), "validation": held_out}

    def _restore(self, state: State) -> None:
        """Takes over a state, but for the model's tensors and the random streams."""
        self._state = state
        at = state.position
        # a state may be older than an option
        usual = TrainConfig().model_dump(mode="json")
        for name, value in self._how().items():
            before = at.how.get(name, usual.get(name))
            if before != value:
                raise ValueError(f"{name} was {before!r}, and is {value!r}")
        at.refuse_fewer(self.epochs)
        state.refuse_senseless(self.batch_size, len(self.train), ("loss", "reconstruction", *self.model.regularizers))
        self.step, self.epoch, self._taken = at.step, at.epoch, at.batches
        self.history, self._lines = state.history, list(at.lines)
        self.further = state.further
        self.patience.best, self.patience.best_epoch = math.inf if at.best is None else at.best, at.best_epoch
        best = state.under("best/")
        if best:
            refuse_other(self.model.state_dict(), best)
        self.best_weights = {n: t.to(self.device) for n, t in best.items()} or None
        if self._taken:
            self._record = Record.going_on(at.sums, state.tensors["pending"])
        set_generators(self.model, state.under("generator/"))
        set_generator(self.order, state.tensors["order"])
        for name, descent in self._descents().items():
            prefix = f"optimizer/{name}/"
            scalars = {key[len(prefix) :]: value for key, value in at.scalars.items() if key.startswith(prefix)}
            fill_optimizer(descent.optimizer, state.under(prefix), scalars)
            descent.steps = at.moves[name]
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(at.scaler)

    def _descents(self) -> dict[str, Descent]:
        # a regularizer's name has no slash, so that none can be "/main"
        return {"/main": self._main, **self._against}

    def _fit_epoch(self, stop: Stop) -> None:
        metrics = {"epoch": self.epoch + 1, **self._train_epoch(stop), **self._validate()}
        metrics |= {"parameter_norm": norm_of(self.model), "step": self.step}
        self.epoch, self._taken, self._record = self.epoch + 1, 0, None
        self.history.append(metrics)
        self._lines.append(json.dumps(metrics))
        better = self.patience.note(self.epoch, metrics.get("validation_loss", -math.inf))
        if better and self.config.patience:
            self.best_weights = copy.deepcopy(self.model.state_dict())
        ended = self.epoch == self.epochs or self.patience.over(self.epoch)
        saved = bool(stop.signal) or ended or self._saving.after_epoch(self.epoch)
        if saved:
            self._save()
        self.on_epoch(metrics, better)
        if stop.signal:
            if not saved:
                self._save()
            raise stop.error()

    def _train_epoch(self, stop: Stop) -> Metrics:
        self.model.train()
        self._gradients.renew()
        self._record = record = self._record or Record()
        self._order_before = self.order.get_state()
        for x in self.train.epoch(self.batch_size, self.order, self._taken):
            outcome = self._train_step(x)
            record.add(outcome, len(x), self.step)
            self.step += 1
            self._taken += 1
            self.progress.advance(len(x))
            if self.config.log_every and self.step % self.config.log_every == 0:
                self._log(outcome)
            if stop.signal or self._saving.after_step(self.step):
                self._refuse_broken_weights()
                self._save()
                if stop.signal:
                    raise stop.error()
        means = record.means()
        self._refuse_broken_weights()
        return means

    def _log(self, outcome: Step) -> None:
        """The figures of the step that was just taken; waits for the device."""
        figures = {"loss": outcome.loss, **outcome.terms}
        metrics = {name: float(figure.detach()) for name, figure in figures.items()}
        rate = learning_rate(self.config, self.step - 1, self.total_steps)
        metrics |= {"lr": rate, "parameter_norm": norm_of(self.model), "step": self.step}
        if not all(map(math.isfinite, metrics.values())):
            # which the epoch's record says better
            return
        self.further.append(metrics)
        self.on_steps(metrics)

    def _refuse_broken_weights(self) -> None:
        # the loss of a step says nothing of the weights that the last step left
        parameters = dict(self.model.named_parameters())
        finite = torch.stack([parameter.isfinite().all() for parameter in parameters.values()]).tolist()
        for name, whole in zip(parameters, finite, strict=True):
            if not whole:
                raise DivergenceError(f"weights {name!r} stopped being finite by step {self.step}: {REMEDY}.")

    def _save(self) -> None:
        begun = time.monotonic()
        if self.on_save is not None:
            self.on_save(self.state())
        self._saving.done(time.monotonic() - begun)

    def _train_step(self, x: Tensor) -> Step:
        lr = learning_rate(self.config, self.step, self.total_steps)
        outcome = self._gradients(x, self.step)
        self._main.move(lr)
        for name, descent in self._against.items():
            with self.autocast:
                loss = self.model.opponent_loss(name, outcome.values)
            descent.backward(loss)
            descent.move(lr)
        self.scaler.update()
        forget(self.optimizer, self.model.after_step(outcome.values, self.step))
        return outcome

    def _validate(self) -> Metrics:
        if self.validation is None:
            return {}
        with self.autocast:
            means = self.model.measure(self.validation.epoch(self.batch_size))
        for name, value in means.items():
            if not math.isfinite(value):
                raise DivergenceError(f"the validation {name} stopped being finite by step {self.step}: {REMEDY}.")
        return {f"validation_{name}": value for name, value in means.items()}


def _epochs_of(wanted: int | None, steps: int) -> int:
    """Passes of ``steps`` each that make ``wanted``; unasked, no fewer than show how the loss falls."""
    return max(10, math.ceil(DEFAULT_STEPS / steps)) if wanted is None else math.ceil(wanted / steps)


def _mean_of(batches: Iterable[Tensor]) -> Tensor:
    """The mean (*X) of all rows, in float64."""
    total, rows = torch.zeros(()), torch.zeros((), dtype=torch.int64)
    for x in batches:
        # of tables with holes the mean of what is there
        total, rows = total + x.double().nansum(0), rows + (~x.isnan()).sum(0)
    return total / rows.clamp_min(1)


def _refuse_untrainable(model: Autoencoder, saved: bool) -> None:
    if not model.own_parameters():
        raise CompositionError("the model has no parameter that training could move: none has requires_grad.")
    for path, module in model.named_modules():
        if saved and type(module).get_extra_state is not nn.Module.get_extra_state:
            raise CompositionError(
                f"{path} ({type(module).__name__}) keeps something by get_extra_state, which no checkpoint holds: keep "
                "it in buffers."
            )
    for name, tensor in tensors_of(model).items():
        if any(stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True)):
            raise CompositionError(f"{name} is an expanded tensor, whose values cannot be set one by one: clone it.")


def pick_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one; raises UsageError for a device that is not there.

    Examples:
        >>> aezoo.training.pick_device("cpu")
        device(type='cpu')
        >>> aezoo.training.pick_device("tpu")
        Traceback (most recent call last):
            ...
        aezoo.errors.UsageError: device 'tpu' cannot be used: use --device auto, cpu, cuda or cuda:N.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # before torch is asked, which imports modules by the names of others
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r} cannot be used: use --device auto, cpu, cuda or cuda:N.")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {name!r} cannot be used ({reason}): use --device auto or cpu.") from None
    return device


def _arithmetic(precision: str, device: torch.device) -> tuple[AbstractContextManager[None], torch.amp.GradScaler]:
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
    if precision == "fp32":
        return nullcontext(), scaler
    if device.type == "cpu" and precision == "fp16":
        raise UsageError("precision fp16 needs a CUDA device: use --precision bf16 or fp32.")
    if device.type == "cuda" and precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise UsageError("this GPU has no bf16: use --precision fp16 or fp32.")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=dtype), scaler


__all__ = ["Batches", "Metrics", "Trainer", "pick_device"]
