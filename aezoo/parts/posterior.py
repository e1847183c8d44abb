"""q(z | x): what an encoder returns.

A posterior is anything with ``.mean (B, *Z)`` and ``.rsample((K,)) → (K, B, *Z)``; one with a density has
``.log_prob`` too, and one over the vectors of a codebook has their ``.index`` (B, positions) and ``.count``.
``torch.distributions.Independent(Normal(...), 1)`` fits as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, kl_divergence
from torch.distributions import Laplace as TorchLaplace
from torch.distributions import Normal as TorchNormal

from aezoo.errors import CompositionError
from aezoo.parts.distributions import Laplace, Normal
from aezoo.parts.sparse import SparseCode, Support


@runtime_checkable
class Posterior(Protocol):
    """A distribution over codes, one for each row of the batch.

    Examples:
        >>> q = torch.distributions.Independent(torch.distributions.Normal(torch.zeros(5, 2), 1.0), 1)
        >>> isinstance(q, aezoo.parts.Posterior)
        True
    """

    @property
    def mean(self) -> Tensor:
        """(B, *Z)."""
        ...

    def rsample(self, sample_shape: Any = ..., /) -> Tensor:
        """Draws (K, B, *Z) through which gradients flow."""
        ...


class Point:
    """All mass on one code: the posterior of a deterministic encoder. It has no density.

    ``before`` is the code (B, *Z) before its activation, for penalties on what the activation hides.

    Examples:
        >>> aezoo.parts.Point(torch.ones(5, 2)).rsample((3,)).shape
        torch.Size([3, 5, 2])
    """

    def __init__(self, mean: Tensor, before: Tensor | None = None) -> None:
        self.mean = mean
        self.before = mean if before is None else before

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """The code itself (*S, B, *Z)."""
        if tuple(sample_shape) == (1,):
            # through an expansion gradients would come back by a sum
            return self.mean.unsqueeze(0)
        return self.mean.expand(*sample_shape, *self.mean.shape)


class SparsePoint(Point):
    """All mass on one code of which few values are not zero; its zeros are laid out only for who asks for them.

    Args:
        values: that are not zero (n,), of all rows.
        support: where they are.
        before: computes the code (B, n) before its activation, of n units or, of None, of all.

    Examples:
        >>> support = aezoo.parts.Support.of_rows(torch.tensor([[1], [0]]), size=3)
        >>> aezoo.parts.SparsePoint(torch.tensor([5.0, 7.0]), support, lambda units: torch.zeros(2, 3)).mean.tolist()
        [[0.0, 5.0, 0.0], [7.0, 0.0, 0.0]]
    """

    def __init__(self, values: Tensor, support: Support, before: Callable[[Tensor | None], Tensor]) -> None:
        self._values = values
        self._support = support
        self._before = before

    def active(self, draws: int) -> SparseCode:
        """The code, ``draws`` times, by its values that are not zero."""
        return SparseCode(self._values, self._support, draws)

    @cached_property
    def mean(self) -> Tensor:  # type: ignore[override]
        """(B, Z)."""
        return self._once(self.active(1).dense)

    @cached_property
    def before(self) -> Tensor:  # type: ignore[override]
        """(B, Z)."""
        return self._once(lambda: self._before(None))

    def before_at(self, units: Tensor) -> Tensor:
        """The code of ``units`` (n,) alone before its activation, (B, n); no other unit is computed."""
        return self._before(units)

    def _once(self, compute: Callable[[], Tensor]) -> Tensor:
        # who asks first may want no gradient, and who asks next may
        with torch.set_grad_enabled(self._values.requires_grad):
            return compute()


def draw(q: Posterior, draws: int) -> Tensor:
    """``draws`` draws (K, B, *Z), through which gradients flow where the posterior can be reparameterised.

    One that cannot is a torch distribution whose ``has_rsample`` is False, such as a Bernoulli.

    Examples:
        >>> aezoo.parts.draw(aezoo.parts.Point(torch.zeros(5, 2)), 3).shape
        torch.Size([3, 5, 2])
    """
    if getattr(q, "has_rsample", True):
        return q.rsample((draws,))
    drawn: Tensor = q.sample((draws,))  # type: ignore[attr-defined]
    return drawn


def has_density(q: Posterior) -> bool:
    """Whether ``q`` has a log-density.

    Examples:
        >>> aezoo.parts.has_density(aezoo.parts.Point(torch.zeros(5, 2)))
        False
    """
    return isinstance(q, Distribution) or callable(getattr(q, "log_prob", None))


def divergence(q: Posterior, p: Distribution, z: Tensor | None = None, *, estimator: str = "auto") -> Tensor:
    """KL(q ‖ p), nats summed over the code.

    Args:
        q: the posterior, batch (B,).
        p: the prior over one code.
        z: draws of q (K, B, *Z), needed where the divergence is estimated.
        estimator: ``"analytic"`` (closed form), ``"sampled"`` (log q − log p at each draw) or ``"auto"``: the closed
            form where torch knows one, else by draws; ``"at-mean"``: the closed form, else the entropy's closed form
            and the prior's density at the posterior's mean, which needs no draws but is no bound.

    Returns:
        (B,) in closed form, (K, B) by draws.

    Raises:
        CompositionError: q has no density, or there is no closed form and one is asked for.

    Examples:
        >>> from torch.distributions import Independent, Normal
        >>> q = Independent(Normal(torch.ones(1, 2), 1.0), 1)
        >>> aezoo.parts.divergence(q, Independent(Normal(torch.zeros(2), 1.0), 1)).tolist()
        [1.0]
    """
    if not has_density(q):
        raise CompositionError(
            "a KL divergence needs an encoder with a density, and this encoder is deterministic: "
            "use a variational model, or drop the kl regularizer."
        )
    if estimator != "sampled":
        try:
            return kl_divergence(q, _for_each_row(p, q))  # type: ignore[arg-type]
        except NotImplementedError:
            if estimator == "analytic":
                raise CompositionError(
                    f"there is no closed form of KL({type(q).__name__} ‖ {type(p).__name__}): use estimator=sampled."
                ) from None
    if estimator == "at-mean":
        return -q.entropy() - p.log_prob(q.mean)  # type: ignore[attr-defined, no-any-return]
    if z is None:
        raise CompositionError(f"KL({type(q).__name__} ‖ {type(p).__name__}) has no closed form and needs draws.")
    return q.log_prob(z) - p.log_prob(z)  # type: ignore[attr-defined, no-any-return]


def divergence_of_each(q: Posterior, p: Distribution) -> Tensor:
    """KL(q ‖ p) of each value of the code (B, *Z), nats, for posteriors and priors of independent values.

    Raises:
        CompositionError: they are of other kinds, or there is no closed form.

    Examples:
        >>> from torch.distributions import Independent, Normal
        >>> q = Independent(Normal(torch.ones(1, 2), 1.0), 1)
        >>> aezoo.parts.divergence_of_each(q, Independent(Normal(torch.zeros(2), 1.0), 1)).tolist()
        [[0.5, 0.5]]
    """
    single = [_each(distribution) for distribution in (q, p)]
    try:
        if single[0] is not None and single[1] is not None:
            return kl_divergence(single[0], _for_each_row(single[1], single[0]))
    except NotImplementedError:
        pass
    raise CompositionError(
        f"KL({type(q).__name__} ‖ {type(p).__name__}) is not known dimension by dimension: leave free_bits out, or use "
        "prior normal."
    )


def _each(distribution: Any) -> Distribution | None:
    """The values that a distribution is made of, as its batch, where it is made of independent ones."""
    if isinstance(distribution, Independent):
        base: Distribution = distribution.base_dist
        return base
    return marginals(distribution)


def marginals(p: Any) -> Distribution | None:
    """The distribution of each value of a code by itself, event (), where ``p`` has such a form; else None.

    Values of a Gaussian, Laplace or other independent code, and of a mixture of such. Only values that are independent
    have divergences that sum to that of the whole code.

    Examples:
        >>> p = aezoo.parts.StandardNormal((3,))()
        >>> aezoo.parts.marginals(p).batch_shape
        torch.Size([3])
    """
    if isinstance(p, Normal):
        return TorchNormal(p.loc, p.scale, validate_args=False)
    if isinstance(p, Laplace):
        return TorchLaplace(p.loc, p.scale, validate_args=False)
    if isinstance(p, Independent) and not p.base_dist.event_shape:
        base: Distribution = p.base_dist
        return base
    if isinstance(p, MixtureSameFamily):
        parts = marginals(p.component_distribution)
        if isinstance(parts, TorchNormal):
            # components, the first axis, are the last of torch's mixtures
            moved = TorchNormal(parts.loc.movedim(0, -1), parts.scale.movedim(0, -1), validate_args=False)
            logits = p.mixture_distribution.logits.expand(*moved.batch_shape)
            return MixtureSameFamily(Categorical(logits=logits, validate_args=False), moved, validate_args=False)
    return None


def _for_each_row(p: Distribution, q: Any) -> Distribution:
    """One ``p`` for each row of ``q``: some of torch's closed forms pick values by masks, which do not broadcast."""
    batch = getattr(q, "batch_shape", ())
    # ours broadcast, and have no expand
    if not isinstance(p, Distribution) or p.batch_shape == batch or type(p).expand is Distribution.expand:
        return p
    if len(p.batch_shape) > len(batch) or not batch:
        return p
    expanded: Distribution = p.expand(batch)
    return expanded
