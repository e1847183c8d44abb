"""Many small models trained as one: their weights stacked, their steps one sequence of batched operations.

Members are models of one make that differ in their weights, rows, order of rows and noise (repeats with other seeds),
or in what enters a step as a number: learning rate, decay, clipping, weights of regularizers. Each is an ordinary
``Trainer`` that could have trained alone. A member's step, backward pass included, is recorded once and mapped over
all (``aezoo.training.engine``); each draws its noise from its own stream as it would alone.

So every member takes the same steps as alone up to the rounding of batched products, which after some thousand steps
is 1e-5 of a weight or less for smooth models; where a difference in the last bit decides, as in which units are among
the k largest, single weights may come to lie further apart. Before the first step the figures, gradients and
buffers of each member are compared with its own alone, and members that cannot be trained together are refused with the
reason. A member's stacked weights lie side by side with the others', so N members take N times the memory of one.

Measured on two cores, 8 members at batch 128, time of a step against 8 steps apart: 0.2 to 0.3 for 64-32-8, 0.3 to 0.4
for 64-128-16, 0.45 to 0.7 for 256-256-32, 0.8 to 1.0 for 784-256-32 and 0.9 to 1.1 for 784-512-32: the wider, the less
of a step is overhead.

Shapes: N members, B rows of a batch, *X one datum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aezoo import registry
from aezoo.core.allocator import pages_kept
from aezoo.core.progress import Progress
from aezoo.errors import DivergenceError
from aezoo.model.objective import Step
from aezoo.training.engine.stack import NotTogetherError, Stack
from aezoo.training.engine.trace import NotTraceableError
from aezoo.training.engine.update import Descent
from aezoo.training.metrics import REMEDY, Record, explained, norm_of
from aezoo.training.optim import learning_rate, make_optimizer
from aezoo.training.patience import Patience
from aezoo.training.proof import check_members, prove
from aezoo.training.trainer import Metrics, Trainer

# of one member's step; above it little is won on a processor, as measured. A GPU does far more in the half millisecond
# that a step's overhead takes: an estimate, at 40 TFLOP/s
MOST_FLOPS = {"cpu": 2e8, "cuda": 2e10}


def pays(trainer: Trainer) -> bool:
    """Whether members like this one gain from being trained together; decided by sizes alone, so always alike.

    Examples:
        >>> aezoo.training.pays(aezoo.Trainer(aezoo.load("runs/vae"), run.splits, aezoo.TrainConfig()))
        True
    """
    from torch.utils.flop_counter import FlopCounterMode

    model, counter = trainer.model, FlopCounterMode(display=False)
    x = next(iter(trainer.train.epoch(trainer.batch_size)))
    # in evaluation mode, since no noise is to be drawn and no buffer to move; the way back takes twice the way there
    with counter:
        model.measure([x])
    return 3 * counter.get_total_flops() <= MOST_FLOPS[trainer.device.type]


class Together:
    """Trains the models of ``trainers`` in place, all at once.

    Args:
        trainers: one a member, none of which has taken a step.
        alike: the members are built from one config and differ in their seeds alone; else each member's step is
            recorded by itself, and must be the same as the others'.
        progress: where progress is shown.

    Raises:
        NotTogetherError: the members have different shapes, sizes or operations, or a step of theirs depends on
            more than tensors.

    Examples:
        >>> config = aezoo.TrainConfig(epochs=1)
        >>> trainers = [aezoo.Trainer(aezoo.load("runs/vae"), run.splits, config) for _ in range(2)]
        >>> len(aezoo.training.Together(trainers).trainers)
        2
    """

    def __init__(self, trainers: Sequence[Trainer], alike: bool = False, progress: Progress | None = None) -> None:
        self.trainers = list(trainers)
        self.progress = progress or Progress(enabled=False)
        self.device, self.batch_size = self.trainers[0].device, self.trainers[0].batch_size
        check_members(self.trainers)
        self._stack = Stack([t.model for t in self.trainers], [t.autocast for t in self.trainers])
        self._streams = [torch.Generator(self.device) for _ in self.trainers]
        self._measuring = [torch.Generator(self.device) for _ in self.trainers]
        self._step = 0
        try:
            prove(self._stack, self.trainers, self._streams, alike)
        except NotTraceableError as error:
            raise NotTogetherError(f"a step of theirs is no fixed list of operations ({error})") from error
        self._descents = self._make_descents()

    def fit(self) -> list[DivergenceError | None]:
        """Trains every member to its end, as ``Trainer.fit`` would; returns for each what broke it off, or None."""
        courses = [_Course(trainer) for trainer in self.trainers]
        epochs = max(trainer.epochs for trainer in self.trainers)
        for stream, trainer in zip(self._streams, self.trainers, strict=True):
            stream.manual_seed(trainer.config.seed)
        self._stack.lay()
        for model in self._stack.models:
            model.train()
        try:
            rows, parts = len(self.trainers[0].train) * len(courses), self._stack.models[0].modules()
            named = registry.naming(parts, "in training")
            with self.progress.of(epochs, rows), pages_kept(self.device), named:
                for epoch in range(1, epochs + 1):
                    outcomes, measured = self._train_epoch(), self._validate()
                    for course, means, validation in zip(courses, outcomes, measured, strict=True):
                        course.note(epoch, self._step, means, validation)
                    if not any(course.running for course in courses):
                        break
        finally:
            self._stack.part()
        for course in courses:
            course.end()
        return [course.error for course in courses]

    def _train_epoch(self) -> list[Metrics | DivergenceError]:
        figures = _Figures(self._stack.names, len(self.trainers))
        orders = [trainer.train.epoch(self.batch_size, trainer.order) for trainer in self.trainers]
        for batches in zip(*orders, strict=True):
            x = torch.stack(batches)
            figures.add(self._train_step(x), x.shape[1], self._step)
            self._step += 1
            self.progress.advance(x.shape[0] * x.shape[1])
        # the loss comes first: it says more of what went wrong than the weights do
        pairs = zip(figures.means(), self._broken(), strict=True)
        return [means if isinstance(means, DivergenceError) else broken or means for means, broken in pairs]

    @torch.no_grad()
    def _train_step(self, x: Tensor) -> Tensor:
        """One step of every member on its rows x (N, B, *X); returns their figures (N, terms)."""
        figures, *gradients = self._stack.train(x, self._step, self._streams)
        for descent in self._descents:
            descent.follow(gradients, self._step)
        self._stack.after_step()
        return figures

    @torch.no_grad()
    def _validate(self) -> list[Metrics]:
        """Each member's figures on its own validation rows, as ``Autoencoder.measure`` takes them."""
        splits = [trainer.validation for trainer in self.trainers if trainer.validation is not None]
        if not splits:
            return [{} for _ in self.trainers]
        for stream in self._measuring:
            stream.manual_seed(0)
        totals = torch.zeros(len(splits), len(self._stack.names), dtype=torch.float64, device=self.device)
        for batches in zip(*(split.epoch(self.batch_size) for split in splits), strict=True):
            x = torch.stack(batches)
            totals += self._stack.measure(x, self._measuring).double() * x.shape[1]
        return [dict(zip(self._stack.names, row, strict=True)) for row in (totals / len(splits[0])).tolist()]

    def _broken(self) -> list[DivergenceError | None]:
        """For each member an error that names weights which are not finite."""
        trained = self._stack.trained
        finite = torch.stack([t.reshape(len(t), -1).isfinite().all(1) for t in trained.values()]).t().tolist()
        found: list[DivergenceError | None] = []
        for column in finite:
            name = next((n for n, whole in zip(trained, column, strict=True) if not whole), None)
            message = f"weights {name!r} stopped being finite by step {self._step}: {REMEDY}."
            found.append(None if name is None else DivergenceError(message))
        return found

    def _make_descents(self) -> list[_StackedDescent]:
        """One for all members where they are to move alike, else one each."""
        every = [_how(trainer) for trainer in self.trainers]
        if all(how == every[0] for how in every):
            return [_StackedDescent(self.trainers[0], self._stack.trained, self._stack.moved, slice(None))]
        return [
            _StackedDescent(trainer, self._stack.trained, self._stack.moved, slice(k, k + 1))
            for k, trainer in enumerate(self.trainers)
        ]


