"""From a batch to gradients: the plain way, or by a captured program of the same operations.

Both give the same bits. A program is compared with the plain step before it is used, and again ever more rarely; one
that differs in a bit is given up, and the plain step's result is the one that counts.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from aezoo.core.config import Config
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.objective import Step, Values
from aezoo.training.engine.replay import Program
from aezoo.training.engine.trace import NotTraceableError
from aezoo.training.engine.update import Descent

# seconds that capturing takes, most of them to load torch's tracer
COST = 1.0
# what a captured step saves on a processor: seconds, and a share of the step
SAVED, SAVED_SHARE = 2e-4, 0.05
# on a GPU, whose steps Python is slower to start than the card to take, most of the step
SAVED_ON_GPU = 0.5
# a run is quick to show its first figures
FIRST_STEPS = 5
# a loader that gives batches of ever other shapes would be captured for ever
FORMS = 4
GIVEN = ("x", "x_in", "z")
"""What a program can hand to ``after_step`` and to opponents; ``encode`` and ``prior`` come from the model itself."""


OF_TORCH = set(nn.Module().__dict__) - {"training"}
"""What torch keeps in every module."""


class Gradients(Protocol):
    """Leaves the gradients of the loss in a :class:`Descent`."""

    def __call__(self, x: Tensor, step: int) -> Step:
        """The figures of the batch ``x (B, *X)`` at the optimizer's step ``step``."""
        ...


class Plain:
    """By the model's own forward pass and torch's automatic differentiation."""

    def __init__(self, model: Autoencoder, descent: Descent, autocast: AbstractContextManager[None]) -> None:
        self.model = model
        self.descent = descent
        self.autocast = autocast

    def __call__(self, x: Tensor, step: int) -> Step:  # noqa: D102
        with self.autocast:
            outcome: Step = self.model(x, step)
        self.descent.backward(outcome.loss)
        return outcome


class _Straight:
    """A program of a model's step, and what is what in the list that it returns."""

    def __init__(self, captured: Captured, x: Tensor, step: int) -> None:
        model, own = captured.model, captured.descent.parameters
        names = [name for name, _ in (*model.named_parameters(), *model.named_buffers())]
        held = [*model.parameters(), *model.buffers()]
        positions = {id(tensor): number for number, tensor in enumerate(held)}
        own_positions = [positions[id(parameter)] for parameter in own]
        self.terms: list[str] = []
        self.moved: list[bool] = []
        # an opponent may see all of it
        self.given = [name for name in GIVEN if model.opponents() or name in captured.asked]

        def function(held: Sequence[Tensor], x: Tensor, *weights: Tensor) -> list[Tensor]:
            arguments = (x, step, dict(zip(captured.scheduled, weights, strict=True)))
            with torch.enable_grad(), captured.plain.autocast:
                outcome = torch.func.functional_call(model, dict(zip(names, held, strict=True)), arguments)
            parameters = [held[number] for number in own_positions]
            gradients = torch.autograd.grad(outcome.loss, parameters, allow_unused=True)
            self.terms = list(outcome.terms)
            self.moved = [gradient is not None for gradient in gradients]
            figures = [outcome.loss, *outcome.terms.values(), *(outcome.values[name] for name in self.given)]
            return [*(figure.detach() for figure in figures), *(g for g in gradients if g is not None)]

        with torch.random.fork_rng(devices=[]):
            self.program = Program(function, held, [x, *captured.weights(step, x.device)], compiled=captured.compiled)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor], list[Tensor | None]]:
        """Loss, terms, what was asked for, and a gradient or None for each parameter."""
        loss, *found = self.program(*inputs)
        figures, given = len(self.terms), len(self.given)
        if loss.is_cuda:
            # figures are read many steps later, when a graph has long written others in their place
            loss, found[:figures] = loss.clone(), [figure.clone() for figure in found[:figures]]
        gradients = iter(found[figures + given :])
        return (
            loss,
            dict(zip(self.terms, found, strict=False)),
            dict(zip(self.given, found[figures:], strict=False)),
            [next(gradients) if moved else None for moved in self.moved],
        )


@dataclass
class _Entry:
    """A program for batches of one form; None where there can be none."""

    program: _Straight | None
    calls: int = 0

    @property
    def is_due(self) -> bool:
        """Whether this call is to be compared with the plain step: the 1st, 2nd, 4th, 8th …"""
        return self.calls & (self.calls - 1) == 0


