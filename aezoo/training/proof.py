"""Whether members train together as they would alone: what is refused, and what is compared before the first step.

Shapes: N members, B rows of a batch, *X one datum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from aezoo.core.rng import random_stream
from aezoo.model.objective import Step
from aezoo.training.batches import Loaded, Redrawn
from aezoo.training.engine.stack import NotTogetherError, Stack, figures_of
from aezoo.training.trainer import Trainer

# a difference of rounding, not of what is computed
TOLERANCE = {"fp32": 1e-3, "bf16": 5e-2}


def prove(stack: Stack, trainers: Sequence[Trainer], streams: list[torch.Generator], alike: bool) -> None:
    """Compares what the first step of all gives each member with what the member's own step gives.

    Raises:
        NotTogetherError: they differ.
        NotTraceableError: a step of theirs is no fixed list of operations.
    """
    x = torch.stack([next(iter(trainer.train.epoch(trainer.batch_size))) for trainer in trainers])
    stack.record_after_step()
    for k in [0] if alike else range(len(trainers)):
        if stack.differs(k, x):
            raise NotTogetherError(
                f"member {k + 1} computes other things than the first" if k else "their steps differ in time"
            )
    for stream, trainer in zip(streams, trainers, strict=True):
        stream.manual_seed(trainer.config.seed)
    before = {name: tensor.clone() for name, tensor in stack.tensors.items()}
    with torch.no_grad():
        figures, *gradients = stack.train(x, 0, streams)
        stack.after_step()
    after = {name: tensor.clone() for name, tensor in stack.tensors.items()}
    for name, tensor in stack.tensors.items():
        tensor.copy_(before[name])
    for k, trainer in enumerate(trainers):
        theirs = {"loss": figures[k]}
        theirs |= {f"gradient of {n}": g[k] for n, g in zip(stack.moved, gradients, strict=True)}
        theirs |= {name: tensor[k] for name, tensor in after.items()}
        for name, value in _alone(trainer, x[k], stack.moved).items():
            if not _close(value, theirs[name], TOLERANCE[trainer.config.precision]):
                raise NotTogetherError(f"{name!r} of member {k + 1} differs from what it is alone")


def check_members(trainers: Sequence[Trainer]) -> None:
    """Raises NotTogetherError for what can be told before anything is recorded."""
    first = trainers[0]
    for trainer in trainers:
        model = trainer.model
        if isinstance(trainer.train, Redrawn | Loaded):
            raise NotTogetherError("their rows are drawn, or transformed, afresh in each epoch")
        if model.opponents():
            raise NotTogetherError("they play against networks of their own")
        if trainer.config.compile:
            raise NotTogetherError("each is to be compiled by itself")
        if trainer.config.log_every:
            raise NotTogetherError("single steps of each are to be written down")
        if trainer.config.precision not in TOLERANCE:
            raise NotTogetherError(f"each scales its loss by itself under precision {trainer.config.precision}")
        if _sizes(trainer) != _sizes(first):
            raise NotTogetherError("they differ in their rows, the batch size, the device or the precision")
        if _shapes(model) != _shapes(first.model):
            raise NotTogetherError("their weights have different names or shapes")
        if list(model.weights) != list(first.model.weights):
            raise NotTogetherError("they have different regularizers")


def _sizes(trainer: Trainer) -> tuple[Any, ...]:
    held_out = 0 if trainer.validation is None else len(trainer.validation)
    return len(trainer.train), held_out, trainer.batch_size, trainer.device, trainer.config.precision


def _shapes(model: nn.Module) -> dict[str, Any]:
    tensors = (*model.named_parameters(), *model.named_buffers())
    return {name: (tensor.shape, tensor.dtype, tensor.requires_grad) for name, tensor in tensors}


@contextmanager
def _left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Undoes what happens to the model's tensors in the block."""
    kept = {name: tensor.detach().clone() for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    try:
        yield
    finally:
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            tensor.data.copy_(kept[name])


def _alone(trainer: Trainer, x: Tensor, moved: list[str]) -> dict[str, Tensor]:
    """What a member's own first step on x (B, *X) gives: figures, gradients, and its tensors afterwards."""
    model = trainer.model.train()
    own = dict(model.named_parameters())
    with _left_as_it_was(model):
        with random_stream(trainer.config.seed, trainer.device), trainer.autocast:
            outcome: Step = model(x, 0)
        gradients = torch.autograd.grad(outcome.loss, [own[name] for name in moved])
        model.after_step(outcome.values, 0)
        found = {"loss": figures_of(outcome)}
        found |= {f"gradient of {name}": g for name, g in zip(moved, gradients, strict=True)}
        return found | {n: t.detach().clone() for n, t in (*model.named_parameters(), *model.named_buffers())}


def _close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    a, b = a.double(), b.double()
    if not bool(a.isfinite().all()):
        return bool(torch.equal(a.isfinite(), b.isfinite()))
    return float((a - b).norm()) <= tolerance * float(a.norm()) + 1e-7
