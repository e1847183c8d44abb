"""What must hold of each penalty by itself, apart from the rest of the loss.

Shapes: B rows, K draws, *Z one code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from aezoo.core.rng import random_stream
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.objective import Values
from aezoo.parts import Point
from aezoo.testing.result import Broken
from aezoo.testing.subject import BATCH, SEED, Subject, in_training

TINY, LARGE = 1e-6, 1e3
# of one decade to the next: what falls by a line grows tenfold, what falls by a logarithm not twofold
GROWTH = 5.0
# the share of codes that a clamp leaves a slope by chance
FLAT = 0.03


def penalties(subject: Subject) -> None:
    """Penalties are finite wherever codes can be, are bounded below, and go on acting."""
    trained = subject.trained.model
    for name in trained.regularizers:
        with random_stream(SEED):
            _at_odd_rows(subject, trained, name)
            if trained.gradient == "reparameterised":
                _at_odd_codes(subject, trained, name)
                _goes_on(subject, trained, name)


# ------------------------------------------------------------------ finite and bounded


def _at_odd_rows(subject: Subject, model: Autoencoder, name: str) -> None:
    """At rows that are equal, all zero, and far off: the penalty, and its gradient in the model's parameters."""
    x = _batch(subject, model)
    rows = {"equal rows": x[:1].expand_as(x).clone()}
    if not model.decoder.likelihood.unit_interval:
        rows |= {"rows of zeros": torch.zeros_like(x), "rows far off": 30 * x}
    for what, odd in rows.items():
        with in_training(model):
            penalty, gradients = _penalty(model, name, model._values(odd))
        _refuse_infinite(name, what, penalty, gradients)


def _at_odd_codes(subject: Subject, model: Autoencoder, name: str) -> None:
    """Of a penalty on the codes alone: at codes of zeros, equal codes, very small and very large ones."""
    if not _is_of_codes(model, name):
        return
    x = _batch(subject, model)
    with torch.no_grad():
        usual = model.code(x)
        far = model.code(LARGE * x)
    # a sigmoid's codes cannot be large, and a penalty on them may rely on it
    free = bool(far.abs().max() > 10 * usual.abs().max())
    codes = {
        "codes of zeros": 0 * usual,
        "one code of zeros among others": torch.cat([0 * usual[:1], usual[1:]]),
        "equal codes": usual[:1].expand_as(usual).clone(),
        "very small codes": TINY * usual,
        **({"very large codes": LARGE * usual} if free else {}),
    }
    for what, z in codes.items():
        penalty, gradient = _of_code(model, name, x, z)
        _refuse_infinite(name, what, penalty, [gradient])
    if free and _falls(lambda scale: float(_of_code(model, name, x, scale * usual)[0])):
        raise Broken(
            f"regularizer {name!r} falls without bound as codes grow: in the end it is all that is learned; a penalty "
            "is to be bounded below"
        )


def _falls(penalty: Callable[[float], float]) -> bool:
    """Whether a penalty, by the scale of codes, goes to −∞ as fast as a line."""
    near, far, farther = (penalty(scale) for scale in (10.0, 100.0, 1000.0))
    return far < min(near, 0.0) and farther < GROWTH * far


def _refuse_infinite(name: str, what: str, penalty: Tensor, gradients: list[Tensor]) -> None:
    if not bool(penalty.isfinite().all()):
        raise Broken(f"regularizer {name!r} is {float(penalty):g} for {what}, and must be finite")
    if not all(bool(gradient.isfinite().all()) for gradient in gradients):
        raise Broken(f"the gradient of regularizer {name!r} is not finite for {what}: one such batch ends a training")


def _is_of_codes(model: Autoencoder, name: str) -> bool:
    """Whether it asks for codes, and for nothing else that depends on the rows, but for a point's q."""
    asked = {*model._asking[name].names}
    if "discrete" in model.capabilities:
        return False
    allowed = {"z", "prior", "x", *([] if "stochastic" in model.capabilities else ["q"])}
    return bool(asked & {"z", "q"}) and asked <= allowed


def _of_code(model: Autoencoder, name: str, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """The penalty () at codes z (B, *Z), and its gradient in them (B, *Z)."""
    z = z.detach().requires_grad_()
    with in_training(model):
        values = Values(model, {"x": x, "x_in": x, "q": Point(z), "z": z.expand(model.draws, *z.shape)})
        penalty = model._asking[name](values).mean()
    if not penalty.requires_grad:
        return penalty, torch.zeros_like(z)
    (found,) = torch.autograd.grad(penalty, [z], allow_unused=True)
    return penalty.detach(), torch.zeros_like(z) if found is None else found


# ------------------------------------------------------------------ acting


def _goes_on(subject: Subject, trained: Autoencoder, name: str) -> None:
    """Its own gradient is not zero where it began, nor where training has led, nor for want of something unsaved."""
    begun = subject.untrained()[0]
    again = subject.build()
    again.load_state_dict(trained.state_dict())
    first, last, restored = (list(_slopes_of(subject, model, name)) for model in (begun, trained, again))
    if not any(moves for _, moves in last) and any(moves for _, moves in restored):
        raise Broken(
            f"regularizer {name!r} acts no more after {subject.trainer(trained).total_steps} steps, and does in a "
            "model with the same weights: something counts that no checkpoint holds"
        )
    if all(value and not moves for value, moves in (*first, *last)) or _flat(subject, (begun, trained), name):
        raise Broken(
            f"the gradient of regularizer {name!r} is zero wherever training goes, and the penalty is not: it is flat, "
            "or a detach() cuts it off"
        )


def _flat(subject: Subject, models: tuple[Autoencoder, ...], name: str) -> bool:
    """Whether a penalty on the codes alone has no slope in next to all codes that there are, and is not zero."""
    for model in models:
        if not _is_of_codes(model, name):
            return False
        x = _batch(subject, model)
        with torch.no_grad():
            usual = model.code(x)
        penalty, gradient = _of_code(model, name, x, usual)
        there = usual != 0
        if not penalty or not bool(there.any()) or float((gradient[there] != 0).double().mean()) > FLAT:
            return False
    return True


def _slopes_of(subject: Subject, model: Autoencoder, name: str) -> Iterator[tuple[bool, bool]]:
    """Of a few batches: whether the penalty is not zero, and whether it has a gradient in any parameter."""
    rows = subject.trainer(model).train
    for x in rows.epoch(BATCH, torch.Generator().manual_seed(SEED)):
        with in_training(model), random_stream(SEED):
            penalty, gradients = _penalty(model, name, model._values(x))
        yield bool(penalty.count_nonzero()), any(bool(gradient.count_nonzero()) for gradient in gradients)


def _penalty(model: Autoencoder, name: str, values: Values) -> tuple[Tensor, list[Tensor]]:
    penalty = model._asking[name](values).mean()
    if not penalty.requires_grad:
        return penalty, []
    found = torch.autograd.grad(penalty, model.own_parameters(), allow_unused=True)
    return penalty.detach(), [gradient for gradient in found if gradient is not None]


def _batch(subject: Subject, model: Autoencoder) -> Tensor:
    return model.prepare(torch.from_numpy(subject.x)).detach()
