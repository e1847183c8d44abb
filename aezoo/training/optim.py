"""Optimizers and their learning rates."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from aezoo.core.options import TrainConfig
from aezoo.parts import Reset


def make_optimizer(
    parameters: Iterable[nn.Parameter], config: TrainConfig, paces: Mapping[nn.Parameter, float] | None = None
) -> torch.optim.Optimizer:
    """The optimizer that ``config`` describes, fused into one pass over each parameter where torch can.

    ``paces`` multiplies the learning rate of some parameters, under Adam only: it moves every parameter by about the
    learning rate a step, however steep the loss is in it, while SGD follows the gradient by itself.
    """
    found = list(parameters)
    fused = bool(found) and all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in found)
    if config.optimizer == "sgd":
        optimizer = _eager(torch.optim.SGD)(
            found, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=fused
        )
        for parameter in found if config.momentum else ():
            # the same first step; torch's fused one breaks where some parameters get a gradient later than others
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer
    kind: type[torch.optim.Optimizer] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in found:
        groups.setdefault((paces or {}).get(parameter, 1.0), []).append(parameter)
    paced = [{"params": group, "pace": pace} for pace, group in groups.items()]
    return _eager(kind)(paced, lr=config.lr, weight_decay=config.weight_decay, fused=fused)


def _eager(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """``kind`` without the wrappers that hide it from torch's compiler.

    The first of them to be called imports that compiler: most of a second, before the first step of every run.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in ("add_param_group", "zero_grad", "step")}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(methods["step"])})


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """The learning rate of step ``step`` (0 is the first) of ``total``: a linear warm-up, then constant or cosine."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    progress = (step - config.warmup) / max(1, total - config.warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def forget(optimizer: torch.optim.Optimizer, resets: Iterable[Reset]) -> None:
    """Zeroes the moments of the rows that regularizers asked to reset."""
    for reset in resets:
        for value in optimizer.state.get(reset.parameter, {}).values():
            if isinstance(value, torch.Tensor) and value.shape == reset.parameter.shape:
                value[reset.rows] = 0
