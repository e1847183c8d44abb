"""The objective: four distributions, some penalties, one step.

    e_k  = −log p(x | z_k) + Σ wᵢ(t)·Rᵢ         k = 1…K draws of q(z | x̃), nats per example
    loss = mean over k and batch                 or the importance-weighted bound −log mean_k exp(−e_k)

Shapes: B batch, K draws, *X one datum, *Z one code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from aezoo.core.rng import random_stream
from aezoo.core.schedules import Cyclical, Linear, weight_at
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, PluginError, UsageError
from aezoo.model import compatibility
from aezoo.parts import (
    AFTER_STEP_VOCABULARY,
    VOCABULARY,
    Asking,
    Corruption,
    Decoder,
    Encoder,
    Gradient,
    Posterior,
    Prior,
    Regularizer,
    Reset,
    Scaling,
    SparsePoint,
    Weighted,
    check_gradient,
    draw,
    has_density,
    score_function,
)
from aezoo.parts.regularizer import overrides
from aezoo.registry import naming, of

Bound = Literal["mean", "importance"]
TAKEN = ("loss", "reconstruction", "parameter_norm")
"""Figures of a training that no regularizer's can be taken for."""
OPPONENT_VOCABULARY = ("x", "x_in", "z", "encode", "prior")


class Step(NamedTuple):
    """What one evaluation of the objective gives."""

    loss: Tensor
    """(), nats per example."""
    terms: dict[str, Tensor]
    """Each part of the loss before its weight, (), nats per example."""
    values: Values
    """What regularizers may ask for."""


class Values:
    """The vocabulary of regularizers for one batch; what costs something is computed when first asked for."""

    def __init__(self, model: Objective, known: dict[str, Any]) -> None:
        self._model = model
        self._known = known

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Any:
        if name == "z":
            return draw(self._known["q"], self._model.draws)
        return self._model.code if name == "encode" else self._model.prior_distribution()

    def detached(self) -> Values:
        """The values that an opponent may see: no gradient leads from them to the model."""
        model = self._model
        known = {name: self[name].detach() for name in ("x", "x_in", "z")}
        known["encode"] = torch.no_grad()(model.code)
        if model.prior is not None:
            with torch.no_grad():
                known["prior"] = model.prior_distribution()
        return Values(model, known)


