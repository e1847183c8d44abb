"""What must hold of densities: they belong to what is drawn, and are summed over the datum or the code.

Shapes: N draws, B rows, *X one datum, *Z one code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aezoo.core.rng import random_stream
from aezoo.data import Dataset
from aezoo.errors import ZooError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import divergence, draw
from aezoo.testing.result import Broken, Doubtful
from aezoo.testing.subject import SEED, Subject

DRAWS = 8000
# of the logarithm of a ratio of densities: with more its mean is not found to a percent, with less it is always near 1
VARIANCES = (0.3, 0.5)
# of Stein's identity, beyond two standard errors of the value in the middle
STEIN_ERROR = 0.15
# of the integral over one value; of the whole numbers that counts are tried at
POINTS, COUNTS = 20_001, 4000


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
        told = []
        if "stochastic" in model.capabilities and model.prior is not None and "discrete" not in model.capabilities:
            told = _divergences(model, subject)
        wrong = _normalised(subject)
    if wrong and model.decoder.likelihood.capabilities:
        raise Broken(wrong)
    if wrong or told:
        raise Doubtful("; ".join([*told, *([wrong] if wrong else [])]))


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


def _divergences(model: Autoencoder, subject: Subject) -> list[str]:
    """Of each penalty by q: whether it is their KL divergence, but for a sign or a mean over the code.

    Returns what its author should know: a multiple of KL, or none, as β-like models mean it.
    """
    u = model.prepare(torch.from_numpy(subject.x))
    sizes = {"the size of the code": math.prod(model.code(u).shape[1:]), "the size of the datum": model.spec.size}
    named = [name for name, asking in model._asking.items() if "q" in asking.names]
    told = []
    for name in named:
        ratios = [ratio for rows in (u[::2], u[1::2], 3 * u, -u) for ratio in _by_kl(model, name, rows)]
        # by the closed form where there is one, or draw by draw
        ratio = next((found for found in map(_one, zip(*ratios, strict=True)) if found is not None), None)
        if ratio is None:
            told.append(f"regularizer {name!r} asks for q, and is no multiple of KL(q ‖ p)")
        elif abs(ratio + 1) < 1e-3:
            raise Broken(f"regularizer {name!r} is −KL(q ‖ p): it rewards what it is to penalise")
        else:
            for what, size in sizes.items():
                if size > 1 and abs(ratio * size - 1) < 1e-3:
                    raise Broken(
                        f"regularizer {name!r} is KL(q ‖ p) divided by {what}, {size}: a mean where a sum is due"
                    )
            if abs(ratio - 1) > 1e-3:
                told.append(f"regularizer {name!r} is {ratio:.3f} × KL(q ‖ p) in every batch")
    return told


def _by_kl(model: Autoencoder, name: str, rows: Tensor) -> list[tuple[float, float]]:
    """The penalty of preprocessed rows over KL(q ‖ p), in closed form or at its draws; nothing where that is near 0."""
    with torch.no_grad():
        values = model.step(rows, 0).values
        q, p, z = values["q"], values["prior"], values["z"]
        penalty = float(model._asking[name](values).double().mean())
        exact = [float(divergence(q, p, z, estimator=how).double().mean()) for how in ("auto", "sampled")]
    return [(penalty / exact[0], penalty / exact[1])] if min(map(abs, exact)) > 1e-3 else []


def _one(ratios: tuple[float, ...]) -> float | None:
    """What all of them are, where they are alike and not 0."""
    middle = sorted(ratios)[len(ratios) // 2]
    return middle if middle and all(abs(ratio / middle - 1) < 1e-3 for ratio in ratios) else None


def _normalised(subject: Subject) -> str:
    """Of data of one value: whether p(x | z) sums to 1, over all reals or over whole numbers; else what is wrong."""
    spec = subject.spec.model_copy(update={"shape": (1,)})
    try:
        model = subject.build(spec=spec)
    except ZooError:
        return ""
    rows = np.asarray(subject.data.x).reshape(len(subject.data.x), -1)[:, :1]
    subject.trainer(model, data=Dataset(rows, spec=spec, test=np.arange(4)), epochs=1).fit()
    with torch.no_grad(), model.evaluating():
        u = model.prepare(torch.from_numpy(rows[:1]))
        z = model.code(u)[None]
        centre, width = _reach(model, z)
        # all reals, the closer the nearer to the middle, where a density of heavy tails still has its mass
        angle = torch.linspace(-0.5, 0.5, POINTS + 2, dtype=torch.float64)[1:-1] * math.pi
        grids = {
            "the integral over all reals": (centre + width * angle.tan(), width / angle.cos().square()),
            "the integral from 0 to 1": (torch.linspace(0, 1, POINTS, dtype=torch.float64), torch.ones(POINTS)),
            "the sum of 0 and 1": (torch.arange(2, dtype=torch.float64), torch.ones(2)),
            "the sum over the counts": (torch.arange(COUNTS, dtype=torch.float64), torch.ones(COUNTS)),
        }
        if spec.levels is not None and spec.low is not None and spec.high is not None:
            seen = model.prepare(torch.linspace(spec.low, spec.high, spec.levels)[:, None]).double()[:, 0]
            grids["the sum over the levels"] = seen, torch.ones(len(seen))
        found = {}
        for what, (x, weight) in grids.items():
            spacing = math.pi / (POINTS + 1) if "reals" in what else 1 / (POINTS - 1) if "from" in what else 1.0
            density = _density(model, z, x.to(u.dtype))
            found[what] = float((density * weight).sum()) * spacing
    if any(abs(value - 1) < 0.02 for value in found.values()):
        return ""
    told = ", ".join(f"{what} {value:.4g}" for what, value in found.items())
    return f"p(x | z) of one value is not normalised: {told}, where one of them is to be 1: is a constant missing?"


def _reach(model: Autoencoder, z: Tensor) -> tuple[float, float]:
    """Where the data of one value lies for the code z (1, 1, *Z), and how wide half of it is."""
    px = model.decoder(z.expand(1, 400, *z.shape[2:]))
    drawn = px.sample().double().flatten() if hasattr(px, "sample") else torch.zeros(1)
    low, high = drawn.quantile(torch.tensor([0.25, 0.75], dtype=torch.float64)).tolist()
    return float(px.mean.flatten()[0]), high - low or 1.0


def _density(model: Autoencoder, z: Tensor, x: Tensor) -> Tensor:
    """p(x | z) (N,) at values x (N,) for the code z (1, 1, *Z), float64; 0 outside of the support."""
    log_prob: Tensor = model.decoder(z.expand(1, len(x), *z.shape[2:])).log_prob(x[:, None])
    return log_prob.double().exp().nan_to_num(0.0, 0.0, 0.0).flatten()
