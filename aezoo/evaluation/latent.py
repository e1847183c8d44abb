"""What lies between and around the codes of a split: planes, ways and lines through them, decoded.

Shapes: n rows, *X one datum, Z values of one code (flattened).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aezoo.data import Split
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation.codes import code_shape
from aezoo.evaluation.dimensions import Activity, code_activity, code_quantiles, split_codes
from aezoo.evaluation.split import Array, some_rows
from aezoo.model.autoencoder import Autoencoder

How = Literal["straight", "sphere"]
HOWS: tuple[How, ...] = ("straight", "sphere")
MOST_CLASSES = 100
# rows whose codes say which values are active and how they are spread
ROWS = 10_000
# dimensions that a traversal shows unless told which, and at most
SHOWN, MOST_DIMS = 8, 32
# decoded data held at once: a quarter of a gigabyte in float32
MOST_VALUES = 1 << 26


class ClassMeans(NamedTuple):
    """The mean reconstruction of each class.

    Examples:
        >>> found = aezoo.evaluation.class_means(run.model, split)
        >>> found.classes.tolist(), found.means.shape
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], (10, 1, 8, 8))
    """

    classes: Array
    """(C,) class numbers, ascending."""
    counts: Array
    """(C,) rows of each."""
    means: Array
    """(C, *X), raw units."""


class Plane(NamedTuple):
    """Data decoded over a plane of codes.

    Examples:
        >>> plane = aezoo.evaluation.latent_plane(run.model, split, points=5)
        >>> plane.dims, plane.data.shape
        ((0, 1), (5, 5, 1, 8, 8))
    """

    dims: tuple[int, int]
    across: Array
    """(points,) values of the first dimension."""
    up: Array
    """(points,) values of the second."""
    data: Array
    """(points, points, *X), raw units; ``data[i, j]`` is decoded at ``up[i]`` and ``across[j]``."""
    source: str
    activity: Activity


class Traversal(NamedTuple):
    """Data decoded while one value of a row's code moves.

    Examples:
        >>> found = aezoo.evaluation.latent_traversal(run.model, split, steps=5)
        >>> found.dims, found.data.shape
        ((0, 1), (2, 5, 1, 8, 8))
    """

    dims: tuple[int, ...]
    values: Array
    """(len(dims), steps) the values that it takes."""
    data: Array
    """(len(dims), steps, *X), raw units."""
    row: Array
    """(*X), the row itself."""
    source: str
    activity: Activity


class Interpolation(NamedTuple):
    """Data decoded on the way between the codes of two rows.

    Examples:
        >>> found = aezoo.evaluation.latent_interpolation(run.model, split, between=(0, 3), steps=5)
        >>> found.between, found.ways["straight"].shape
        ((0, 3), (5, 1, 8, 8))
    """

    between: tuple[int, int]
    originals: Array
    """(2, *X), raw units."""
    codes: Array
    """(2, Z), float64."""
    ways: dict[How, Array]
    """(steps, *X), raw units, of each way."""
    lengths: dict[How, float]
    """How far the decoded data travel on each way, in scaled units."""
    jumps: dict[How, float]
    """The longest step of each way over the mean one: 1 at constant speed, the number of steps in one leap."""

    @property
    def angle(self) -> float | None:
        """Degrees between the two codes as seen from the origin; None where one of them is there."""
        norms = np.linalg.norm(self.codes, axis=1, keepdims=True)
        if not norms.all():
            return None
        a, b = self.codes / norms
        return math.degrees(2 * math.atan2(float(np.linalg.norm(a - b)), float(np.linalg.norm(a + b))))


# ---------------------------------------------------------------------- codes and back


def decode(model: Autoencoder, codes: Array) -> Array:
    """The likelihood's mean (n, *X), raw units, at codes (n, Z); in bounded passes, in evaluation mode.

    Examples:
        >>> aezoo.evaluation.decode(run.model, np.zeros((3, 2))).shape
        (3, 1, 8, 8)
    """
    shape = code_shape(model)
    decoded = torch.empty((len(codes), *model.spec.shape), dtype=model.dtype)
    size = model.rows_a_pass()
    with torch.no_grad(), model.evaluating():
        for start in range(0, len(codes), size):
            z = torch.from_numpy(codes[start : start + size]).to(model.device, model.dtype)
            mean = model.decoder(z.reshape(1, -1, *shape)).mean[0]
            raw = model.raw(mean)
            decoded[start : start + size] = raw.cpu()
    return np.asarray((decoded if model.dtype == torch.float64 else decoded.float()).numpy())


def raw_rows(split: Split, numbers: Sequence[int]) -> Tensor:
    """Rows (n, *X) of a split by their numbers; raises UsageError for one that is not there.

    Examples:
        >>> aezoo.evaluation.raw_rows(split, [0, 5]).shape
        torch.Size([2, 1, 8, 8])
    """
    for number in numbers:
        if not 0 <= number < len(split):
            raise UsageError(f"there is no row {number}: this split has {len(split)} rows, numbered from 0.")
    return split.part(np.asarray(numbers, dtype=np.int64)).rows()


def _refuse_discrete(model: Autoencoder) -> None:
    if "discrete" in model.capabilities:
        raise CapabilityError(
            "the vectors of a codebook have nothing between them to move over, and this model's codes are made of "
            "them: use codebook, or a model such as vae."
        )


def _levels(count: int, name: str) -> Array:
    if count < 2:
        raise UsageError(f"{name} must be at least 2 (got {count}).")
    return (np.arange(count) + 0.5) / count


def _chosen(dims: Sequence[int] | None, activity: Activity, most: int) -> tuple[int, ...]:
    """``dims``, checked, or the ``most`` most active ones, the most active first."""
    size = len(activity.values)
    if dims is None:
        return tuple(int(j) for j in np.argsort(-activity.values, kind="stable")[:most])
    for j in dims:
        if not 0 <= j < size:
            raise UsageError(f"there is no value {j} in this code: it has {size}, numbered from 0.")
    if not 0 < len(set(dims)) == len(dims) <= MOST_DIMS:
        raise UsageError(f"dims must be 1 to {MOST_DIMS} different values of the code, such as 0,1 (got {len(dims)}).")
    return tuple(dims)


def _check_memory(model: Autoencoder, count: int, remedy: str) -> None:
    if count * model.spec.size > MOST_VALUES:
        raise UsageError(
            f"{count} data of {model.spec.size} values are too many to decode at once: use {remedy} (at most "
            f"{MOST_VALUES // model.spec.size} data)."
        )


# ---------------------------------------------------------------------- planes, lines and ways


def latent_plane(
    model: Autoencoder, split: Split, *, dims: Sequence[int] | None = None, points: int = 15, seed: int = 0
) -> Plane:
    """Data decoded over a plane of codes: point i of an axis is the quantile at (i + ½)/points.

    So equal steps hold equal mass of the prior, or of the split's codes where the prior's quantiles have no closed
    form. All other values of the code are at the mean. Kingma & Welling 2014, arXiv:1312.6114, figure 4.

    Args:
        model: any model whose code has two values or more.
        split: rows whose codes, at most 10,000, say which values are most active and how they are spread.
        dims: two values of the code; None takes the two most active.
        points: along each axis.
        seed: of the choice of rows, and of the draws of a divergence that has no closed form.

    Raises:
        CapabilityError: the code has one value, or comes from a codebook.
        UsageError: dims that are not there or not two, or more data than fit.
        DataError: no rows, or codes that are not finite.

    Examples:
        >>> aezoo.evaluation.latent_plane(run.model, split, points=3).across.shape
        (3,)
    """
    _refuse_discrete(model)
    some = some_rows(split, ROWS, seed)
    codes = split_codes(model, some)
    if codes.shape[1] < 2:
        raise CapabilityError("a plane of codes needs two values a code, and this model's has one: use traversal.")
    if dims is not None and len(dims) != 2:
        raise UsageError(f"a plane has two dimensions, and dims names {len(dims)}: give two, such as 0,1.")
    _check_memory(model, points * points, "fewer points")
    activity = code_activity(model, some, seed=seed)
    first, second = _chosen(dims, activity, 2)
    quantiles = code_quantiles(model, codes, _levels(points, "points"))
    grid = np.tile(quantiles.centre, (points, points, 1))
    grid[:, :, first] = across = quantiles.values[:, first]
    up = quantiles.values[:, second]
    grid[:, :, second] = up[:, None]
    data = decode(model, grid.reshape(points * points, -1)).reshape(points, points, *model.spec.shape)
    return Plane((first, second), across, up, data, quantiles.source, activity)


def latent_traversal(
    model: Autoencoder,
    split: Split,
    *,
    index: int = 0,
    dims: Sequence[int] | None = None,
    steps: int = 9,
    seed: int = 0,
) -> Traversal:
    """Data decoded while one value of a row's code moves over its quantiles, as ``latent_plane`` takes them.

    Args:
        model: any model.
        split: rows whose codes, at most 10,000, say which values are most active and how they are spread.
        index: the number of the row in the split; its other values stay at its posterior mean.
        dims: values of the code; None takes the eight most active.
        steps: values that each takes.
        seed: of the choice of rows, and of the draws of a divergence that has no closed form.

    Raises:
        CapabilityError: the code comes from a codebook.
        UsageError: a row or a dim that is not there, or more data than fit.
        DataError: no rows, or codes that are not finite.

    Examples:
        >>> aezoo.evaluation.latent_traversal(run.model, split, index=2, dims=[1], steps=3).values.shape
        (1, 3)
    """
    _refuse_discrete(model)
    row = raw_rows(split, [index])
    some = some_rows(split, ROWS, seed)
    activity = code_activity(model, some, seed=seed)
    chosen = _chosen(dims, activity, SHOWN)
    _check_memory(model, len(chosen) * steps, "fewer steps or dims")
    quantiles = code_quantiles(model, split_codes(model, some), _levels(steps, "steps"))
    values = quantiles.values[:, list(chosen)].T
    code = split_codes(model, split.part([index]))[0]
    moved = np.tile(code.astype(np.float64), (len(chosen), steps, 1))
    for i, j in enumerate(chosen):
        moved[i, :, j] = values[i]
    data = decode(model, moved.reshape(len(chosen) * steps, -1)).reshape(len(chosen), steps, *model.spec.shape)
    return Traversal(chosen, values, data, row[0].cpu().numpy(), quantiles.source, activity)


def interpolate(a: Array, b: Array, steps: int, how: How = "straight") -> Array:
    """``steps`` codes (steps, *Z) from ``a`` to ``b`` (*Z), both among them, float64.

    ``straight`` takes equal steps along the line. ``sphere`` turns the direction at constant speed along the great
    circle round the origin, while the norm changes linearly: draws of a Gaussian prior lie near a sphere, and a line
    between two of them leads below it (White 2016, arXiv:1609.04468). Opposite directions lie on many great circles,
    of which it takes the one through the axis that is furthest from both. From or to zero, along one direction, and
    for codes of one value, it is the line.

    Raises:
        UsageError: fewer than two steps, codes of different shapes, or no such way.

    Examples:
        >>> aezoo.evaluation.interpolate(np.array([0.0, 0.0]), np.array([2.0, 4.0]), 3).tolist()
        [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]
    """
    if steps < 2:
        raise UsageError(f"a way has two ends, and steps is {steps}: give at least 2.")
    if np.shape(a) != np.shape(b):
        raise UsageError(f"a way leads between codes of one shape, and these are {np.shape(a)} and {np.shape(b)}.")
    if how not in HOWS:
        raise UsageError(f"no way {how!r}: use straight or sphere.")
    start, end = (np.asarray(code, dtype=np.float64).ravel() for code in (a, b))
    t = np.linspace(0, 1, steps)[:, None]
    norms = np.linalg.norm(start), np.linalg.norm(end)
    if how == "straight" or not all(norms) or len(start) == 1:
        codes = (1 - t) * start + t * end
    else:
        direction, aside, angle = _great_circle(start / norms[0], end / norms[1])
        turned = np.cos(t * angle) * direction + np.sin(t * angle) * aside
        codes = ((1 - t) * norms[0] + t * norms[1]) * turned
    codes[0], codes[-1] = start, end
    return codes.reshape(steps, *np.shape(a))


def _great_circle(a: Array, b: Array) -> tuple[Array, Array, float]:
    """The circle from unit vector ``a`` to ``b``: ``a``, the unit vector at a right angle to it, and the angle."""
    across, along = b - (a @ b) * a, float(a @ b)
    if np.linalg.norm(across) < 1e-9 and along < 0:
        axis = np.zeros_like(a)
        axis[np.abs(a).argmin()] = 1.0
        across, angle = axis - (a @ axis) * a, math.pi
    else:
        angle = math.atan2(float(np.linalg.norm(across)), along)
    length = np.linalg.norm(across)
    return a, across / length if length > 0 else across, angle


def latent_interpolation(
    model: Autoencoder, split: Split, *, between: Sequence[int] = (0, 1), steps: int = 9
) -> Interpolation:
    """Data decoded on the way between the posterior means of two rows, straight and on the sphere.

    Raises:
        UsageError: not two rows, a row that is not there, fewer than two steps, or more data than fit.
        DataError: codes that are not finite.

    Examples:
        >>> found = aezoo.evaluation.latent_interpolation(run.model, split, steps=4)
        >>> sorted(found.ways), found.codes.shape
        (['sphere', 'straight'], (2, 2))
    """
    if len(between) != 2:
        raise UsageError(f"a way leads between two rows, and between names {len(between)}: give two, such as 0,1.")
    _check_memory(model, 2 * steps, "fewer steps")
    originals = raw_rows(split, between)
    codes = split_codes(model, split.part(list(between))).astype(np.float64)
    ways: dict[How, Array] = {}
    lengths: dict[How, float] = {}
    jumps: dict[How, float] = {}
    for how in HOWS:
        ways[how] = decode(model, interpolate(codes[0], codes[1], steps, how))
        seen = model.prepare(torch.from_numpy(ways[how])).flatten(1).double()
        each = (seen[1:] - seen[:-1]).norm(dim=1)
        lengths[how] = float(each.sum())
        jumps[how] = float(each.max() / each.mean()) if lengths[how] else 1.0
    return Interpolation((between[0], between[1]), originals.cpu().numpy(), codes, ways, lengths, jumps)


def class_means(model: Autoencoder, split: Split) -> ClassMeans:
    """The mean over each class's rows of the reconstruction at the posterior's mean, in raw units, float64.

    Raises:
        DataError: the split has no rows or no labels, or more than 100 classes.

    Examples:
        >>> aezoo.evaluation.class_means(run.model, split).counts.sum().item() == len(split)
        True
    """
    labels = split.labels
    if labels is None or not len(labels):
        lacks = "no labels" if labels is None else "no rows in this split"
        raise DataError(
            f"the mean of each class needs labelled rows, and {split.dataset.spec.name} has {lacks}: give labels "
            "(--labels, or label=COLUMN of a table)."
        )
    classes, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) > MOST_CLASSES:
        raise DataError(
            f"{split.dataset.spec.name} has {len(classes)} classes, and at most {MOST_CLASSES} fit a picture: give "
            "coarser labels."
        )
    sums = torch.zeros((len(classes), *model.spec.shape), dtype=torch.float64)
    start = 0
    for x in split.batches(model.rows_a_pass()):
        rebuilt: Tensor = model.reconstruct(x)
        sums.index_add_(0, torch.from_numpy(numbers[start : start + len(x)]), rebuilt.double().cpu())
        start += len(x)
    return ClassMeans(classes, counts, sums.numpy() / counts.reshape(-1, *(1,) * len(model.spec.shape)))