class Captured:
    """By programs, one for each form of batch, captured once it pays; the plain way wherever there can be none.

    Args:
        plain: the plain way.
        total_steps: of the run.
        compiled: hand the programs to ``torch.compile``.
    """

    def __init__(self, plain: Plain, total_steps: int, *, compiled: bool = False) -> None:
        self.plain = plain
        self.compiled = compiled
        self.model = plain.model
        self.descent = plain.descent
        self.total_steps = total_steps
        self.scheduled = self.model.scheduled()
        self.asked = self.model.asked_after()
        self._entries: dict[Any, _Entry] = {}
        self._seen: Any = None
        self._plain_steps, self._begun = 0, 0.0
        self.why_not = ""
        """The reason for which the plain way was taken, where it was."""

    def __call__(self, x: Tensor, step: int) -> Step:  # noqa: D102
        entry = self._entry(x, step)
        if entry is None or entry.program is None:
            return self.plain(x, step)
        weights = self.weights(step, x.device)
        entry.calls += 1
        if entry.is_due:
            return self._compared(entry, x, step, weights)
        loss, terms, given, gradients = entry.program(x, *weights)
        self.descent.give(gradients)
        return Step(loss, terms, Values(self.model, given))

    def renew(self) -> None:
        """Forgets the programs if the model is no longer the one that they were captured from; called every epoch."""
        now = _fingerprint(self.model)
        if now != self._seen:
            self._entries.clear()
            self._seen = now

    def _entry(self, x: Tensor, step: int) -> _Entry | None:
        form = (x.shape, x.stride(), x.dtype)
        entry = self._entries.get(form)
        if entry is None and self._pays(x, step):
            entry = self._entries[form] = _Entry(self._capture(x, step) if len(self._entries) < FORMS else None)
        return entry

    def _pays(self, x: Tensor, step: int) -> bool:
        """Whether the steps to come save more than capturing costs, by how long the plain ones took."""
        self._plain_steps += 1
        if self._plain_steps <= FIRST_STEPS:
            # the first one is slower than all that follow
            self._begun = time.perf_counter()
            return False
        if self.compiled:
            return True
        seconds = (time.perf_counter() - self._begun) / (self._plain_steps - FIRST_STEPS)
        saved = SAVED_ON_GPU * seconds if x.is_cuda else SAVED + SAVED_SHARE * seconds
        return saved * (self.total_steps - step) >= COST

    def _capture(self, x: Tensor, step: int) -> _Straight | None:
        try:
            self._refuse()
            with _as_it_was(self.model):
                program = _Straight(self, x, step)
        except NotTraceableError as reason:
            self.why_not = str(reason)
            return None
        return program

    def _refuse(self) -> None:
        if self.plain.descent.scaler.is_enabled() or torch.is_anomaly_enabled():
            raise NotTraceableError("the scale of the loss, or the search for anomalies, follows each step")
        unknown = self.asked - {*GIVEN, "encode", "prior", "encoder", "decoder", "step"}
        if unknown:
            raise NotTraceableError(f"a regularizer asks for {', '.join(sorted(unknown))} after the step")
        owners: list[nn.Module | Tensor] = [*self.model.modules(), *self.model.parameters()]
        if any(map(_hooks, owners)):
            raise NotTraceableError("a hook wants to be called in every step")

    def weights(self, step: int, device: torch.device) -> list[Tensor]:
        """The weights that move with the step, () each."""
        weights = (self.model.weight(name, step) for name in self.scheduled)
        return [torch.tensor(weight, dtype=torch.float64, device=device) for weight in weights]

    def _rounding(self) -> float:
        if isinstance(self.plain.autocast, torch.autocast):
            # what is fused is not rounded to 16 bits on the way
            return 8 * torch.finfo(self.plain.autocast.fast_dtype).eps
        return 1e3 * torch.finfo(self.model.dtype).eps

    def _compared(self, entry: _Entry, x: Tensor, step: int, weights: list[Tensor]) -> Step:
        """The plain step's result; gives the program up if its own differs."""
        assert entry.program is not None
        moving = entry.program.program.written
        before, moved = _streams(x.device), [tensor.clone() for tensor in moving]
        outcome = self.plain(x, step)
        after, wanted_there = _streams(x.device), [tensor.clone() for tensor in moving]
        gradients = [parameter.grad for parameter in self.descent.parameters]
        _set_streams(x.device, before)
        _set_all(moving, moved)
        try:
            loss, terms, given, candidates = entry.program(x, *weights)
            wanted = [outcome.loss, *outcome.terms.values(), *(outcome.values[name] for name in given), *gradients]
            found = [loss, *terms.values(), *given.values(), *candidates]
            wanted, found = [*wanted, *wanted_there], [*found, *moving]
            alike = _same if entry.program.program.exact else partial(_nearly, rounding=self._rounding())
            same = list(terms) == list(outcome.terms) and all(map(alike, wanted, found))
            same = same and all(map(torch.equal, after, _streams(x.device)))
            if not (same and _are_apart(candidates, [*self.model.parameters(), *self.model.buffers()])):
                raise NotTraceableError("it gave other values than the plain step")
        # of whatever operation; the plain step's result is there
        except Exception as error:
            entry.program = None
            self.why_not = f"{type(error).__name__}: {error}"
        _set_streams(x.device, after)
        _set_all(moving, wanted_there)
        return outcome


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    """Equal to the bit, and laid out alike."""
    if a is None or b is None or not _alike(a, b):
        return a is b
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())


