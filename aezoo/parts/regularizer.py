"""Regularizers: penalties on any of the four distributions.

A regularizer asks for what it needs by argument name, as pluggy's hooks do:

    x        (B, *X)      the clean, preprocessed data
    x_in     (B, *X)      what the encoder got to see
    z        (K, B, *Z)   the draws of the posterior
    q        Posterior    of the corrupted input
    px       Distribution of the data, batch (K, B)
    encode   (B, *X) → (B, *Z), the posterior's mean
    prior    Distribution over one code

and, after the step only, also ``encoder``, ``decoder`` (modules) and ``step`` (int).
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from aezoo.core.schedules import Cyclical, Linear
from aezoo.errors import STOPS, CompositionError, PluginError, ZooError, is_out_of_memory, reason_of
from aezoo.parts.posterior import Posterior, divergence, divergence_of_each

if TYPE_CHECKING:
    from torch.distributions import Distribution

VOCABULARY = ("x", "x_in", "z", "q", "px", "encode", "prior")
AFTER_STEP_VOCABULARY = (*VOCABULARY, "encoder", "decoder", "step")


@dataclass(frozen=True)
class Reset:
    """A wish to the trainer: forget the optimizer's moments of some rows of a parameter.

    Examples:
        >>> weight = torch.nn.Parameter(torch.zeros(4, 2))
        >>> aezoo.parts.Reset(weight, rows=torch.tensor([1, 3])).rows.tolist()
        [1, 3]
    """

    parameter: nn.Parameter
    rows: Tensor


class Regularizer(nn.Module, ABC):
    """A penalty in nats per example; its weight is the model's business, not its own.

    A subclass names what it asks for as arguments of ``forward``. One that plays against a network of its own holds
    it as ``opponent`` and defines ``opponent_loss``; the trainer gives it an optimizer of its own.

    Examples:
        >>> class Length(aezoo.parts.Regularizer):
        ...     def forward(self, z):
        ...         return z.norm(dim=-1)
        >>> Length()(torch.tensor([[[3.0, 4.0]]])).tolist()
        [[5.0]]
    """

    opponent: nn.Module | None

    def __init__(self) -> None:
        super().__init__()
        # on the instance: a module assigned later would stay hidden behind an attribute of the class
        self.opponent = None

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The penalty: (K, B), (B,) or ()."""

    def check(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Raises CompositionError when the penalty makes no sense for these parts; called when a model is built."""

    def before_training(self, encoder: nn.Module, decoder: nn.Module, mean: Tensor) -> None:
        """Called once, without gradients, before the first step of a training: a start that has seen the data.

        Args:
            encoder: the model's, whose parameters may be set in place.
            decoder: likewise.
            mean: of the preprocessed training rows (*X).
        """

    def remark(self, encoder: nn.Module, shape: Sequence[int]) -> str:
        """What a user should be told of how batches of ``shape`` (B, *X) are penalised, in a few words; or nothing.

        Asked once, after training.
        """
        return ""

    def after_step(self, *args: Any, **kwargs: Any) -> Iterable[Reset] | None:
        """Called without gradients after each optimizer step: moving averages, projections of weights."""
        return None

    def opponent_loss(self, *args: Any, **kwargs: Any) -> Tensor:
        """The opponent's loss (), of values that carry no gradient to the model."""
        raise NotImplementedError


def overrides(part: nn.Module, method: str, kind: type = Regularizer) -> bool:
    """Whether a part does something of its own in a method that others of its ``kind`` may leave out."""
    return getattr(type(part), method) is not getattr(kind, method)


class Named(Protocol):
    """Values by name."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of that name."""
        ...


class Asking:
    """A function that is called with just those values of a vocabulary that its arguments name.

    Raises:
        CompositionError: an argument is not in the vocabulary.

    Examples:
        >>> asking = aezoo.parts.Asking(lambda z, x: z - x, aezoo.parts.VOCABULARY, "mine")
        >>> asking.names, asking({"x": 1.0, "z": 3.0})
        (['z', 'x'], 2.0)
    """

    def __init__(self, function: Callable[..., Any], vocabulary: tuple[str, ...], owner: str) -> None:
        self.function = function
        self.owner = owner
        self.names: list[str] = []
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if name in vocabulary:
                self.names.append(name)
            elif parameter.default is parameter.empty:
                raise CompositionError(
                    f"{owner} asks for {name!r}, which no training step has: it may ask for {', '.join(vocabulary)}."
                )

    def __call__(self, values: Named) -> Any:
        """Calls the function with the values that it asks for."""
        wanted = {name: values[name] for name in self.names}
        try:
            return self.function(**wanted)
        except (ZooError, *STOPS):
            raise
        except BaseException as error:
            if is_out_of_memory(error):
                raise
            raise PluginError(f"{self.owner} failed: {reason_of(error)}.") from error


@dataclass(frozen=True)
class Weighted:
    """A regularizer, the name its figure goes by, and its weight: a number or a schedule of the step.

    Examples:
        >>> from aezoo.core.schedules import Linear
        >>> weighted = aezoo.parts.Weighted("kl", aezoo.parts.KL(), Linear(end=1.0, steps=500))
        >>> weighted.weight.at(250)
        0.5
    """

    name: str
    regularizer: Regularizer
    weight: float | Linear | Cyclical = 1.0


class KL(Regularizer):
    """KL(q(z | x) ‖ p(z)), summed over the code: what a variational autoencoder pays for its code.

    ``estimator``: ``analytic`` (closed form), ``sampled`` (by the draws) or ``auto`` (closed form where there is one).
    Kingma & Welling 2014, arXiv:1312.6114. ``free_bits``: nats of each dimension, in the mean over a batch, below which
    training does not push it, Σ_j max(free_bits, KL_j); the divergence itself is what is measured in evaluation mode.
    Kingma et al. 2016, arXiv:1606.04934.

    Examples:
        >>> aezoo.parts.Weighted("kl", aezoo.parts.KL(estimator="analytic"), 0.5).name
        'kl'
    """

    def __init__(self, estimator: str = "auto", free_bits: float = 0.0) -> None:
        super().__init__()
        self.estimator = estimator
        self.free_bits = free_bits

    def forward(self, q: Posterior, z: Tensor, prior: Distribution) -> Tensor:
        """(B,) in closed form, (K, B) by draws; () under free bits, in training.

        Raises:
            CompositionError: free bits, of a posterior and a prior that have no divergence dimension by dimension.
        """
        if self.free_bits:
            of_each = divergence_of_each(q, prior)
            if self.training:
                return of_each.mean(0).clamp_min(self.free_bits).sum()
        return divergence(q, prior, z, estimator=self.estimator)