class _StackedDescent:
    """Moves the stacked parameters of some members along their gradients, each by itself."""

    def __init__(self, trainer: Trainer, stacked: dict[str, Tensor], names: list[str], members: slice) -> None:
        self.trainer, self.members = trainer, members
        own, asked = dict(trainer.model.named_parameters()), trainer.model.paces()
        moved = [nn.Parameter(stacked[name][members]) for name in names]
        paces = {parameter: asked.get(own[name], 1.0) for parameter, name in zip(moved, names, strict=True)}
        # clipped here, where a norm is a member's
        self._descent = Descent(make_optimizer(moved, trainer.config, paces), trainer.scaler)
        places = {id(parameter): index for index, parameter in enumerate(moved)}
        self._order = [places[id(parameter)] for parameter in self._descent.parameters]

    def follow(self, gradients: Sequence[Tensor], step: int) -> None:
        """One step along ``gradients``, (N, …) each, of every parameter that moves."""
        config = self.trainer.config
        chosen = [gradient[self.members] for gradient in gradients]
        if config.clip_norm is not None:
            chosen = _clipped(chosen, config.clip_norm)
        # a fused step takes them for as densely laid out as the parameters are
        self._descent.give([chosen[index].contiguous() for index in self._order])
        self._descent.move(learning_rate(config, step, self.trainer.total_steps))


