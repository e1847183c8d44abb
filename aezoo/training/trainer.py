"""The one training loop, for every model."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from aezoo.autoencoder import Autoencoder, Step
from aezoo.data import Splits
from aezoo.errors import DivergenceError, UsageError
from aezoo.options import TrainConfig
from aezoo.streams import random_stream
from aezoo.training.batches import Batches, make_batches, steps_of
from aezoo.training.descent import Descent
from aezoo.training.heap import pages_kept
from aezoo.training.optim import forget, learning_rate, make_optimizer
from aezoo.training.progress import Progress
from aezoo.training.record import REMEDY, Record
from aezoo.training.step import Captured, Plain

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

    Raises:
        DivergenceError: the loss stopped being finite.
        UsageError: a device or precision that this machine does not have.
    """

    def __init__(
        self,
        model: Autoencoder,
        splits: Splits,
        config: TrainConfig,
        on_epoch: Callable[[Metrics, bool], None] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.config = config
        self.device = pick_device(config.device)
        self.model = model.to(self.device)
        self.notes: list[str] = []
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
        self.optimizer = make_optimizer(model.own_parameters(), config, model.paces())
        self.opponents = {n: make_optimizer(m.parameters(), config) for n, m in model.opponents().items()}
        self._main = Descent(self.optimizer, self.scaler, config.clip_norm)
        self._against = {n: Descent(o, self.scaler, config.clip_norm) for n, o in self.opponents.items()}
        self.order = torch.Generator().manual_seed(config.seed)
        if self.batch_size == 1 and any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules()):
            raise UsageError("batch normalisation has no statistics of one row: raise batch_size, or use norm=layer.")
        steps = steps_of(len(self.train), self.batch_size)
        self.epochs = config.epochs or max(10, math.ceil(DEFAULT_STEPS / steps))
        self.total_steps = self.epochs * steps
        if config.warmup >= self.total_steps:
            self.notes.append(f"warmup takes all of the {self.total_steps} steps: the learning rate never reaches lr.")
        self.step = 0
        self._gradients = Captured(Plain(model, self._main, self.autocast), self.total_steps, compiled=config.compile)

    def fit(self) -> list[Metrics]:
        """Trains to the end or until patience runs out; returns the metrics of each epoch."""
        history: list[Metrics] = []
        best, best_epoch, best_weights = math.inf, 0, None
        # the noise of training is a stream of its own, so that the caller's is left as it was
        stream, progress = random_stream(self.config.seed, self.device), self.progress.of(self.epochs, len(self.train))
        with stream, progress, pages_kept(self.device):
            for epoch in range(1, self.epochs + 1):
                metrics = {"epoch": epoch, **self._train_epoch(), **self._validate(), "step": self.step}
                history.append(metrics)
                watched = metrics.get("validation_loss", -math.inf)
                better = self.config.patience is None or watched < best
                if better:
                    best, best_epoch = watched, epoch
                    best_weights = copy.deepcopy(self.model.state_dict()) if self.config.patience else None
                self.on_epoch(metrics, better)
                if self.config.patience and epoch - best_epoch >= self.config.patience:
                    self.notes.append(
                        f"stopped after epoch {epoch}: the best validation loss was epoch {best_epoch}'s."
                    )
                    break
        if best_weights is not None:
            self.model.load_state_dict(best_weights)
        if self.config.compile and self._gradients.why_not:
            self.notes.append(f"compile was of no use, the plain step was taken: {self._gradients.why_not}.")
        return history

    def _train_epoch(self) -> Metrics:
        self.model.train()
        self._gradients.renew()
        record = Record()
        for x in self.train.epoch(self.batch_size, self.order):
            outcome = self._train_step(x)
            record.add(outcome, len(x), self.step)
            self.step += 1
            self.progress.advance(len(x))
        means = record.means()
        # the loss of a step says nothing of the weights that the last step left
        parameters = dict(self.model.named_parameters())
        finite = torch.stack([parameter.isfinite().all() for parameter in parameters.values()]).tolist()
        for name, whole in zip(parameters, finite, strict=True):
            if not whole:
                raise DivergenceError(f"weights {name!r} stopped being finite by step {self.step}: {REMEDY}.")
        return means

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


def pick_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one; raises UsageError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {name!r} cannot be used ({reason}): use --device auto or cpu.") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r} is not supported: use auto, cpu or cuda.")
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
