"""Many small models as one: their tensors stacked, and their steps one sequence of batched operations.

Shapes: N members, B rows of a batch, *X one datum, R regularizers.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from aezoo.core.rng import random_stream
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.objective import Step, Values
from aezoo.parts import Regularizer
from aezoo.parts.regularizer import overrides
from aezoo.training.engine.members import Recording
from aezoo.training.engine.trace import NotTraceableError


class NotTogetherError(Exception):
    """These models cannot be trained as one; says why.

    Examples:
        >>> config = aezoo.TrainConfig(epochs=1)
        >>> trainers = [aezoo.Trainer(model, run.splits, config) for model in (run.model, linear.model)]
        >>> aezoo.training.Together(trainers)
        Traceback (most recent call last):
            ...
        aezoo.errors.NotTogetherError: their weights have different names or shapes
    """


class _Operations(NamedTuple):
    """A recorded step of one member, for its random numbers, and that of all members."""

    recording: Recording
    every: fx.GraphModule


class Stack:
    """The tensors of models of one make, side by side, and what the models compute on them.

    Args:
        models: of one make.
        autocasts: the precision in which each computes.
    """

    def __init__(self, models: Sequence[Autoencoder], autocasts: Sequence[AbstractContextManager[None]]) -> None:
        self.models, self.autocasts = list(models), list(autocasts)
        self.device = self.models[0].device
        parameters = _stacked([dict(model.named_parameters()) for model in self.models])
        learning = {name for name, parameter in self.models[0].named_parameters() if parameter.requires_grad}
        self.trained = {name: tensor for name, tensor in parameters.items() if name in learning}
        """The parameters that move (N, …), by name."""
        self.fixed = {name: tensor for name, tensor in parameters.items() if name not in learning}
        self.fixed |= _stacked([dict(model.named_buffers()) for model in self.models])
        """What no optimizer moves: buffers, and frozen parameters."""
        self.tensors = self.trained | self.fixed
        """All of them, (N, …) each, by name."""
        self.names: list[str] = []
        """Of the figures of a step."""
        self.moved: list[str] = []
        """The parameters that the loss depends on, in the order of their gradients."""
        self._operations: dict[tuple[str, int], _Operations] = {}
        self._weights: tuple[list[list[float]], Tensor] | None = None

    # ------------------------------------------------------------------ what they compute

    def train(self, x: Tensor, step: int, streams: list[torch.Generator]) -> list[Tensor]:
        """Each member's figures (N, terms) and gradients (N, …) of its rows x (N, B, *X)."""
        return self._run("train", x, step, streams)

    def measure(self, x: Tensor, streams: list[torch.Generator]) -> Tensor:
        """Each member's figures (N, terms) in evaluation mode."""
        return self._run("measure", x, None, streams)[0]

    def after_step(self) -> None:
        """What regularizers do after a step, such as moving averages."""
        if ("after", 0) in self._operations:
            self._operations["after", 0].every(*self.tensors.values())

    def _run(self, kind: str, x: Tensor, step: int | None, streams: list[torch.Generator]) -> list[Tensor]:
        recording, every = self._recorded(kind, x)
        arguments = (*self.tensors.values(), x, self._weights_at(step))
        return list(every(*arguments, *recording.draw(streams)))

    def _recorded(self, kind: str, x: Tensor) -> _Operations:
        """The operations for batches of this size, recorded when first needed."""
        key = (kind, x.shape[1])
        if key not in self._operations:
            # recording computes, and a step may change buffers
            own = [t.clone() for t in (*self.tensors.values(), x, self._weights_at(None))]
            with random_stream(0, self.device):
                recording = Recording(self._function(kind, 0), [tensor[0].clone() for tensor in own])
                streams = [torch.Generator(self.device) for _ in self.models]
                self._operations[key] = _Operations(recording, recording.mapped(own, streams))
        return self._operations[key]

    def _function(self, kind: str, member: int) -> Any:
        """A member's step as a function of its parameters, its buffers, x (B, *X) and its weights (R,)."""
        model, autocast = self.models[member], self.autocasts[member]
        names = (*self.trained, *self.fixed)

        def train(*given: Tensor) -> list[Tensor]:
            tensors = dict(zip(names, given, strict=False))
            tensors |= {name: tensors[name].detach().requires_grad_() for name in self.trained}
            with torch.enable_grad(), autocast:
                outcome: Step = functional_call(model.train(), tensors, (given[-2], 0, _by_name(model, given[-1])))
            gradients = torch.autograd.grad(outcome.loss, [tensors[n] for n in self.trained], allow_unused=True)
            self.moved = [name for name, g in zip(self.trained, gradients, strict=True) if g is not None]
            self.names = ["loss", *outcome.terms]
            return [figures_of(outcome), *(gradient.contiguous() for gradient in gradients if gradient is not None)]

        def measure(*given: Tensor) -> list[Tensor]:
            tensors = dict(zip(names, given, strict=False))
            with torch.no_grad(), model.evaluating(), autocast:
                return [figures_of(functional_call(model, tensors, (given[-2], None, _by_name(model, given[-1]))))]

        def after(*given: Tensor) -> list[Tensor]:
            tensors = {f"model.{name}": tensor for name, tensor in zip(names, given, strict=True)}
            if functional_call(_AfterStep(model), tensors, ()):
                raise NotTraceableError("they reset the optimizer's moments")
            return []

        return {"train": train, "measure": measure, "after": after}[kind]

    def _weights_at(self, step: int | None) -> Tensor:
        """The weights of the regularizers (N, R)."""
        values = [[model.weight(name, step) for name in model.weights] for model in self.models]
        if self._weights is None or self._weights[0] != values:
            self._weights = values, torch.tensor(values, dtype=self.models[0].dtype, device=self.device)
        return self._weights[1]

    def record_after_step(self) -> None:
        """Records what regularizers do after a step; raises NotTogetherError where it needs more than tensors."""
        asked: set[str] = set()
        for regularizer in self.models[0].regularizers.values():
            assert isinstance(regularizer, Regularizer)
            if overrides(regularizer, "after_step"):
                asked |= {"", *inspect.signature(regularizer.after_step).parameters}
        if not asked:
            return
        if asked - {"", "encoder", "decoder"}:
            raise NotTogetherError("what a regularizer does after a step needs more than the model's own tensors")
        own = [tensor.clone() for tensor in self.tensors.values()]
        with torch.no_grad(), random_stream(0, self.device):
            recording = Recording(self._function("after", 0), [tensor[0].clone() for tensor in own])
            if recording.draws:
                raise NotTogetherError("what a regularizer does after a step is random")
            self._operations["after", 0] = _Operations(recording, recording.mapped(own, []))

    def differs(self, member: int, x: Tensor) -> bool:
        """Whether the step of a member, recorded for batches x (N, B, *X), is another than that of the first."""
        arguments = (*self.tensors.values(), x, self._weights_at(0))
        with random_stream(1, self.device):
            again = Recording(self._function("train", member), [tensor[member].clone() for tensor in arguments])
        return not self._recorded("train", x).recording.same_as(again)

    # ------------------------------------------------------------------ whose tensors they are

    def lay(self) -> None:
        """Lets each model's tensors be its part of the stacked ones, so that it is up to date at any time."""
        for k, model in enumerate(self.models):
            for name, tensor in (*model.named_parameters(), *model.named_buffers()):
                tensor.data = self.tensors[name][k]

    def part(self) -> None:
        """Gives each model tensors of its own."""
        for model in self.models:
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.data = tensor.data.clone()


def _by_name(model: Autoencoder, weights: Tensor) -> dict[str, Tensor]:
    """The weights (R,) as arguments of a recorded step, in which they would else be constants."""
    return dict(zip(model.weights, weights.unbind(), strict=True))


class _AfterStep(nn.Module):
    """What a model does after a step, as the ``forward`` that ``functional_call`` calls."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        self.model = model

    def forward(self) -> Any:
        return self.model.after_step(Values(self.model, {}), 0)


def figures_of(outcome: Step) -> Tensor:
    """The loss and its terms (terms,) of one step."""
    return torch.stack([outcome.loss.detach(), *(term.detach() for term in outcome.terms.values())])


def _stacked(every: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([tensors[name].detach() for tensors in every]) for name in every[0]}