class _Course:
    """What becomes of one member, epoch by epoch, as ``Trainer.fit`` sees to it for one alone."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.running = True
        self.error: DivergenceError | None = None
        self._patience = Patience(trainer.config.patience, trainer.config.tolerance)
        self._kept: dict[str, Tensor] | None = None

    def note(self, epoch: int, step: int, means: Metrics | DivergenceError, validation: Metrics) -> None:
        """Takes the figures of an epoch; a member that has come to its end takes no more."""
        if not self.running:
            return
        self.trainer.step = step
        bad = next((name for name, value in validation.items() if not math.isfinite(value)), None)
        if isinstance(means, DivergenceError):
            self._break(means)
            return
        if bad is not None:
            self._break(DivergenceError(f"the validation {bad} stopped being finite by step {step}: {REMEDY}."))
            return
        measured = {f"validation_{name}": value for name, value in validation.items()}
        watched = measured.get("validation_loss", -math.inf)
        better = self._patience.note(epoch, watched)
        if better and self._patience.epochs:
            self._kept = self._state()
        norm = norm_of(self.trainer.model)
        self.trainer.on_epoch({"epoch": epoch, **means, **measured, "parameter_norm": norm, "step": step}, better)
        if self._patience.over(epoch):
            self.trainer.notes.append(self._patience.remark(epoch))
            self.running = False
        if epoch == self.trainer.epochs:
            self.running = False
        if not self.running and self._kept is None:
            # its tensors move on with those of members that still learn
            self._kept = self._state()

    def end(self) -> None:
        """Sets the weights to those that the member is to end with."""
        if self._kept is not None:
            for name, tensor in self._tensors():
                tensor.data.copy_(self._kept[name])

    def _break(self, error: DivergenceError) -> None:
        trainer = self.trainer
        self.error = explained(error, next(iter(trainer.train.epoch(trainer.batch_size))))
        self.running = False

    def _tensors(self) -> list[tuple[str, Tensor]]:
        return [*self.trainer.model.named_parameters(), *self.trainer.model.named_buffers()]

    def _state(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._tensors()}


class _Figures:
    """Row-weighted means of the loss and its terms over an epoch, of each member; ``Record`` for many."""

    def __init__(self, names: list[str], members: int) -> None:
        self._names = names
        self._pending: list[Tensor] = []
        self._rows: list[int] = []
        self._count = self._first_step = 0
        self._sums = torch.zeros(members, len(names), dtype=torch.float64)
        self._errors: list[DivergenceError | None] = [None] * members

    def add(self, figures: Tensor, rows: int, step: int) -> None:
        """Notes the figures (N, terms) of one step without waiting for them."""
        if not self._pending:
            self._first_step = step
        self._pending.append(figures)
        self._rows.append(rows)
        if len(self._pending) >= Record.READ_EVERY:
            self._read()

    def means(self) -> list[Metrics | DivergenceError]:
        """For each member the means so far, nats per example, or the error of the first step that was not finite."""
        self._read()
        means = [dict(zip(self._names, row, strict=True)) for row in (self._sums / self._count).tolist()]
        return [error or figures for error, figures in zip(self._errors, means, strict=True)]

    def _read(self) -> None:
        if not self._pending:
            return
        table = torch.stack(self._pending).double().cpu()
        for index, member in (~table.isfinite()).any(2).nonzero().tolist():
            if self._errors[member] is None:
                self._errors[member] = self._error(table[index, member], index)
        self._sums += (table * torch.tensor(self._rows, dtype=torch.float64)[:, None, None]).sum(0)
        self._count += sum(self._rows)
        self._pending, self._rows = [], []

    def _error(self, figures: Tensor, index: int) -> DivergenceError | None:
        """What ``Record`` would say of this step."""
        record = Record()
        values = dict(zip(self._names, figures, strict=True))
        record.add(Step(values.pop("loss"), values, None), self._rows[index], self._first_step + index)  # type: ignore[arg-type]
        try:
            record.means()
        except DivergenceError as error:
            return error
        return None


def _clipped(gradients: list[Tensor], clip_norm: float) -> list[Tensor]:
    """As ``clip_grad_norm_`` does it, for each member by itself."""
    norms = torch.stack([g.reshape(len(g), -1).norm(dim=1) for g in gradients]).norm(dim=0)
    factor = (clip_norm / (norms + 1e-6)).clamp(max=1.0)
    return [g * factor.view(-1, *(1,) * (g.dim() - 1)) for g in gradients]


def _how(trainer: Trainer) -> tuple[Any, ...]:
    """All that decides how a member moves along its gradient."""
    config = trainer.config
    names = ("lr", "optimizer", "momentum", "weight_decay", "schedule", "warmup", "clip_norm")
    total = trainer.total_steps if config.schedule != "constant" else 0
    return (*(getattr(config, name) for name in names), total)
