"""The autoencoder: the objective, and what a user does with it once it is trained, on raw data.

Shapes: B batch, K draws, *X one datum, *Z one code.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from aezoo.core.memory import most_bytes
from aezoo.errors import CapabilityError, UsageError
from aezoo.model.objective import Objective
from aezoo.model.passes import PASS_BYTES, Rows, chunks, pieces, prepared, refuse_none, rows_a_pass, rowwise
from aezoo.parts import by_value, divergence, draw

Scored = Literal["bound", "reconstruction"]

# rows whose draws are made together, and the draws of each that are: what random numbers a row gets depends on these
# two alone. torch fills tensors in sixteens, so that blocks of a multiple of 16 numbers are parts of one stream
ROWS_DRAWN, DRAWS_AT_ONCE = 256, 16


class Autoencoder(Objective):
    """An autoencoder composed of parts.

    Args:
        encoder: q(z | x).
        decoder: p(x | z).
        spec: the raw data, one datum of shape *X.
        prior: p(z); needed by a KL divergence and to sample.
        regularizers: penalties with their names and weights.
        corruption: applied to the encoder's input in training only; data that brings pairs needs none.
        copies: of each row in a step, corrupted apart.
        preprocess: scales raw data (``aezoo.data.Preprocess``); None takes data as it is.
        draws: K, draws of the posterior per example in training.
        bound: ``"mean"`` over draws, or ``"importance"``-weighted (Burda et al. 2016, arXiv:1509.00519).
        gradient: of the encoder: ``"reparameterised"``, through the draws, or by the ``"score-function"``, for
            posteriors whose draws carry none (``aezoo.parts.score_function``).

    Raises:
        CompositionError: the parts do not fit together.

    Examples:
        >>> from aezoo.parts import Decoder, Gaussian, PointEncoder
        >>> spec = aezoo.DataSpec(shape=(6,))
        >>> encoder, decoder = PointEncoder(torch.nn.Linear(6, 2)), Decoder(torch.nn.Linear(2, 6), Gaussian(spec))
        >>> model = aezoo.Autoencoder(encoder, decoder, spec=spec)
        >>> model.encode(np.zeros((5, 6))).shape
        (5, 2)
    """

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
        noisy = self.corruption is not None and self.corruption.noise_variance is not None
        if noisy and not self.spec.is_mixed and getattr(self.preprocess, "bend", None) is None:
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
            return rowwise(self, x, self.code, batch_size)
        return rowwise(self, x, lambda u: draw(self.encoder(u), draws), batch_size, draws, seed, axis=1)

    def reconstruct(self, x: Rows, *, draws: int | None = None, seed: int = 0, batch_size: int | None = None) -> Any:
        """Reconstructions of raw data, in raw units: the likelihood's mean at the posterior's mean, or at each draw.

        Arguments and errors as for ``encode``; returns (B, *X), or (K, B, *X) with draws.
        """

        def mean(u: Tensor) -> Tensor:
            q = self.encoder(u)
            z = q.mean[None] if draws is None else draw(q, draws)
            reconstruction = self.raw(self.decoder(z).mean)
            return reconstruction[0] if draws is None else reconstruction

        return rowwise(self, x, mean, batch_size, draws, seed, axis=0 if draws is None else 1)

    def score(
        self,
        x: Rows,
        *,
        of: Scored = "bound",
        draws: int | None = None,
        seed: int = 0,
        batch_size: int | None = None,
    ) -> Any:
        """Anomaly scores (B,): the negative log-likelihood bound, nats per example in preprocessed units.

        −log p(x | z) for a deterministic encoder, −log p(x | z) + KL(q ‖ p) for a variational one; of the
        ``"reconstruction"`` it is the first term alone. Without ``draws`` z is the posterior's mean, which is
        deterministic but, for a variational model, no bound; with them it is the mean over draws, which is one.
        Arguments and errors as for ``encode``, and UsageError for another ``of``.
        """
        self._refuse_other_score(of)

        def negative_bound(u: Tensor) -> Tensor:
            q = self.encoder(u)
            z = q.mean[None] if draws is None else draw(q, draws)
            error: Tensor = -self.decoder(z).log_prob(u)
            return (error if of == "reconstruction" else self._with_divergence(error, q, z, draws)).mean(0)

        return rowwise(self, x, negative_bound, batch_size, draws, seed)

    def score_by_value(
        self,
        x: Rows,
        *,
        of: Scored = "bound",
        draws: int | None = None,
        seed: int = 0,
        batch_size: int | None = None,
    ) -> Any:
        """What each value of a datum adds to its ``score``, and its code: (B, D + 1), nats, which sum to the score.

        The first D are −log p(x_d | z), 0 of a missing value; the last is KL(q ‖ p), or 0 where there is none.
        Arguments and errors as for ``score``.

        Raises:
            CapabilityError: the likelihood is not one of independent values.
        """
        self._refuse_other_score(of)

        def parts(u: Tensor) -> Tensor:
            q = self.encoder(u)
            z = q.mean[None] if draws is None else draw(q, draws)
            each = by_value(self.decoder(z), u)
            if each is None:
                raise CapabilityError(
                    f"likelihood {type(self.decoder.likelihood).__name__} says nothing of each value by itself: score "
                    "rows as a whole, or use --likelihood gaussian."
                )
            code = each.new_zeros(each.shape[:2])
            code = code if of == "reconstruction" else self._with_divergence(code, q, z, draws)
            return torch.cat([-each.flatten(2), code[..., None]], dim=-1).mean(0)

        return rowwise(self, x, parts, batch_size, draws, seed)

    def _with_divergence(self, error: Tensor, q: Any, z: Tensor, draws: int | None) -> Tensor:
        if not self._stochastic or self.prior is None:
            return error
        estimator: Any = "at-mean" if draws is None else "auto"
        return error + divergence(q, self.prior_distribution(), z, estimator=estimator)

    @staticmethod
    def _refuse_other_score(of: str) -> None:
        if of not in get_args(Scored):
            raise UsageError(f"no score {of!r}: use {' or '.join(get_args(Scored))}.")

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
        refuse_none(draws)
        refuse_none(memory, "memory")
        encoding, decoding = self._bytes_a_row()
        at_once = max(1, memory // decoding)

        def estimate(u: Tensor) -> Tensor:
            q, p = self.encoder(u), self.prior_distribution()
            total = u.new_full((len(u),), -math.inf)
            # whole blocks, so that fewer or more of them at once are the same draws
            blocks = max(1, at_once // (len(u) * DRAWS_AT_ONCE))
            for count in chunks(draws, blocks * DRAWS_AT_ONCE):
                z = draw(q, count)
                weight = -q.log_prob(z)
                for k, row in pieces(count, len(u), at_once):
                    piece = z[k, row]
                    weight[k, row] += self.decoder(piece).log_prob(u[row]) + p.log_prob(piece)
                total = torch.logaddexp(total, weight.logsumexp(0))
            return total - math.log(draws)

        size = batch_size or max(1, min(ROWS_DRAWN, memory // encoding))
        return rowwise(self, x, estimate, size, draws, seed)

    def _bytes_a_row(self) -> tuple[int, int]:
        """What the tensors of a pass take at most, in bytes: for a row encoded and drawn for, and for a code decoded.

        Measured, since what lies between a network's input and its output is its own affair.
        """
        with torch.no_grad(), self.evaluating(), self.stream(0):
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
        refuse_none(n, "n")
        if batch_size is not None:
            refuse_none(batch_size, "batch_size")
        size = batch_size or self.rows_a_pass()
        with torch.no_grad(), self.evaluating(), self.stream(seed):
            prior = self.prior_distribution()
            drawn = torch.empty((n, *self.spec.shape), dtype=self.dtype)
            start = 0
            for count in chunks(n, size):
                px = self.decoder(prior.sample((count,))[None])
                drawn[start : start + count] = self.raw(px.sample() if noise else px.mean)[0].cpu()
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

        return rowwise(self, x, score, batch_size)

    def prepare(self, x: Tensor) -> Tensor:
        """Raw rows (B, *X) as the objective takes them: on the model's device, scaled, of its type."""
        return prepared(self, x)

    def rows_a_pass(self, draws: int = 1) -> int:
        """How many rows, each decoded ``draws`` times, go through at once in bounded memory."""
        return rows_a_pass(self, draws)

    def raw(self, u: Tensor) -> Tensor:
        """Preprocessed rows (..., *X) in raw units: what undoes ``prepare``."""
        return u if self.preprocess is None else self.preprocess.inverse(u)


def need(model: Autoencoder, wanted: tuple[str, ...], what: str, remedy: str) -> None:
    """Raises CapabilityError, saying what to use instead, unless ``model`` has one of the ``wanted`` capabilities.

    Examples:
        >>> aezoo.evaluation.need(run.model, ("samples",), "sampling", "--model vae")
        >>> aezoo.evaluation.need(linear.model, ("samples",), "sampling", "--model vae")
        Traceback (most recent call last):
            ...
        aezoo.errors.CapabilityError: sampling needs a model with 'samples' (this one has none): use --model vae.
    """
    if not set(wanted) & set(model.capabilities):
        has = ", ".join(model.capabilities) or "none"
        raise CapabilityError(
            f"{what} needs a model with {' or '.join(map(repr, wanted))} (this one has {has}): use {remedy}."
        )
