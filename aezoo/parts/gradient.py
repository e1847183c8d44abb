"""Gradients of an expectation over draws of the posterior: how the posterior's parameters learn from the errors.

Shapes: B batch, K draws, *Z one code.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from aezoo.errors import CompositionError
from aezoo.parts.posterior import Posterior, has_density

Gradient = Literal["reparameterised", "score-function"]


def score_function(error: Tensor, q: Posterior, z: Tensor, *, baseline: bool = True) -> Tensor:
    """Zero, with the gradient that ``error.mean()`` lacks when no gradient flows through the draws.

    ∇E_q[e(z)] = E_q[∇e(z) + e(z)·∇log q(z | x)] for any e and any density q, continuous or discrete: the log-derivative
    trick, or REINFORCE. From each error the mean error of the row's other draws is subtracted, or with one draw that of
    the other rows: a baseline that does not depend on the draw itself leaves the expectation as it is and takes most of
    the variance. Unbiased where an error depends on its own draw alone; one that others enter too, by an optimal scale
    or a batch normalisation, leaves a bias that falls with their number. Williams 1992; Kool et al. 2019, "Buy 4
    REINFORCE samples, get a baseline for free!".

    Args:
        error: (K, B), nats per example.
        q: the posterior, batch (B,), with a density.
        z: its draws (K, B, *Z), without gradient.
        baseline: whether to subtract one.

    Returns:
        (), to be added to the loss.

    Examples:
        >>> q = torch.distributions.Independent(torch.distributions.Normal(torch.zeros(4, 2), 1.0), 1)
        >>> z = q.sample((3,))
        >>> aezoo.parts.score_function(torch.ones(3, 4), q, z).shape
        torch.Size([])
    """
    advantage = error
    axis = 0 if len(error) > 1 else 1
    count = error.shape[axis]
    if baseline and count > 1:
        # e_k − mean of the others = (e_k − mean of all)·count/(count − 1)
        advantage = (error - error.mean(axis, keepdim=True)) * (count / (count - 1))
    log_q: Tensor = q.log_prob(z)  # type: ignore[attr-defined]
    return (advantage.detach() * (log_q - log_q.detach())).mean()


def depends_on(penalty: Tensor, z: Tensor) -> bool:
    """Whether a gradient leads from ``penalty`` to the leaf ``z``.

    Examples:
        >>> z = torch.ones(2, 5, 3, requires_grad=True)
        >>> aezoo.parts.depends_on(z.sum(), z), aezoo.parts.depends_on(torch.zeros(()), z)
        (True, False)
    """
    if not penalty.requires_grad:
        return False
    (gradient,) = torch.autograd.grad(penalty.sum(), z, retain_graph=True, allow_unused=True)
    return gradient is not None


def check_gradient(gradient: Gradient, bound: str, q: Posterior) -> None:
    """Raises CompositionError when ``gradient`` cannot be had of this bound with this posterior.

    Examples:
        >>> aezoo.parts.check_gradient("score-function", "mean", aezoo.parts.Point(torch.zeros(5, 2)))
        Traceback (most recent call last):
            ...
        aezoo.errors.CompositionError: the score-function gradient needs a posterior with a density, and Point has ...
    """
    name = type(q).__name__
    if gradient == "score-function" and bound == "importance":
        raise CompositionError(
            "the importance-weighted bound ties the draws of a row together, and the score-function gradient takes "
            "them one by one: use the mean over draws (vae), or gradient=reparameterised."
        )
    if gradient == "score-function" and not has_density(q):
        raise CompositionError(
            f"the score-function gradient needs a posterior with a density, and {name} has none: use a variational "
            "model, or gradient=reparameterised."
        )
    if gradient == "reparameterised" and not getattr(q, "has_rsample", True):
        raise CompositionError(
            f"the draws of {name} carry no gradient (has_rsample is False): use gradient=score-function, or another "
            "posterior."
        )
