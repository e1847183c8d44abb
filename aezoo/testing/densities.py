"""What must hold of densities: they belong to what is drawn, and are summed over the datum or the code.

Shapes: N draws, B rows, *X one datum, *Z one code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from aezoo.core.rng import random_stream
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import divergence, draw
from aezoo.testing.result import Broken
from aezoo.testing.subject import SEED, Subject

DRAWS = 8000
# of the logarithm of a ratio of densities: with more its mean is not found to a percent, with less it is always near 1
VARIANCES = (0.3, 0.5)
# of Stein's identity, beyond two standard errors of the value in the middle
STEIN_ERROR = 0.15


def densities(subject: Subject) -> None:
    """Log-densities are those of the draws: summed over datum and code, with every factor, and so is their KL."""
    model = subject.trained.model
    u = model.prepare(torch.from_numpy(subject.x))
    with model.evaluating(), random_stream(SEED):
        with torch.no_grad():
            _of_data(model, u)
        # not trained, and of rows far off, so that no posterior is the prior
        q = subject.build().eval().encoder(4 * u)
        if "stochastic" in model.capabilities and "discrete" not in model.capabilities:
            _of_codes("q(z | x)", lambda n: draw(q, n // len(u)), q.log_prob, q.mean)
        if model.prior is not None:
            p = model.prior_distribution()
            _of_codes("p(z)", lambda n: p.sample((n,)), p.log_prob)
        if "stochastic" in model.capabilities and model.prior is not None:
            _divergences(model, u)


def _of_data(model: Autoencoder, u: Tensor) -> None:
    """∫ p(x | z′) dx = 1: the mean of p(x | z′)/p(x | z) over draws of p(x | z), for the z′ of a little way off."""
    z = model.code(u)
    start, way = z[:1], z[-1:] - z[:1]
    if float(way.norm()) < 0.1:
        # codes that tell rows apart no longer
        way = torch.randn_like(start)
    px = _at(model, start)
    if not hasattr(px, "sample"):
        return
    x = px.sample()[0]
    usual = px.log_prob(x)
    share, variance, log_ratio = 1.0, math.inf, usual
    for _ in range(60):
        log_ratio = (_at(model, start + share * way).log_prob(x) - usual).double()
        variance = float(log_ratio.var())
        if VARIANCES[0] <= variance <= VARIANCES[1]:
            break
        share *= 1.15 if variance < VARIANCES[0] else 0.6
    ratio = log_ratio.exp()
    # a code that the data hardly follow, or data that another code does not allow
    if not VARIANCES[0] <= variance <= VARIANCES[1]:
        return
    mean, error = float(ratio.mean()), float(ratio.std()) / math.sqrt(DRAWS)
    if abs(mean - 1) > 5 * error + 0.01:
        raise Broken(
            f"over draws x of p(x | z), the mean of p(x | z′)/p(x | z) is {mean:.3g}, and that of densities is 1: is "
            "log p(x | z) a mean over the datum where a sum is due, or is a factor missing?"
        )


def _at(model: Autoencoder, code: Tensor) -> Any:
    """The distribution of the data, batch (1, N), for one code (1, *Z)."""
    return model.decoder(code.expand(DRAWS, *code.shape[1:])[None])


def _of_codes(
    what: str, drawing: Callable[[int], Tensor], log_prob: Callable[[Tensor], Tensor], centre: Tensor | None = None
) -> None:
    """Stein's identity: E[−(z − c)ⱼ·∂ⱼ log p(z)] = 1 for each value j of a code with a density on all of ℝᶻ; any c."""
    with torch.no_grad():
        z = drawing(DRAWS)
        # codes of whole numbers, or of a few
        if not z.is_floating_point() or len(z.unique()) < 0.9 * z.numel():
            return
        moved = z - (z.mean(0) if centre is None else centre)
        first = 1 if centre is None else 2
        if not _everywhere(log_prob, z, moved, first):
            return
    point = z.detach().requires_grad_()
    with torch.enable_grad():
        total = log_prob(point).sum()
        if not total.requires_grad:
            return
        (slope,) = torch.autograd.grad(total, [point])
    values = -(moved.double() * slope.double()).flatten(first)
    found, error = values.mean(0).flatten(), values.std(0).flatten() / math.sqrt(len(values))
    # of all rows and values of the code the one in the middle: where tails are heavy a few go astray
    apart, middle = (found - 1).abs().median(0)
    typical = float(found[middle])
    if math.isfinite(typical) and float(apart) > STEIN_ERROR + 2 * float(error.median()):
        averaged = abs(typical * values.shape[-1] - 1) < STEIN_ERROR
        why = "a mean over the code where a sum is due" if averaged else "they are of another width"
        raise Broken(
            f"draws of {what} are not of its log-density: by these, −z·∇log of it is {typical:.3g} in the mean for a "
            f"value of the code, where 1 is due: {why}"
        )


def _everywhere(log_prob: Callable[[Tensor], Tensor], z: Tensor, moved: Tensor, first: int) -> bool:
    """Whether the density goes on beyond the draws, in all directions: not on a sphere, and not on an interval."""
    lengths = z.flatten(first).norm(dim=-1)
    if float(lengths.std()) < 1e-3 * float(lengths.mean()):
        return False
    try:
        return bool(log_prob(z + 9 * moved).isfinite().all())
    except ValueError:
        # torch refuses values outside of a support
        return False


def _divergences(model: Autoencoder, u: Tensor) -> None:
    """Of each penalty by q and p: whether it is their KL divergence, but for a sign or a mean over the code."""
    sizes = {"the size of the code": math.prod(model.code(u).shape[1:]), "the size of the datum": model.spec.size}
    ratios: dict[str, list[float]] = {}
    with torch.no_grad():
        for rows in (u[::2], u[1::2]):
            values = model.step(rows, 0).values
            exact = float(divergence(values["q"], values["prior"], values["z"]).mean())
            for name, asking in model._asking.items():
                if {"q", "prior"} <= set(asking.names) and abs(exact) > 1e-3:
                    ratios.setdefault(name, []).append(float(asking(values).mean()) / exact)
    for name, found in ratios.items():
        if all(abs(ratio + 1) < 1e-3 for ratio in found):
            raise Broken(f"regularizer {name!r} is −KL(q ‖ p): it rewards what it is to penalise")
        for what, size in sizes.items():
            if size > 1 and all(abs(ratio * size - 1) < 1e-3 for ratio in found):
                raise Broken(f"regularizer {name!r} is KL(q ‖ p) divided by {what}, {size}: a mean where a sum is due")
