"""Whether parts fit together, found out on a few made-up rows when a model is built.

Everything raises CompositionError, which names the part and whose it is: what does not fit would else be broadcast in
silence, or fail far from where it comes from.

Shapes: B rows, K draws, *X one datum, *Z one code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution

from aezoo.errors import CompositionError
from aezoo.parts import Likelihood, Posterior, depends_on, draw
from aezoo.registry import of


def check_posterior(encoder: nn.Module, q: Any, draws: int, rows: int) -> None:
    """Of ``rows`` rows: a mean (B, *Z), and draws (K, B, *Z)."""
    named = f"{type(encoder).__name__}{of(encoder)}"
    if not isinstance(q, Posterior):
        raise CompositionError(
            f"{named} returned {type(q).__name__}, which is no posterior: it needs mean and rsample (wrap a plain "
            "network in PointEncoder)."
        )
    mean, z = q.mean, draw(q, draws)
    if z.dim() < 3 or z.shape[:2] != (draws, rows) or mean.shape != z.shape[1:]:
        raise CompositionError(
            f"the posterior of {named} has a mean {tuple(mean.shape)} and draws {tuple(z.shape)} for {draws} draws of "
            f"{rows} rows: they must be (B, *Z) and (K, B, *Z)."
        )


def check_likelihood(likelihood: Likelihood, px: Any, x: Tensor, draws: int) -> None:
    """Of rows x (B, *X): a log-density (K, B), and a mean (K, B, *X)."""
    named = f"likelihood {type(likelihood).__name__}{of(likelihood)}"
    if not isinstance(px, Distribution) and not hasattr(px, "log_prob"):
        raise CompositionError(f"{named} returned {type(px).__name__}, no distribution.")
    log_prob = px.log_prob(x)
    if log_prob.shape != (draws, len(x)) or px.mean.shape != (draws, *x.shape):
        raise CompositionError(
            f"{named} has a log-density {tuple(log_prob.shape)} and a mean {tuple(px.mean.shape)} for {draws} draws of "
            f"{len(x)} rows {tuple(x.shape[1:])}: they must be (K, B) and (K, B, *X), with *X the event."
        )


def check_prior(prior: nn.Module, p: Any, code: tuple[int, ...]) -> None:
    """One code *Z is the event."""
    named = f"prior {type(prior).__name__}{of(prior)}"
    if not hasattr(p, "log_prob") or not hasattr(p, "sample"):
        raise CompositionError(f"{named} returned {type(p).__name__}, no distribution.")
    drawn = p.sample((3,))
    if drawn.shape != (3, *code) or p.log_prob(drawn).shape != (3,):
        raise CompositionError(
            f"{named} draws {tuple(drawn.shape[1:])} with a log-density {tuple(p.log_prob(drawn).shape[1:])}: it must "
            f"be a distribution over one code {code}, all of which is the event."
        )


def check_supports(prior: nn.Module, p: Any, encoder: nn.Module, q: Any) -> None:
    """Prior and posterior are both of codes that are whole numbers, or both not."""
    whole = [_is_discrete(distribution) for distribution in (p, q)]
    if whole[0] != whole[1]:
        kinds = ["whole numbers" if one else "real numbers" for one in whole]
        raise CompositionError(
            f"prior {type(prior).__name__}{of(prior)} is of {kinds[0]}, and the codes of {type(encoder).__name__} are "
            f"{kinds[1]}: use another prior, such as normal for vae or bernoulli for bernoulli-vae."
        )


def _is_discrete(distribution: Any) -> bool:
    try:
        return bool(distribution.support.is_discrete)
    except (AttributeError, NotImplementedError):
        return False


def check_penalty(name: str, regularizer: nn.Module, penalty: Any, draws: int, rows: int) -> None:
    """(K, B), (B,) or ()."""
    real = isinstance(penalty, Tensor) and penalty.is_floating_point()
    shape = tuple(penalty.shape) if real else f"{getattr(penalty, 'dtype', type(penalty).__name__)}"
    if shape not in ((draws, rows), (rows,), ()):
        raise CompositionError(
            f"regularizer {name!r}{of(regularizer)} returned {shape} for {draws} draws of {rows} rows: it must return "
            "one value a draw and row (K, B), one a row (B,), or one in all ()."
        )


def check_draw_axis(name: str, penalty: Tensor, z: Tensor, bound: str, gradient: str) -> None:
    """What weighs each draw z (K, B, *Z) needs penalties (K, B)."""
    if penalty.shape == z.shape[:2]:
        return
    if bound == "importance":
        raise CompositionError(
            f"the importance-weighted bound weighs each draw, and regularizer {name!r} has no draw axis: use "
            "estimator=sampled for a KL, leave it out, or use a model with the mean over draws (vae)."
        )
    if gradient == "score-function" and depends_on(penalty, z):
        raise CompositionError(
            f"the score-function gradient needs an error for each draw, and regularizer {name!r} makes one of many "
            "draws: leave it out, or use gradient=reparameterised."
        )


def check_figures(terms: Mapping[str, Tensor], regularizers: nn.ModuleDict) -> None:
    """Penalties are finite where the reconstruction is."""
    bad = not_finite(terms)
    if bad and "reconstruction" not in bad:
        raise CompositionError(
            f"regularizer {bad[0]!r}{of(regularizers[bad[0]])} is {terms[bad[0]].item():g} for made-up rows and an "
            "untrained model: a penalty must be finite."
        )


def not_finite(terms: Mapping[str, Tensor]) -> list[str]:
    """The terms of a loss, () each, that are not finite."""
    return [name for name, value in terms.items() if not value.detach().isfinite()]
