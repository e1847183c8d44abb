"""How the code moves with the data: the encoder's Jacobian at each row, its spectrum and its tangents.

All of it is of the posterior's mean, by preprocessed data, in evaluation mode.

Shapes: B or n rows, D values of one datum, Z values of one code (both flattened), R = min(D, Z), *X one datum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

# the base class of every batch normalisation, in torch's own words
from torch.nn.modules.batchnorm import _BatchNorm

from aezoo.core.rng import random_stream
from aezoo.data import Split
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation.codes import code_shape, refuse_broken
from aezoo.evaluation.dimensions import split_codes
from aezoo.evaluation.raw import checked_rows, filled, given_back
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.passes import PASS_VALUES, Rows
from aezoo.parts import PointEncoder

FLAT = 0.05
NO_DERIVATIVE = (
    "the Jacobian needs a code that has a derivative by the data, and this one jumps between a few values: use a model "
    "such as contractive."
)


class Tangents(NamedTuple):
    """The directions in which the code moves most.

    Examples:
        >>> found = aezoo.evaluation.tangents(run.model, split.rows()[0], count=2)
        >>> found.stretch.shape, found.directions.shape
        (torch.Size([2]), torch.Size([2, 1, 8, 8]))
    """

    stretch: Any
    """(B, C), singular values in falling order: how far the code moves for a small step along each direction."""
    directions: Any
    """(B, C, *X), of length 1 in preprocessed units; of either sign, the one whose largest value is positive."""


def encoder_jacobian(model: Autoencoder, x: Rows) -> Any:
    """∂f/∂u (B, Z, D) of the map f from preprocessed data u to the posterior's mean, at rows of raw data.

    Exact, by automatic differentiation: one backward pass for each value of the code or, where that is fewer, one
    through it for each value of the datum. At a kink, as topk and relu have, it is the derivative on one side.

    Args:
        model: any autoencoder.
        x: rows (B, *X) of raw data, or one datum, which gives (Z, D).

    Returns:
        A tensor for a tensor, else NumPy.

    Raises:
        CapabilityError: the encoder has a batch normalisation, or no derivative.
        DataError: rows of another shape, or values that are not finite.

    Examples:
        >>> aezoo.evaluation.encoder_jacobian(run.model, split.rows()[:3]).shape
        torch.Size([3, 2, 64])
    """
    rows, single = checked_rows(model, x)
    jacobian = torch.cat(list(_jacobians(model, [rows])))
    return given_back(x, jacobian, single)


def jacobian_norm(model: Autoencoder, x: Rows) -> Any:
    """‖∂f/∂u‖_F (B,), the Frobenius norm of the encoder's Jacobian at rows of raw data (B, *X).

    Takes no memory for the Jacobian itself. The contractive penalty is its square. Returns and raises as
    ``encoder_jacobian``; () for one datum.

    Examples:
        >>> aezoo.evaluation.jacobian_norm(run.model, split.rows()[:3]).shape
        torch.Size([3])
    """
    rows, single = checked_rows(model, x)
    norms = []
    for u in _passes(model, [rows]):
        squares = sum(piece.square().flatten(2).sum((0, 2)) for piece in _Derivative(model, u).pieces())
        norms.append(torch.as_tensor(squares).sqrt())
    return given_back(x, torch.cat(norms), single)


def jacobian_spectrum(model: Autoencoder, split: Split) -> Array:
    """The singular values (n, R) of the encoder's Jacobian at each row of ``split``, in falling order, float64.

    Their squares sum to that of the Frobenius norm; a few large ones among many small say that the code follows a
    manifold of as many dimensions. Rifai et al. 2011, "Contractive auto-encoders: explicit invariance during feature
    extraction", section 5.3.

    Raises:
        CapabilityError: as ``encoder_jacobian``.
        DataError: there are no rows, or the derivative is not finite.

    Examples:
        >>> aezoo.evaluation.jacobian_spectrum(run.model, aezoo.evaluation.some_rows(split, 4)).shape
        (4, 2)
    """
    jacobians = _jacobians(model, filled(split).batches(model.rows_a_pass()))
    return np.concatenate([torch.linalg.svdvals(jacobian).double().cpu().numpy() for jacobian in jacobians])


def effective_rank(spectrum: Array) -> Array:
    """exp of the entropy of the singular values (n, R), each row's scaled to sum to 1: (n,), between 1 and R.

    0 for a row whose values are all 0. Roy & Vetterli 2007, "The effective rank".

    Examples:
        >>> aezoo.evaluation.effective_rank(np.array([[1.0, 1.0, 0.0]])).round(6).tolist()
        [2.0]
    """
    total = spectrum.sum(axis=1, keepdims=True)
    share = spectrum / np.where(total > 0, total, 1)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)
    return np.where(total[:, 0] > 0, np.exp(entropy), 0.0)


def tangents(model: Autoencoder, x: Rows, count: int = 8) -> Tangents:
    """The ``count`` leading right singular vectors of the encoder's Jacobian at rows of raw data (B, *X).

    They span the tangent space of the manifold that the code follows. Rifai et al. 2011b, "The manifold tangent
    classifier". There are C ≤ count of them: those beyond which no row's code moves are left out.

    Returns:
        Tensors for a tensor, else NumPy arrays; without B for one datum.

    Raises:
        CapabilityError, DataError: as ``encoder_jacobian``.
        UsageError: ``count`` is below 1.

    Examples:
        >>> aezoo.evaluation.tangents(run.model, split.rows()[0], count=1).directions.shape
        torch.Size([1, 1, 8, 8])
    """
    if count < 1:
        raise UsageError(f"count must be at least 1 (got {count}).")
    rows, single = checked_rows(model, x)
    stretches, leading = [], []
    for jacobian in _jacobians(model, [rows]):
        _, values, vectors = torch.linalg.svd(jacobian, full_matrices=False)
        rounding = values[:, :1] * max(jacobian.shape[1:]) * torch.finfo(values.dtype).eps
        stretches.append(torch.where(values > rounding, values, 0.0)[:, :count])
        leading.append(vectors[:, :count])
    stretch, directions = torch.cat(stretches), torch.cat(leading)
    moving = int((stretch > 0).sum(1).max())
    stretch, directions = stretch[:, :moving], directions[:, :moving]
    largest = directions.gather(2, directions.abs().argmax(2, keepdim=True))
    directions = (directions * largest.sign()).reshape(len(rows), moving, *model.spec.shape)
    return Tangents(given_back(x, stretch, single), given_back(x, directions, single))


class ContractionRatios(NamedTuple):
    """How distances shrink on their way to the code.

    Examples:
        >>> found = aezoo.evaluation.contraction_ratios(contractive.model, split, distances=3)
        >>> found.distances.shape, found.ratios.shape
        ((3,), (3,))
    """

    distances: Array
    """(m,), rising: between a row and a point near it, in preprocessed units."""
    ratios: Array
    """(m,): the distance between their codes over that, averaged over the rows and over random directions."""
    between: float
    """The same between rows and others drawn at random, whatever their distance: the global contraction."""
    apart: float
    """The mean distance of those rows."""


def contraction_ratios(
    model: Autoencoder, split: Split, *, distances: int = 12, directions: int = 8, seed: int = 0
) -> ContractionRatios:
    """Ratios of the distances of codes to those of data, from close by to as far as rows are apart. Rifai et al. 2011.

    Points lie on spheres round each row, from a thousandth to twice the mean distance of rows. The ratio at the
    smallest is the local contraction, ‖J‖_F/√D in the mean; a model contracts locally where it is below the one between
    rows. Multiplied by any factor, codes keep the ratio of these two.

    Raises:
        CapabilityError: the code comes from a codebook.
        DataError: fewer than two rows, or codes that are not finite.
        UsageError: a count below 1.

    Examples:
        >>> found = aezoo.evaluation.contraction_ratios(contractive.model, split, distances=2, directions=2)
        >>> bool((found.ratios >= 0).all())
        True
    """
    if min(distances, directions) < 1:
        raise UsageError(f"distances and directions are at least 1 (got {distances} and {directions}).")
    if "discrete" in model.capabilities:
        raise CapabilityError(NO_DERIVATIVE)
    if len(split) < 2:
        raise DataError("a distance between rows needs two of them: give more rows.")
    with torch.no_grad(), model.evaluating(), random_stream(seed, model.device):
        u = torch.cat([model.prepare(raw) for raw in filled(split).batches(model.rows_a_pass())])
        codes = _codes(model, u)
        other = torch.randperm(len(u), device=u.device)
        other = torch.where(other == torch.arange(len(u), device=u.device), other.roll(1), other)
        far = (u - u[other]).flatten(1).double().norm(dim=1)
        between = (codes - codes[other]).double().norm(dim=1) / far.clamp_min(1e-12)
        apart = float(far.mean())
        lengths = np.geomspace(1e-3 * apart, 2 * apart, distances) if distances > 1 else np.array([1e-3 * apart])
        ratios = []
        for length in lengths.tolist():
            found = 0.0
            for _ in range(directions):
                way = torch.randn_like(u)
                way *= length / way.flatten(1).norm(dim=1).view(-1, *(1 for _ in model.spec.shape))
                found += float((_codes(model, u + way) - codes).double().norm(dim=1).mean()) / length
            ratios.append(found / directions)
    return ContractionRatios(lengths, np.array(ratios), float(between[far > 0].mean()), apart)


def _codes(model: Autoencoder, u: Tensor) -> Tensor:
    """Of preprocessed rows (n, *X): (n, Z), in bounded passes."""
    found = torch.cat([model.code(part).flatten(1) for part in u.split(model.rows_a_pass())])
    refuse_broken(bool(found.isfinite().all()))
    return found


def saturation(model: Autoencoder, split: Split) -> float:
    """The share of code values, over all rows of ``split``, where the activation is nearly flat.

    Of a sigmoid those below 0.05 or above 0.95; of a tanh, which is a sigmoid stretched to (−1, 1), those beyond ±0.9.
    Rifai et al. 2011, section 5.2.

    Raises:
        CapabilityError: the code ends in another activation, which is not flat at both ends.

    Examples:
        >>> 0 <= aezoo.evaluation.saturation(contractive.model, split) <= 1
        True
    """
    activation = model.encoder.activation if isinstance(model.encoder, PointEncoder) else None
    if not isinstance(activation, nn.Sigmoid | nn.Tanh):
        raise CapabilityError(
            "units saturate where the code ends in a sigmoid or tanh, and this one's does not: train a model such as "
            "contractive, or with --code-activation sigmoid."
        )
    low, high = (0.0, 1.0) if isinstance(activation, nn.Sigmoid) else (-1.0, 1.0)
    codes, margin = split_codes(model, split), FLAT * (high - low)
    return float(((codes < low + margin) | (codes > high - margin)).mean())


class _Derivative:
    """The Jacobian of the posterior's mean at preprocessed rows u (b, *X), some of its rows or columns at a time."""

    def __init__(self, model: Autoencoder, u: Tensor) -> None:
        # out of a caller's inference mode, which records nothing to differentiate
        with torch.inference_mode(False), torch.enable_grad(), model.evaluating():
            u = u.clone().requires_grad_()
            code = model.code(u).flatten(1)
            self.by_code = code.shape[1] <= u[0].numel()
            self.output, self.input = code, u
            if not self.by_code:
                # Jᵀv is linear in v, so its own derivative is J again, one column for each value of the datum
                self.input = torch.zeros_like(code).requires_grad_()
                self.output = _gradient(code, u, self.input, create_graph=True).flatten(1)

    def pieces(self) -> Iterator[Tensor]:
        """Rows of J as (·, b, *X), or columns as (·, b, Z): Z or D of them in all, whichever is fewer."""
        rows, count = self.output.shape
        basis = torch.eye(count, dtype=self.output.dtype, device=self.output.device)
        for part in basis.split(max(1, PASS_VALUES // max(self.input.numel(), self.output.numel()))):
            directions = part[:, None].expand(-1, rows, -1)
            with torch.inference_mode(False):
                yield _gradient(self.output, self.input, directions, is_grads_batched=True, retain_graph=True)

    def whole(self) -> Tensor:
        """(b, Z, D)."""
        parts = torch.cat([piece.flatten(2) for piece in self.pieces()])
        if not bool(parts.isfinite().all()):
            raise DataError("the encoder has no finite derivative at some row: look at others, or train it again.")
        return parts.transpose(0, 1) if self.by_code else parts.permute(1, 2, 0)


def _gradient(output: Tensor, wanted: Tensor, directions: Tensor, **how: bool) -> Tensor:
    found = None
    if output.requires_grad:
        (found,) = torch.autograd.grad(output, wanted, directions, allow_unused=True, **how)
    if found is None:
        raise CapabilityError(NO_DERIVATIVE)
    return found


def _jacobians(model: Autoencoder, batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """The Jacobians (b, Z, D) of the rows of raw batches, as many at a time as fit into bounded memory."""
    for u in _passes(model, batches):
        yield _Derivative(model, u).whole()


def _passes(model: Autoencoder, batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """Preprocessed rows (b, *X), so few at a time that their Jacobians fit into bounded memory."""
    if any(isinstance(module, _BatchNorm) for module in model.encoder.modules()):
        raise CapabilityError(
            "the Jacobian of each row by itself needs an encoder that does not mix rows, and this one has batch "
            "normalisation: train with norm=layer or none."
        )
    if "discrete" in model.capabilities:
        raise CapabilityError(NO_DERIVATIVE)
    size = max(1, PASS_VALUES // (math.prod(code_shape(model)) * model.spec.size))
    for batch in batches:
        for piece in batch.split(size):
            yield model.prepare(piece)
