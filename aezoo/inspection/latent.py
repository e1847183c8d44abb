"""The latent space: whether near codes give near data, and whether every code gives data at all."""

from __future__ import annotations

import numpy as np

from aezoo.evaluation import (
    active,
    class_means,
    dimension_divergence,
    latent_interpolation,
    latent_plane,
    latent_traversal,
    some_rows,
    split_codes,
)
from aezoo.inspection.finding import Finding, Subject
from aezoo.inspection.options import (
    ClassesOptions,
    DimensionsOptions,
    InterpolationOptions,
    PlaneOptions,
    TraversalOptions,
)
from aezoo.plots import plot_class_means, plot_dimensions, plot_interpolation, plot_plane, plot_traversal


def plane(subject: Subject, options: PlaneOptions) -> Finding:
    """The two values of the code, where they stand, and the data decoded there."""
    found = latent_plane(subject.model, subject.rows, dims=options.dims, points=options.points, seed=subject.seed)
    figures = {
        "quantiles_of": found.source,
        "dims": list(found.dims),
        "across": found.across.tolist(),
        "up": found.up.tolist(),
    }
    return Finding(figures, plot_plane(subject.model, found))


def interpolation(subject: Subject, options: InterpolationOptions) -> Finding:
    """How far apart the two codes are, how far the decoded data travel on each way, and their largest jump.

    A jump is the longest of the steps over their mean: 1 at constant speed, and the number of steps where all of the
    way is one leap, as of a decoder that is not continuous. More steps show more.
    """
    found = latent_interpolation(subject.model, subject.rows, between=options.between, steps=options.steps)
    figures = {
        "rows": list(found.between),
        "code_distance": float(np.linalg.norm(found.codes[1] - found.codes[0])),
        "code_norms": np.linalg.norm(found.codes, axis=1).tolist(),
        "angle_degrees": found.angle,
        **{f"{how}_length": length for how, length in found.lengths.items()},
        **{f"{how}_jump": jump for how, jump in found.jumps.items()},
    }
    return Finding(figures, plot_interpolation(subject.model, found))


def traversal(subject: Subject, options: TraversalOptions) -> Finding:
    """The values of the code that moved, and the values that they took."""
    model, split = subject.model, subject.rows
    found = latent_traversal(
        model, split, index=options.index, dims=options.dims, steps=options.steps, seed=subject.seed
    )
    figures = {
        "quantiles_of": found.source,
        "row": options.index,
        "dims": list(found.dims),
        found.activity.measure.lower(): [float(found.activity.values[j]) for j in found.dims],
        "values": found.values.tolist(),
    }
    return Finding(figures, plot_traversal(model, found))


def classes(subject: Subject, options: ClassesOptions) -> Finding:
    """How many rows each class has."""
    split = some_rows(subject.rows, options.rows, subject.seed)
    found = class_means(subject.model, split)
    names = split.dataset.label_names
    return Finding(
        {
            "classes": len(found.classes),
            "rows_of": {
                str(c) if names is None else names[c]: int(n) for c, n in zip(found.classes, found.counts, strict=True)
            },
        },
        plot_class_means(subject.model, split),
    )


def dimensions(subject: Subject, options: DimensionsOptions) -> Finding:
    """The mean KL of each value of the code in nats, their sum, and which values are active."""
    split = some_rows(subject.rows, options.rows, subject.seed)
    divergences = dimension_divergence(subject.model, split, seed=subject.seed)
    used = active(split_codes(subject.model, split))
    figures = {
        "examples": len(split),
        "total": float(divergences.sum()),
        "active_units": int(used.sum()),
        "code_size": len(used),
        "kl": divergences.tolist(),
        "active": used.tolist(),
    }
    return Finding(figures, plot_dimensions(divergences, used))
