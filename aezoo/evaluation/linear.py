"""Linear models beside what they are compared with: PCA, and probabilistic PCA.

Shapes: n rows, D values of one datum, Z values of one code (both flattened), k components.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation.codes import code_shape
from aezoo.evaluation.pca import principal_components
from aezoo.evaluation.split import Array
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Normal

PROBES = 8


class LinearDecoder(NamedTuple):
    """A decoder that is an affine map, in preprocessed units: the mean of x given z is weight·z + bias.

    Examples:
        >>> decoder = aezoo.evaluation.linear_decoder(linear.model)
        >>> decoder.weight.shape, decoder.bias.shape
        ((64, 16), (64,))
    """

    weight: Array
    """(D, Z)."""
    bias: Array
    """(D,)."""
    variance: float | None
    """σ², where p(x | z) is a Gaussian of one variance for all values of every datum; else None."""


def linear_decoder(model: Autoencoder) -> LinearDecoder:
    """The affine map that the decoder is, whatever its layers: read off the codes 0 and eᵢ, and tried on others.

    Raises:
        CapabilityError: the decoder is not affine.

    Examples:
        >>> aezoo.evaluation.linear_decoder(linear.model).weight.shape
        (64, 16)
    """
    shape = code_shape(model)
    size = math.prod(shape)
    with torch.no_grad(), model.evaluating():
        # codes of very different size and of both signs, where a network that bends at all shows it
        draw = torch.randn(PROBES, size, generator=torch.Generator().manual_seed(0))
        probes = torch.cat([torch.eye(size), draw, -draw, 1e3 * draw, -1e3 * draw])
        z = torch.cat([torch.zeros(1, size), probes]).to(model.device, model.dtype)
        px = model.decoder(z.view(1, -1, *shape))
        outputs = px.mean[0].flatten(1).double().cpu().numpy()
        variance = _one_variance(px)
    bias = outputs[0]
    weight = (outputs[1 : size + 1] - bias).T
    codes = z[size + 1 :].double().cpu().numpy()
    error = outputs[size + 1 :] - (codes @ weight.T + bias)
    # the weight is a difference of outputs, so it is known only as well as the largest of them is rounded
    reach = (1 + np.abs(codes).sum(axis=1)) * (np.abs(weight).max() + np.abs(bias).max())
    if not (np.abs(error).max(axis=1) <= math.sqrt(torch.finfo(model.dtype).eps) * reach).all():
        raise CapabilityError(
            "a model beside PCA needs a linear decoder, and this one's is not: train --model linear, or another with "
            "--activation identity and --likelihood gaussian."
        )
    return LinearDecoder(weight, bias, variance)


def _one_variance(px: object) -> float | None:
    if not isinstance(px, Normal):
        return None
    low, high = float(px.variance.min()), float(px.variance.max())
    return high if low == high else None


def principal_angles(a: Array, b: Array) -> Array:
    """The angles (k,) between the column spaces of a (D, p) and b (D, q), degrees, rising; k is the lesser rank.

    By their cosines and their sines, which are exact near 90° and 0°. Björck & Golub 1973, "Numerical methods for
    computing angles between linear subspaces".

    Examples:
        >>> aezoo.evaluation.principal_angles(np.eye(3)[:, :1], np.eye(3)[:, 1:2]).round(6).tolist()
        [90.0]
    """
    first, second = sorted((_basis(a), _basis(b)), key=lambda basis: -basis.shape[1])
    inside = first.T @ second
    cosines = np.linalg.svd(inside, compute_uv=False)
    sines = np.linalg.svd(second - first @ inside, compute_uv=False)[::-1]
    return np.degrees(np.arctan2(sines, cosines))


def _basis(matrix: Array) -> Array:
    """An orthonormal basis (D, rank) of the column space."""
    if not matrix.any():
        return np.zeros((len(matrix), 0))
    vectors, values, _ = np.linalg.svd(np.asarray(matrix, np.float64), full_matrices=False)
    return vectors[:, values > values[0] * max(matrix.shape) * np.finfo(np.float32).eps]


def linear_log_likelihood(decoder: LinearDecoder, rows: Array) -> float:
    """The mean log-density of rows (n, D) under x = weight·z + bias + noise with z ~ N(0, I), nats per example.

    That is N(bias, weight·weightᵀ + σ²I), whose inverse is known along the columns of ``weight`` and around them.

    Raises:
        UsageError: the decoder has no variance.

    Examples:
        >>> decoder = aezoo.evaluation.LinearDecoder(np.zeros((2, 1)), np.zeros(2), variance=1.0)
        >>> round(aezoo.evaluation.linear_log_likelihood(decoder, np.zeros((5, 2))), 4)
        -1.8379
    """
    if decoder.variance is None or decoder.variance <= 0:
        raise UsageError("a linear model has a density by one Gaussian variance, and this one has none.")
    axes, scales, _ = np.linalg.svd(decoder.weight, full_matrices=False)
    centred = rows - decoder.bias
    along = centred @ axes
    around = centred - along @ axes.T
    variances = np.square(scales) + decoder.variance
    distance = (np.square(along) / variances).sum(axis=1) + np.square(around).sum(axis=1) / decoder.variance
    size = rows.shape[1]
    log_det = np.log(variances).sum() + (size - len(scales)) * math.log(decoder.variance)
    return float(-0.5 * (distance.mean() + log_det + size * math.log(2 * math.pi)))


def ppca(train: Array, components: int) -> LinearDecoder:
    """Probabilistic PCA of rows (n, D) at its maximum likelihood, in closed form.

    The noise variance σ² is the mean of the variances in the D − k directions left out, and weight = U·(Λ − σ²I)^½ of
    those kept. Tipping & Bishop 1999, "Probabilistic principal component analysis", equations 7 and 8.

    Raises:
        UsageError: as many components as values of a datum, or more, leave no noise.
        DataError: the rows vary in no more directions than there are components, so the density has no bound.

    Examples:
        >>> rows = np.random.default_rng(0).normal(size=(200, 3))
        >>> aezoo.evaluation.ppca(rows, 1).weight.shape
        (3, 1)
    """
    size = train.shape[1]
    if not 0 <= components < size:
        raise UsageError(
            f"probabilistic PCA of data of {size} values takes 0 to {size - 1} components (got {components}): "
            "use a smaller code."
        )
    found = principal_components(train, components)
    variance = (found.total - float(found.variances.sum())) / (size - components)
    if variance <= found.total * size * np.finfo(np.float64).eps:
        raise DataError(
            f"the rows vary in no more than {components} directions, which leaves probabilistic PCA no noise: "
            "use a smaller code, or more rows."
        )
    weight = found.axes.T * np.sqrt(np.maximum(found.variances - variance, 0.0))
    return LinearDecoder(weight, found.mean, variance)


def ppca_log_likelihood(train: Array, rows: Array, components: int) -> float:
    """The mean log-density of ``rows`` (m, D) under probabilistic PCA fitted to ``train`` (n, D): nats per example.

    On the training rows no other linear-Gaussian model of as many components is above it, nor the bound of a linear
    variational autoencoder. Lucas et al. 2019, "Don't blame the ELBO!", arXiv:1911.02469. Raises as ``ppca``.

    Examples:
        >>> rows = np.random.default_rng(0).normal(size=(200, 3))
        >>> aezoo.evaluation.ppca_log_likelihood(rows, rows, 1) < 0
        True
    """
    return linear_log_likelihood(ppca(train, components), rows)


def rebuilt_variances(decoder: LinearDecoder, codes: Array) -> Array:
    """The variances (min(D, Z),), falling, along the principal axes of the data decoded from codes (n, Z).

    Examples:
        >>> decoder = aezoo.evaluation.LinearDecoder(2 * np.eye(2), np.zeros(2), variance=None)
        >>> aezoo.evaluation.rebuilt_variances(decoder, np.array([[1.0, 0.0], [-1.0, 0.0]])).tolist()
        [4.0, 0.0]
    """
    covariance = np.atleast_2d(np.cov(codes, rowvar=False, bias=True))
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.square(np.linalg.svd(decoder.weight @ root, compute_uv=False))
