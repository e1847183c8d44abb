"""The autoencoder: four distributions, some penalties, one objective.

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

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from aezoo import composition
from aezoo.config import DataSpec
from aezoo.errors import CapabilityError, CompositionError, DataError, PluginError, UsageError
from aezoo.memory import keep_blocks, most_bytes
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
    divergence,
    draw,
    has_density,
    score_function,
)
from aezoo.registry import naming, of
from aezoo.rows import as_rows, as_tensor, check_finite, within
from aezoo.schedules import Cyclical, Linear, weight_at
from aezoo.streams import random_stream

Rows = Any
"""Raw data: a NumPy array, a tensor or nested lists; rows (B, *X) or one datum (*X)."""

Bound = Literal["mean", "importance"]
# of a pass with draws; 16 MiB in float32 keep memory bounded
PASS_VALUES = 1 << 22
PASS_BYTES = 4 * PASS_VALUES
# of a pass without: by measurement the fewest at which the matrix products still run at full speed, so that what one
# layer gives is still near the processor when the next one takes it
NEAR_VALUES = 1 << 20
# rows whose draws are made together, and the draws of each that are: what random numbers a row gets depends on these
# two alone. torch fills tensors in sixteens, so that blocks of a multiple of 16 numbers are parts of one stream
ROWS_DRAWN, DRAWS_AT_ONCE = 256, 16


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

    def __init__(self, model: Autoencoder, known: dict[str, Any]) -> None:
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


OPPONENT_VOCABULARY = ("x", "x_in", "z", "encode", "prior")


class Autoencoder(nn.Module):
    """An autoencoder composed of parts.

    Args:
        encoder: q(z | x).
        decoder: p(x | z).
        spec: the raw data, one datum of shape *X.
        prior: p(z); needed by a KL divergence and to sample.
        regularizers: penalties with their names and weights.
        corruption: applied to the encoder's input in training only.
        preprocess: scales raw data (``aezoo.data.Preprocess``); None takes data as it is.
        draws: K, draws of the posterior per example in training.
        bound: ``"mean"`` over draws, or ``"importance"``-weighted (Burda et al. 2016, arXiv:1509.00519).
        gradient: of the encoder: ``"reparameterised"``, through the draws, or by the ``"score-function"``, for
            posteriors whose draws carry none (``aezoo.parts.score_function``).

    Raises:
        CompositionError: the parts do not fit together.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        *,
        spec: DataSpec,
        prior: Prior | None = None,
        regularizers: Sequence[Weighted] = (),
        corruption: Corruption | None = None,
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
        self.preprocess = preprocess
        self.draws = draws
        self.bound = bound
        self.gradient = gradient
        self.regularizers = nn.ModuleDict()
        self.weights: dict[str, float | Linear | Cyclical] = {}
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
        while hasattr(self.regularizers, name) or name in self.regularizers or name in ("loss", "reconstruction"):
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
        if type(regularizer).after_step is not Regularizer.after_step:
            self._after_step[name] = Asking(regularizer.after_step, AFTER_STEP_VOCABULARY, f"after_step of {owner}")
        if regularizer.opponent is not None:
            self._opponents[name] = Asking(regularizer.opponent_loss, OPPONENT_VOCABULARY, f"opponent_loss of {owner}")

    # ------------------------------------------------------------------ the objective, on preprocessed data

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

    def forward(
        self, x: Tensor, step: int | None = 0, weights: Mapping[str, float | Tensor] = MappingProxyType({})
    ) -> Step:
        """``step``, under the name that torch's wrappers (DistributedDataParallel, compile) look for."""
        return self.step(x, step, weights)

    def step(
        self, x: Tensor, step: int | None = 0, weights: Mapping[str, float | Tensor] = MappingProxyType({})
    ) -> Step:
        """The objective on preprocessed data.

        Args:
            x: (B, *X).
            step: the optimizer's step, which schedules of weights read; None for the weights that they lead to.
            weights: of some regularizers by name, () each, instead of those that they have at ``step``.
        """
        values = self._values(x)
        error = -values["px"].log_prob(x)
        terms = {"reconstruction": error.mean()}
        for name, asking in self._asking.items():
            penalty = asking(values)
            terms[name] = penalty.mean()
            weight = weights[name] if name in weights else weight_at(self.weights[name], step)
            # a weight of one, as that of a KL is, would cost a pass each way
            error = error + (weight * penalty if isinstance(weight, Tensor) or weight != 1 else penalty)
        loss = error.mean() if self.bound == "mean" else -_log_mean_exp(-error).mean()
        if self.gradient == "score-function":
            loss = loss + score_function(error, values["q"], values["z"])
        return Step(loss, terms, values)

    def _values(self, x: Tensor) -> Values:
        x_in = x
        if self.training and self.corruption is not None:
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

    def measure(self, batches: Iterable[Tensor], seed: int = 0) -> dict[str, float]:
        """Means of the loss and its terms over preprocessed batches, in evaluation mode, with a stream of its own.

        The loss has the weights that schedules lead to: under moving ones no two measurements could be compared.
        """
        totals: dict[str, Tensor] = {}
        rows = 0
        with torch.no_grad(), self.evaluating(), self._stream(seed):
            for x in batches:
                outcome = self.step(x, None)
                for name, value in {"loss": outcome.loss, **outcome.terms}.items():
                    totals[name] = totals.get(name, 0.0) + value.detach().double() * len(x)
                rows += len(x)
        return {name: float(total) / rows for name, total in totals.items()}

    def scheduled(self) -> list[str]:
        """The regularizers whose weight moves with the step."""
        return [name for name, weight in self.weights.items() if not isinstance(weight, int | float)]

    def asked_after(self) -> set[str]:
        """What regularizers ask for once the loss is known: ``after_step`` and the losses of opponents."""
        return {name for asking in (*self._after_step.values(), *self._opponents.values()) for name in asking.names}

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

    def _check(self) -> None:
        """Runs the objective once on a few rows of made-up data, so that parts that do not fit fail here."""
        middle = 0.5 if self.decoder.likelihood.unit_interval else 0.0
        rows = 3 if self.draws == 2 else 2  # so that an axis of draws is not taken for one of rows
        x = torch.full((rows, *self.spec.shape), middle, dtype=self.dtype, device=self.device)
        with self.evaluating(), self._stream(0):
            q = self.encoder(x)
            composition.check_posterior(self.encoder, q, self.draws, rows)
            self._stochastic, self._discrete = has_density(q), hasattr(q, "index")
            check_gradient(self.gradient, self.bound, q)
            if isinstance(q, SparsePoint):
                self.decoder.lay_out()
            values = self._values(x)
            z = values["z"]
            composition.check_likelihood(self.decoder.likelihood, values["px"], x, self.draws)
            if self.prior is not None:
                composition.check_prior(self.prior, self.prior_distribution(), tuple(z.shape[2:]))
            for name, asking in self._asking.items():
                penalty = asking(values)
                composition.check_penalty(name, self.regularizers[name], penalty, self.draws, rows)
                composition.check_draw_axis(name, penalty, z, self.bound, self.gradient)
            terms = self.step(x).terms
            # what a model without memory computes has no values
            if not x.is_meta:
                # equal rows are nothing to some penalties, such as a variance's logarithm
                terms = self.step(torch.rand_like(x)).terms if composition.not_finite(terms) else terms
                composition.check_figures(terms, self.regularizers)

    # ------------------------------------------------------------------ what a user calls, on raw data

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the model can do, derived from its parts.

        ``stochastic`` (its codes have a density), ``discrete`` (they come from a codebook), ``samples`` (it has a
        prior), ``bound`` (on the log-likelihood), ``density`` or ``mass`` (that bound is on a density or on
        probabilities), ``score-function`` (denoising).
        """
        found = []
        if self._stochastic:
            found.append("stochastic")
        if self._discrete:
            found.append("discrete")
        if self.prior is not None:
            found.append("samples")
        if self._stochastic and self.prior is not None:
            found += ["bound", *self.decoder.likelihood.capabilities]
        if self.corruption is not None and self.corruption.noise_variance is not None:
            found.append("score-function")
        return tuple(found)

    def encode(self, x: Rows, *, draws: int | None = None, seed: int = 0, batch_size: int | None = None) -> Any:
        """Codes of raw data.

        Args:
            x: rows (B, *X), or one datum (*X); an array of the shape of one datum is one datum.
            draws: None for the posterior's mean; K for K draws of it.
            seed: of the draws.
            batch_size: rows a pass; None chooses.

        Returns:
            Codes (B, *Z), or (K, B, *Z) with draws; without B for one datum; a tensor for a tensor, else NumPy.

        Raises:
            DataError: rows of another shape, or values that are not finite.
        """
        if draws is None:
            return self._rowwise(x, self.code, batch_size)
        return self._rowwise(x, lambda u: draw(self.encoder(u), draws), batch_size, draws, seed, axis=1)

    def reconstruct(self, x: Rows, *, draws: int | None = None, seed: int = 0, batch_size: int | None = None) -> Any:
        """Reconstructions of raw data, in raw units: the likelihood's mean at the posterior's mean, or at each draw.

        Arguments and errors as for ``encode``; returns (B, *X), or (K, B, *X) with draws.
        """

        def mean(u: Tensor) -> Tensor:
            q = self.encoder(u)
            z = q.mean[None] if draws is None else draw(q, draws)
            reconstruction = self._raw(self.decoder(z).mean)
            return reconstruction[0] if draws is None else reconstruction

        return self._rowwise(x, mean, batch_size, draws, seed, axis=0 if draws is None else 1)

    def score(self, x: Rows, *, draws: int | None = None, seed: int = 0, batch_size: int | None = None) -> Any:
        """Anomaly scores (B,): the negative log-likelihood bound, nats per example in preprocessed units.

        −log p(x | z) for a deterministic encoder, −log p(x | z) + KL(q ‖ p) for a variational one. Without ``draws``
        z is the posterior's mean, which is deterministic but, for a variational model, no bound; with them it is the
        mean over draws, which is one. Arguments and errors as for ``encode``.
        """

        def negative_bound(u: Tensor) -> Tensor:
            q = self.encoder(u)
            z = q.mean[None] if draws is None else draw(q, draws)
            error: Tensor = -self.decoder(z).log_prob(u)
            if self._stochastic and self.prior is not None:
                estimator = "at-mean" if draws is None else "auto"
                error = error + divergence(q, self.prior_distribution(), z, estimator=estimator)
            return error.mean(0)

        return self._rowwise(x, negative_bound, batch_size, draws, seed)

    def log_likelihood(
        self, x: Rows, *, draws: int = 100, seed: int = 0, batch_size: int | None = None, memory: int = PASS_BYTES
    ) -> Any:
        """Estimates of log p(x) (B,) by importance sampling from the posterior, nats in preprocessed units.

        log mean_k p(x | z_k)·p(z_k)/q(z_k | x); low by less the more draws. Every row is decoded ``draws`` times, as
        many at once as ``memory`` holds; the draws are the same whatever it is, and so is the estimate up to rounding.

        Args:
            x: as for ``encode``.
            draws: K.
            seed: of the draws.
            batch_size: rows a pass, each of which draws anew; None is 256, or as many as ``memory`` holds.
            memory: bytes that the tensors of a pass may take, beside x and the result; at least those that the code
                of one row takes are taken.

        Raises:
            CapabilityError: the encoder is deterministic, or there is no prior.
            DataError: rows of another shape, or values that are not finite.
            UsageError: a count below 1.
        """
        need(self, ("bound",), "log_likelihood", "a variational model such as vae")
        self._positive(draws)
        self._positive(memory, "memory")
        encoding, decoding = self._bytes_a_row()
        at_once = max(1, memory // decoding)

        def estimate(u: Tensor) -> Tensor:
            q, p = self.encoder(u), self.prior_distribution()
            total = u.new_full((len(u),), -math.inf)
            # whole blocks, so that fewer or more of them at once are the same draws
            blocks = max(1, at_once // (len(u) * DRAWS_AT_ONCE))
            for count in _chunks(draws, blocks * DRAWS_AT_ONCE):
                z = draw(q, count)
                weight = -q.log_prob(z)
                for k, row in _pieces(count, len(u), at_once):
                    piece = z[k, row]
                    weight[k, row] += self.decoder(piece).log_prob(u[row]) + p.log_prob(piece)
                total = torch.logaddexp(total, weight.logsumexp(0))
            return total - math.log(draws)

        size = batch_size or max(1, min(ROWS_DRAWN, memory // encoding))
        return self._rowwise(x, estimate, size, draws, seed)

    def _bytes_a_row(self) -> tuple[int, int]:
        """What the tensors of a pass take at most, in bytes: for a row encoded and drawn for, and for a code decoded.

        Measured, since what lies between a network's input and its output is its own affair.
        """
        with torch.no_grad(), self.evaluating(), self._stream(0):
            middle = 0.5 if self.decoder.likelihood.unit_interval else 0.0
            u = torch.full((1, *self.spec.shape), middle, dtype=self.dtype, device=self.device)
            p = self.prior_distribution()

            def encode() -> tuple[Tensor, Tensor]:
                z = draw(self.encoder(u), DRAWS_AT_ONCE)
                return z, self.encoder(u).log_prob(z)

            encoding, (z, _) = most_bytes(encode)
            decoding, _ = most_bytes(lambda: self.decoder(z).log_prob(u) + p.log_prob(z))
        return encoding + u.nbytes, -(-decoding // DRAWS_AT_ONCE)

    def sample(self, n: int, *, seed: int = 0, noise: bool = False, batch_size: int | None = None) -> Tensor:
        """``n`` data (n, *X) in raw units, decoded from the prior: the likelihood's mean, or a draw with ``noise``.

        Raises:
            CapabilityError: the model has no prior.
        """
        need(self, ("samples",), "sample", "a variational model such as vae")
        self._positive(n, "n")
        if batch_size is not None:
            self._positive(batch_size, "batch_size")
        size = batch_size or self.rows_a_pass()
        with torch.no_grad(), self.evaluating(), self._stream(seed):
            prior = self.prior_distribution()
            drawn = torch.empty((n, *self.spec.shape), dtype=self.dtype)
            start = 0
            for count in _chunks(n, size):
                px = self.decoder(prior.sample((count,))[None])
                drawn[start : start + count] = self._raw(px.sample() if noise else px.mean)[0].cpu()
                start += count
        return drawn

    def score_function(self, x: Rows, *, batch_size: int | None = None) -> Any:
        """The estimate (r(x) − x)/σ² of ∇log p(x) (B, *X), per raw unit, of a model trained against Gaussian noise.

        p is the data's density smoothed by that noise. Vincent 2011, "A connection between score matching and
        denoising autoencoders"; Alain & Bengio 2014, arXiv:1211.4246.

        Raises:
            CapabilityError: the model was not trained with Gaussian corruption.
        """
        need(self, ("score-function",), "score_function", "the corruption gaussian (--model denoising)")
        assert self.corruption is not None
        assert self.corruption.noise_variance is not None
        variance = self.corruption.noise_variance

        def score(u: Tensor) -> Tensor:
            drift: Tensor = (self.decoder(self.code(u)[None]).mean[0] - u) / variance
            # the chain rule: log p of raw data moves with its scale
            scale = 1.0 if self.preprocess is None else self.preprocess.scale.to(drift.dtype)
            return drift * scale

        return self._rowwise(x, score, batch_size)

    # ------------------------------------------------------------------ how raw data gets through

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

    def prepare(self, x: Tensor) -> Tensor:
        """Raw rows (B, *X) as the objective takes them: on the model's device, scaled, of its type."""
        x = x.to(self.device)
        return x.to(self.dtype) if self.preprocess is None else self.preprocess(x, self.dtype)

    def _raw(self, u: Tensor) -> Tensor:
        return u if self.preprocess is None else self.preprocess.inverse(u)

    def _rowwise(
        self,
        x: Rows,
        function: Callable[[Tensor], Tensor],
        batch_size: int | None,
        draws: int | None = None,
        seed: int | None = None,
        *,
        axis: int = 0,
    ) -> Any:
        """Applies ``function`` to preprocessed rows, pass by pass, and gives back the kind of thing that came in.

        ``axis`` is the one of the rows in what ``function`` returns.
        """
        if draws is not None:
            self._positive(draws)
        if batch_size is not None:
            self._positive(batch_size, "batch_size")
        rows, single = as_rows(x, self.spec.shape)
        size = batch_size or (self.rows_a_pass(draws) if draws else self._rows_nearby())
        if size < len(rows):
            keep_blocks()
        result: Tensor | None = None
        with torch.no_grad(), self.evaluating(), self._stream(seed if draws is not None else None):
            for start in range(0, len(rows), size):
                piece = as_tensor(rows[start : start + size])
                # while it is near the processor anyway
                check_finite(piece, first=start)
                self._check_range(piece, start)
                part = function(self.prepare(piece))
                if result is None:
                    # laid out once: joining the passes at the end would hold everything twice
                    shape = list(part.shape)
                    shape[axis] = len(rows)
                    result = part.new_empty(shape, device=x.device if isinstance(x, Tensor) else "cpu")
                result.narrow(axis, start, len(piece)).copy_(part)
        assert result is not None
        if single:
            result = result.select(axis, 0)
        return result if isinstance(x, Tensor) else result.numpy()

    def _check_range(self, rows: Tensor, first: int) -> None:
        """Refuses values that the likelihood gives no probability; scaled by a fitted range, they are clipped."""
        low, high = self.spec.low, self.spec.high
        if not self.decoder.likelihood.unit_interval or low is None or high is None:
            return
        if not within(rows, low, high):
            row = first + int(((rows < low) | (rows > high)).flatten(1).any(1).nonzero()[0])
            raise DataError(
                f"row {row} has values outside {low:g} to {high:g}, to which {type(self.decoder.likelihood).__name__} "
                "gives no probability: rescale the data, or train with likelihood gaussian."
            )

    def rows_a_pass(self, draws: int = 1) -> int:
        """How many rows, each decoded ``draws`` times, go through at once in bounded memory."""
        values = max(self.spec.size, self.decoder.likelihood.outputs.size)
        return max(1, min(8192, PASS_VALUES // (values * draws)))

    def _rows_nearby(self) -> int:
        """How many rows without draws go through at once fastest: no more than in bounded memory."""
        values = max(self.spec.size, self.decoder.likelihood.outputs.size)
        return max(1, min(self.rows_a_pass(), NEAR_VALUES // values))

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
    def _stream(self, seed: int | None) -> Iterator[None]:
        """A random stream of its own, unless ``seed`` is None: the caller's and the training's are left alone."""
        if seed is None:
            yield
            return
        if not 0 <= seed < 2**63:
            raise UsageError(f"seed must be at least 0 and below 2⁶³ (got {seed}).")
        with random_stream(seed, self.device):
            yield

    @staticmethod
    def _positive(count: int, name: str = "draws") -> None:
        if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
            raise UsageError(f"{name} must be a whole number of at least 1 (got {count!r}).")


def need(model: Autoencoder, wanted: tuple[str, ...], what: str, remedy: str) -> None:
    """Raises CapabilityError, saying what to use instead, unless ``model`` has one of the ``wanted`` capabilities."""
    if not set(wanted) & set(model.capabilities):
        has = ", ".join(model.capabilities) or "none"
        raise CapabilityError(
            f"{what} needs a model with {' or '.join(map(repr, wanted))} (this one has {has}): use {remedy}."
        )


def _log_mean_exp(values: Tensor) -> Tensor:
    return values.logsumexp(0) - math.log(values.shape[0])


def _pieces(draws: int, rows: int, at_once: int) -> Iterator[tuple[slice, slice]]:
    """Parts of a block of codes (draws, rows), of at most ``at_once`` codes each."""
    height = min(draws, at_once)
    width = max(1, at_once // height)
    for k in range(0, draws, height):
        for row in range(0, rows, width):
            yield slice(k, k + height), slice(row, row + width)


def _chunks(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)
