"""What must hold while a model learns: gradients, the loss, frozen parameters, penalties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from aezoo.core.rng import random_stream
from aezoo.model.autoencoder import Autoencoder
from aezoo.testing.result import Broken, Skipped
from aezoo.testing.subject import BATCH, SEED, Subject, buffers_kept, state_of

# of a central difference in float64, where rounding and curvature both cost about 1e-8 of the slope
STEP, SLOPE_ERROR = 1e-5, 1e-3
SURROGATE = "surrogate_gradient"
"""A true attribute of this name, on any module of a model, says that its gradient is meant to be another."""


def reach(subject: Subject) -> None:
    """Gradients reach every parameter."""
    arrived: dict[str, bool] = {}
    # once more after some training: what is drawn at first may leave a unit out
    for model in (subject.untrained()[0], subject.train().model.train()):
        _made_on_the_way(subject, model)
        for x in subject.trainer(model).train.epoch(BATCH, torch.Generator().manual_seed(SEED)):
            for name, gradient in _gradients(model, x).items():
                reached = gradient is not None and bool(gradient.count_nonzero())
                arrived[name] = arrived.get(name, False) or reached
                if gradient is None and not arrived[name]:
                    raise Broken(f"no gradient reaches {name}: it takes no part in the loss, or a detach() cuts it off")
    for name, found in arrived.items():
        if not found:
            raise Broken(f"the gradient of {name} is zero in every step")
    _told_apart(subject)


def _told_apart(subject: Subject) -> None:
    """Refuses a parameter whose rows begin alike and can never differ, as components of a mixture with one mean."""
    begun, trained = subject.build().state_dict(), subject.trained.state
    for name, parameter in subject.trained.model.named_parameters():
        if torch.equal(begun[name], trained[name]):
            continue
        for axis in range(parameter.dim()) if parameter.dim() > 1 else ():
            if _alike(begun[name], axis) and _alike(trained[name], axis):
                raise Broken(
                    f"the {parameter.shape[axis]} parts of {name} begin equal, get the same gradient and stay equal "
                    "for ever: draw what they begin with at random"
                )


def _alike(values: Tensor, axis: int) -> bool:
    """Whether all parts along an axis of more than one are the same."""
    return values.shape[axis] > 1 and bool((values == values.narrow(axis, 0, 1)).all())


def _made_on_the_way(subject: Subject, model: Autoencoder) -> None:
    """Refuses a parameter or buffer that a model gets when it is first trained."""
    built = subject.build().state_dict()
    with random_stream(SEED):
        model.step(next(iter(subject.trainer(model).train.epoch(BATCH))), 0)
    for name in model.state_dict():
        if name not in built:
            raise Broken(
                f"{name} is made in training: no optimizer has it, and a checkpoint with it fits no other model; make "
                "it in __init__"
            )


def _gradients(model: Autoencoder, x: Tensor) -> dict[str, Tensor | None]:
    """The gradient of each parameter that is to learn: of the loss, or, for an opponent's, of the opponent's."""
    model.zero_grad(set_to_none=True)
    with random_stream(SEED):
        # under the weights that schedules lead to: a warm-up begins with none
        outcome = model.step(x, None)
        outcome.loss.backward()
        for opponent, module in model.opponents().items():
            module.zero_grad(set_to_none=True)
            model.opponent_loss(opponent, outcome.values).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


def slope(subject: Subject) -> None:
    """The gradient of every parameter is the slope of the loss, by differences in float64."""
    model, x = subject.untrained()
    declared = next((type(m).__name__ for m in model.modules() if getattr(m, SURROGATE, False)), None)
    if declared or model.gradient != "reparameterised":
        raise Skipped(f"{declared} has a surrogate gradient" if declared else f"its gradient is by {model.gradient}")
    model, x = model.double(), x.double()
    theirs = {id(p) for module in model.opponents().values() for p in module.parameters()}
    wrong = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad or id(parameter) in theirs:
            continue
        slopes = _slopes(model, x, parameter, seed=0)
        if slopes.jumps:
            raise Skipped("its codes move in jumps, so that its gradient is a surrogate")
        # a kink may lie on the way: nearer by, and in another direction, there is none
        tries = [slopes, *(_slopes(model, x, parameter, seed, STEP / 30) for seed in (1, 2) if slopes.disagree)]
        if all(found.disagree for found in tries):
            wrong.append((name, slopes))
    if wrong:
        name, slopes = wrong[0]
        raise Broken(
            f"the loss moves with {name} by {slopes.by_difference:.4g}, and its gradient says {slopes.by_gradient:.4g}"
            f": a detach(), or, if this is meant, set {SURROGATE} = True on the module whose gradient it is"
        )


class Slopes(NamedTuple):
    """The slope of the loss along one direction of a parameter, and whether codes that should move stay put."""

    by_gradient: float
    by_difference: float
    jumps: bool

    @property
    def disagree(self) -> bool:
        """Beyond what rounding and curvature explain."""
        size = max(abs(self.by_gradient), abs(self.by_difference))
        return not abs(self.by_gradient - self.by_difference) <= SLOPE_ERROR * size + 1e-6


def _slopes(model: Autoencoder, x: Tensor, parameter: nn.Parameter, seed: int, step: float = STEP) -> Slopes:
    with random_stream(seed):
        way = torch.randn_like(parameter)
    way /= way.norm()
    by_gradient, moves = (float((_gradient(call, model, x, parameter) * way).sum()) for call in (_loss, _code))
    losses, codes = [], []
    kept = parameter.detach().clone()
    with torch.no_grad():
        for sign in (1, -1):
            parameter.copy_(kept + sign * step * way)
            losses.append(float(_again(_loss, model, x)))
            codes.append(float(_again(_code, model, x)))
        parameter.copy_(kept)
    by_difference, moved = ((found[0] - found[1]) / (2 * step) for found in (losses, codes))
    # a straight-through estimator: codes that do not move at all, and a gradient as if they did
    return Slopes(by_gradient, by_difference, abs(moves) > 1e-6 and abs(moved) < 1e-3 * abs(moves))


def _loss(model: Autoencoder, x: Tensor) -> Tensor:
    return model.step(x, None).loss


def _code(model: Autoencoder, x: Tensor) -> Tensor:
    """A sum () of codes in which none stands for another."""
    code = model.code(x)
    return (code * torch.linspace(0.5, 1.5, code.numel()).reshape(code.shape)).sum()


def _again(call: Callable[[Autoencoder, Tensor], Tensor], model: Autoencoder, x: Tensor) -> Tensor:
    """With the same noise and buffers at every call, and with gradients, by which a model may know training."""
    with torch.enable_grad(), buffers_kept(model), random_stream(SEED):
        return call(model, x)


def _gradient(
    call: Callable[[Autoencoder, Tensor], Tensor], model: Autoencoder, x: Tensor, parameter: nn.Parameter
) -> Tensor:
    with buffers_kept(model), random_stream(SEED):
        value = call(model, x)
        if not value.requires_grad:
            return torch.zeros_like(parameter)
        (found,) = torch.autograd.grad(value, [parameter], allow_unused=True)
    return torch.zeros_like(parameter) if found is None else found


def falls(subject: Subject) -> None:
    """The loss falls on data that the model can fit, and the reconstructions come nearer."""
    fresh, trained = subject.build(), subject.trained.model
    for name, weight in fresh.weights.items():
        if isinstance(weight, int | float) and weight < 0:
            raise Broken(f"regularizer {name!r} has the weight {weight:g}: below zero it rewards what it penalises")
    rows = subject.trainer(fresh).train
    first, last = (model.measure(rows.epoch(BATCH)) for model in (fresh, trained))
    for name, what in (("loss", "the loss"), ("reconstruction", "−log p(x | z), whatever the penalties do,")):
        if not last[name] < first[name]:
            raise Broken(f"{what} went from {first[name]:.4g} to {last[name]:.4g} nats in training")
    x, mean = subject.x, np.asarray(subject.data.x)[: -len(subject.x)].mean(0)
    scores = [float(found.score(subject.x).mean()) for found in (fresh, trained)]
    if not scores[1] < scores[0]:
        raise Broken(
            f"score() of rows like the learned ones went from {scores[0]:.4g} to {scores[1]:.4g} nats in training"
        )
    before, after, rival = (_error(found, x) for found in (fresh.reconstruct(x), trained.reconstruct(x), mean))
    if not after < before:
        raise Broken(f"the squared error of reconstruct() went from {before:.4g} to {after:.4g} in training")
    if not after < 1.1 * rival:
        raise Broken(
            f"after training, the squared error of reconstruct() is {after:.4g}, and that of the mean of all rows "
            f"{rival:.4g}: is it the datum itself, in raw units and its own order?"
        )


def _error(found: Any, x: np.ndarray[Any, Any]) -> float:
    return float(np.square(found - x).reshape(len(x), -1).sum(1).mean())


def frozen(subject: Subject) -> None:
    """A parameter with requires_grad=False does not move, and every other one does."""
    model = subject.build()
    opponents = {id(p) for module in model.opponents().values() for p in module.parameters()}
    names = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in opponents]
    for held in (names[::2], names[1::2]) if len(names) > 1 else ([],):
        model = subject.build()
        by_itself = {name for name, p in model.named_parameters() if not p.requires_grad}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in held and name not in by_itself)
        before = state_of(model)
        subject.trainer(model).fit()
        for name, parameter in model.named_parameters():
            moved = not torch.equal(before[name], parameter.detach())
            if moved and (name in held or name in by_itself):
                raise Broken(f"{name} has requires_grad=False, and training moves it")
            if not moved and name not in held and name not in by_itself:
                raise Broken(f"training does not move {name}")


def rows(subject: Subject) -> None:
    """A penalty is a mean over rows, so that its weight means the same for every batch, which is left as it was."""
    model, x = subject.untrained()
    given = x.clone()
    terms = []
    for batch in (x, torch.cat([x, x]), torch.cat([x] * 4)):
        with random_stream(SEED):
            terms.append({name: float(value.detach()) for name, value in model.step(batch, 0).terms.items()})
    if not torch.equal(x, given):
        raise Broken("a step of training changes its batch in place, which the loss then takes for the data")
    for name, once in terms[0].items():
        twice = terms[1][name]
        if abs(once) > 1e-6 and abs(twice / once - 2) < 0.01:
            raise Broken(f"the {name} of a batch of twice the rows is twice as large: it is to be nats per example")
        if abs(once) > 1e-6 and abs(twice / once - 0.5) < 0.002 and abs(terms[2][name] / once - 0.25) < 0.001:
            raise Broken(f"the {name} of a batch of twice the rows is half as large: it is to be nats per example")