def _nearly(a: Tensor | None, b: Tensor | None, rounding: float) -> bool:
    """Equal but for the rounding of sums in another order, relative to the whole."""
    if a is None or b is None or not _alike(a, b):
        return a is b
    return bool((a - b).norm() <= rounding * a.norm() + torch.finfo(a.dtype).tiny)


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.stride() == b.stride() and a.dtype == b.dtype


def _are_apart(gradients: Sequence[Tensor | None], held: Sequence[Tensor]) -> bool:
    """Whether no gradient shares memory with another, or with what is held: clipping writes into gradients."""
    places = [g.untyped_storage().data_ptr() for g in gradients if g is not None and g.numel()]
    return len({*places}) == len(places) and not {*places} & {t.untyped_storage().data_ptr() for t in held if t.numel()}


def _streams(device: torch.device) -> list[Tensor]:
    """The states of the random streams that a step may draw from."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _set_streams(device: torch.device, states: list[Tensor]) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)


def _set_all(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(tensors, values, strict=True):
            tensor.copy_(value)


def _hooks(owner: nn.Module | Tensor) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(owner, kind, None) or ()) for kind in (*kinds, "_post_accumulate_grad_hooks"))


def _fingerprint(model: nn.Module) -> list[Any]:
    """What a program takes for granted of the model: its modules, their plain attributes, and where its tensors are.

    A tracker may move any of it between two epochs.
    """
    modules = [
        (id(module), type(module).forward, _hooks(module), tuple(map(tuple, _plain_of(module).items())))
        for module in model.modules()
    ]
    tensors = [(id(t), t.data_ptr(), t.requires_grad, _hooks(t)) for t in (*model.parameters(), *model.buffers())]
    return [modules, tensors]


def _plain_of(module: nn.Module) -> dict[str, Any]:
    """The attributes of a module that are numbers, texts, configs, or collections of those, frozen."""
    found = {key: _frozen(value) for key, value in module.__dict__.items() if key not in OF_TORCH}
    return {key: value for key, value in found.items() if value is not _NOT_PLAIN}


_NOT_PLAIN = object()


def _frozen(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str | Config):
        return value
    if isinstance(value, dict | list | tuple):
        parts = tuple(map(_frozen, [*value, *value.values()] if isinstance(value, dict) else value))
        return _NOT_PLAIN if any(part is _NOT_PLAIN for part in parts) else parts
    return _NOT_PLAIN


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Takes back what forward passes within the block did to plain attributes; NotTraceableError if they did anything.

    Python's and NumPy's random streams too: noise that a stranger's part draws there must not depend on a capture.
    """
    kept = [(module, dict(module.__dict__)) for module in model.modules()]
    streams = random.getstate(), np.random.get_state()
    before = _fingerprint(model)
    try:
        yield
        if _fingerprint(model) != before:
            raise NotTraceableError("a module changes itself in its forward pass")
    finally:
        random.setstate(streams[0])
        np.random.set_state(streams[1])
        for module, attributes in kept:
            module.__dict__.update(attributes)