class Objective(nn.Module):
    """What an autoencoder minimises, as a value built from its parts; :class:`aezoo.Autoencoder` says which."""

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        *,
        spec: DataSpec,
        prior: Prior | None = None,
        regularizers: Sequence[Weighted] = (),
        corruption: Corruption | None = None,
        copies: int = 1,
        preprocess: Scaling | None = None,
        draws: int = 1,
        bound: Bound = "mean",
        gradient: Gradient = "reparameterised",
    ) -> None:
        super().__init__()
        for name, value, known in (("bound", bound, get_args(Bound)), ("gradient", gradient, get_args(Gradient))):
            if value not in known:
                raise CompositionError(f"no {name} {value!r}: use {' or '.join(known)}.")
        self.spec = spec
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.corruption = corruption
        self.copies = copies
        """Of each row in a step of training, corrupted apart."""
        self.preprocess = preprocess
        self.draws = draws
        self.bound = bound
        self.gradient = gradient
        self.regularizers = nn.ModuleDict()
        self.weights: dict[str, float | Linear | Cyclical] = {}
        self.total_steps: int | None = None
        """Of the training that goes on, or went; schedules may be shares of it."""
        self._asking: dict[str, Asking] = {}
        self._after_step: dict[str, Asking] = {}
        self._opponents: dict[str, Asking] = {}
        for weighted in regularizers:
            self._add(weighted)
        self._stochastic = self._discrete = False
        self._check()

    def _add(self, weighted: Weighted) -> None:
        base, count = weighted.name, 1
        if not isinstance(base, str) or not base or set(base) & set("./"):
            raise CompositionError(f"a regularizer cannot be called {base!r}: use letters, digits and dashes.")
        if not isinstance(weighted.weight, int | float | Linear | Cyclical):
            raise CompositionError(
                f"the weight of regularizer {base!r} must be a number or a schedule (got {weighted.weight!r})."
            )
        name = base
        # torch keeps a module's own attributes, such as keys and type, for itself
        while hasattr(self.regularizers, name) or name in self.regularizers or name in TAKEN:
            count += 1
            name = f"{base}-{count}"
        regularizer = weighted.regularizer
        if not isinstance(regularizer, Regularizer):
            raise CompositionError(f"regularizer {name!r} is {type(regularizer).__name__}, no aezoo Regularizer.")
        owner = f"regularizer {name!r}{of(regularizer)}"
        with naming([regularizer], "to be built into a model"):
            regularizer.check(self.encoder, self.decoder)
        self.regularizers[name] = regularizer
        self.weights[name] = weighted.weight
        self._asking[name] = Asking(regularizer.forward, VOCABULARY, owner)
        if overrides(regularizer, "after_step"):
            self._after_step[name] = Asking(regularizer.after_step, AFTER_STEP_VOCABULARY, f"after_step of {owner}")
        if regularizer.opponent is not None:
            self._opponents[name] = Asking(regularizer.opponent_loss, OPPONENT_VOCABULARY, f"opponent_loss of {owner}")

    # ------------------------------------------------------------------ one step, on preprocessed data

    def step(
        self, x: Tensor, step: int | None = 0, weights: Mapping[str, float | Tensor] = MappingProxyType({})
    ) -> Step:
        """The objective on preprocessed data.

        Args:
            x: (B, *X); or pairs (B, 2, *X), clean data and what the encoder gets to see of it.
            step: the optimizer's step, which schedules of weights read; None for the weights that they lead to.
            weights: of some regularizers by name, () each, instead of those that they have at ``step``.
        """
        x, given = self._apart(x)
        values = self._values(x, given)
        error = -values["px"].log_prob(x)
        terms = {"reconstruction": error.mean()}
        for name, asking in self._asking.items():
            penalty = asking(values)
            terms[name] = penalty.mean()
            weight = weights[name] if name in weights else self.weight(name, step)
            # a weight of one, as that of a KL is, would cost a pass each way
            error = error + (weight * penalty if isinstance(weight, Tensor) or weight != 1 else penalty)
        loss = error.mean() if self.bound == "mean" else -_log_mean_exp(-error).mean()
        if self.gradient == "score-function":
            loss = loss + score_function(error, values["q"], values["z"])
        return Step(loss, terms, values)

    def _apart(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The rows of a step, as often as they are to be corrupted, and what is given of them in pairs, or None."""
        if x.dim() == 2 + len(self.spec.shape):
            clean, given = x.unbind(1)
            return clean, given
        if self.copies > 1 and self.training and self.corruption is not None:
            x = x.repeat(self.copies, *(1 for _ in self.spec.shape))
        return x, None

    def _values(self, x: Tensor, given: Tensor | None = None) -> Values:
        x_in = x if given is None else given
        if self.training and self.corruption is not None and given is None:
            x_in = self.corruption(x)
            if not isinstance(x_in, Tensor) or x_in.shape != x.shape:
                raise PluginError(
                    f"corruption {type(self.corruption).__name__}{of(self.corruption)} returned "
                    f"{tuple(getattr(x_in, 'shape', ())) or type(x_in).__name__} for rows {tuple(x.shape)}: it must "
                    "return a copy of the same shape."
                )
        q = self.encoder(x_in)
        known = {"x": x, "x_in": x_in, "q": q}
        if isinstance(q, SparsePoint) and self.decoder.reads_active:
            # z has a value for every unit, and whether anybody asks for it shows later
            return Values(self, {**known, "px": self.decoder(q.active(self.draws))})
        z = draw(q, self.draws)
        if self.gradient == "score-function":
            # a leaf, so that a penalty shows whether it depends on the draws
            z = z.detach().requires_grad_()
        return Values(self, {**known, "z": z, "px": self.decoder(z)})

    def forward(
        self, x: Tensor, step: int | None = 0, weights: Mapping[str, float | Tensor] = MappingProxyType({})
    ) -> Step:
        """``step``, under the name that torch's wrappers (DistributedDataParallel, compile) look for."""
        return self.step(x, step, weights)

    def measure(self, batches: Iterable[Tensor], seed: int = 0) -> dict[str, float]:
        """Means of the loss and its terms over preprocessed batches, in evaluation mode, with a stream of its own.

        The loss has the weights that schedules lead to: under moving ones no two measurements could be compared.
        """
        totals: dict[str, Tensor] = {}
        rows = 0
        with torch.no_grad(), self.evaluating(), self.stream(seed):
            for x in batches:
                outcome = self.step(x, None)
                for name, value in {"loss": outcome.loss, **outcome.terms}.items():
                    totals[name] = totals.get(name, 0.0) + value.detach().double() * len(x)
                rows += len(x)
        return {name: float(total) / rows for name, total in totals.items()}

    def code(self, x: Tensor) -> Tensor:
        """The posterior's mean (B, *Z) of preprocessed data (B, *X)."""
        q: Posterior = self.encoder(x)
        return q.mean

    def prior_distribution(self) -> Distribution:
        """p(z); raises CompositionError when the model has no prior."""
        if self.prior is None:
            raise CompositionError("a KL divergence needs a prior, and this model has none: use a variational model.")
        distribution: Distribution = self.prior(self.encoder)
        return distribution

    # ------------------------------------------------------------------ around a step

    def before_training(self, mean_of: Callable[[], Tensor]) -> None:
        """Lets the regularizers that wish to set the parts up; ``mean_of`` finds the training rows' mean (*X)."""
        regularizers = [r for r in self.regularizers.values() if overrides(r, "before_training")]
        found = [] if self.corruption is None else [self.corruption]
        corruptions = [corruption for corruption in found if overrides(corruption, "before_training", Corruption)]
        if regularizers or corruptions:
            mean = mean_of().to(self.device, self.dtype)
            # that of numbers of levels says nothing, and counts are not to be moved
            mean[[i for i, column in enumerate(self.spec.columns) if not column.scaled]] = 0.0
            with torch.no_grad(), naming([*corruptions, *regularizers], "before training"):
                for corruption in corruptions:
                    corruption.before_training(mean)
                for regularizer in regularizers:
                    regularizer.before_training(self.encoder, self.decoder, mean)  # type: ignore[operator]

    def weight(self, name: str, step: int | None) -> float:
        """Of a regularizer, at a step of training; None is the weight that a schedule leads to."""
        return weight_at(self.weights[name], step, self.total_steps)

    def scheduled(self) -> list[str]:
        """The regularizers whose weight moves with the step."""
        return [name for name, weight in self.weights.items() if not isinstance(weight, int | float)]

    def after_step(self, values: Values, step: int) -> list[Reset]:
        """Lets the regularizers move their state after an optimizer step; returns their wishes to the optimizer."""
        resets: list[Reset] = []
        with torch.no_grad():
            for asking in self._after_step.values():
                extra = {"encoder": self.encoder, "decoder": self.decoder, "step": step}
                wished = asking({name: extra[name] if name in extra else values[name] for name in asking.names})
                wishes = [] if wished is None else [*wished] if isinstance(wished, Iterable) else [wished]
                if not all(isinstance(wish, Reset) for wish in wishes):
                    raise PluginError(
                        f"{asking.owner} must return nothing, or a list of aezoo.parts.Reset (got {wishes!r})."
                    )
                resets += wishes
        return resets

    def asked_after(self) -> set[str]:
        """What regularizers ask for once the loss is known: ``after_step`` and the losses of opponents."""
        return {name for asking in (*self._after_step.values(), *self._opponents.values()) for name in asking.names}

    def opponents(self) -> dict[str, nn.Module]:
        """The networks that play against the model, by the name of their regularizer."""
        return {name: self.regularizers[name].opponent for name in self._opponents}  # type: ignore[misc]

    def opponent_loss(self, name: str, values: Values) -> Tensor:
        """The loss () of one opponent."""
        loss: Tensor = self._opponents[name](values.detached())
        if not isinstance(loss, Tensor) or loss.shape != ():
            found = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise PluginError(f"{self._opponents[name].owner} returned {found}: it must return one value in all ().")
        return loss

    def own_parameters(self) -> list[nn.Parameter]:
        """All parameters but the opponents': what the main optimizer moves."""
        theirs = {id(p) for opponent in self.opponents().values() for p in opponent.parameters()}
        return [p for p in self.parameters() if p.requires_grad and id(p) not in theirs]

    def paces(self) -> dict[nn.Parameter, float]:
        """Factors of the learning rate that parts ask for in ``paces``, by the name of their parameter."""
        found = {}
        for module in self.modules():
            for name, pace in getattr(module, "paces", {}).items() if module is not self else ():
                if isinstance(getattr(module, name, None), nn.Parameter):
                    found[getattr(module, name)] = pace
        return found

    def _check(self) -> None:
        """Runs the objective once on a few rows of made-up data, so that parts that do not fit fail here."""
        middle = 0.5 if self.decoder.likelihood.unit_interval else 0.0
        rows = 3 if self.draws == 2 else 2  # so that an axis of draws is not taken for one of rows
        x = torch.full((rows, *self.spec.shape), middle, dtype=self.dtype, device=self.device)
        with self.evaluating(), self.stream(0):
            q = self.encoder(x)
            compatibility.check_posterior(self.encoder, q, self.draws, rows)
            self._stochastic, self._discrete = has_density(q), hasattr(q, "index")
            check_gradient(self.gradient, self.bound, q)
            if isinstance(q, SparsePoint):
                self.decoder.lay_out()
            values = self._values(x)
            z = values["z"]
            compatibility.check_likelihood(self.decoder.likelihood, values["px"], x, self.draws)
            if self.prior is not None:
                p = self.prior_distribution()
                compatibility.check_prior(self.prior, p, tuple(z.shape[2:]))
                compatibility.check_supports(self.prior, p, self.encoder, q)
            for name, asking in self._asking.items():
                penalty = asking(values)
                compatibility.check_penalty(name, self.regularizers[name], penalty, self.draws, rows)
                compatibility.check_draw_axis(name, penalty, z, self.bound, self.gradient)
            terms = self.step(x).terms
            # what a model without memory computes has no values
            if not x.is_meta:
                # equal rows are nothing to some penalties, such as a variance's logarithm
                terms = self.step(torch.rand_like(x)).terms if compatibility.not_finite(terms) else terms
                compatibility.check_figures(terms, self.regularizers)

    # ------------------------------------------------------------------ where it is, and how it is run

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        parameter = next(self.parameters(), None)
        return torch.get_default_device() if parameter is None else parameter.device

    @property
    def dtype(self) -> torch.dtype:
        """The parameters' type."""
        parameter = next(self.parameters(), None)
        return torch.get_default_dtype() if parameter is None else parameter.dtype

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode for a while; module by module, since parts of a model may be frozen on purpose."""
        training = [module for module in self.modules() if module.training]
        for module in training:
            module.training = False
        try:
            yield
        finally:
            for module in training:
                module.training = True

    @contextmanager
    def stream(self, seed: int | None) -> Iterator[None]:
        """A random stream of its own, unless ``seed`` is None: the caller's and the training's are left alone."""
        if seed is None:
            yield
            return
        if not 0 <= seed < 2**63:
            raise UsageError(f"seed must be at least 0 and below 2⁶³ (got {seed}).")
        with random_stream(seed, self.device):
            yield


def _log_mean_exp(values: Tensor) -> Tensor:
    return values.logsumexp(0) - math.log(values.shape[0])
