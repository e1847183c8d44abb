"""The data on which a unit is most active."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from aezoo.data import Split
from aezoo.evaluation import Feature, atoms, raw_rows
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import Array, value_range
from aezoo.plots.grids import Strips, image_rows, scaled, strip_panels


def plot_features(model: Autoencoder, split: Split, features: Sequence[Feature]) -> Figure:
    """A row of images, or a panel of strips, of the rows of ``split`` behind each feature.

    The unit's atom in the decoder comes first, where there is one; of images, from minus to plus its own largest value,
    with grey for zero.

    Examples:
        >>> features = aezoo.evaluation.top_features(topk.model, split, count=3)
        >>> len(aezoo.plots.plot_features(topk.model, split, features).axes) > 0
        True
    """
    found = [raw_rows(split, [int(i) for i in feature.rows]).float().cpu().numpy() for feature in features]
    names = [f"unit {f.unit} ({f.rate:.0%})" if len(f.rows) else f"unit {f.unit} (dead)" for f in features]
    columns = atoms(model, [feature.unit for feature in features])
    title = "rows on which each unit is most active (share on which it fires)"
    if model.spec.is_image:
        reach = value_range(model.spec, np.concatenate(found) if any(map(len, found)) else np.zeros(1))
        return _images(found, columns, names, reach, title)
    groups = []
    for feature, name, rows, j in zip(features, names, found, range(len(found)), strict=True):
        labels = [f"row {i}" for i in feature.rows]
        values = scaled(model, rows)
        if columns is not None:
            scale = 1.0 if model.preprocess is None else model.preprocess.get_buffer("scale").cpu().numpy()
            atom = (columns[j] * scale).reshape(1, -1)
            values, labels = np.concatenate([atom, values]), ["atom", *labels]
        groups.append(Strips(name, values, labels))
    return strip_panels(groups, title, "the most active first")


def _images(
    found: Sequence[Array], columns: Array | None, names: list[str], reach: tuple[float, float], title: str
) -> Figure:
    low, high = reach
    count = max(1, *(len(rows) for rows in found))
    # a unit that fires on fewer rows leaves the rest of its line white
    images = np.full((len(found), count, *found[0].shape[1:]), high, dtype=np.float64)
    for line, rows in zip(images, found, strict=True):
        line[: len(rows)] = rows
    labels = [str(i + 1) for i in range(count)]
    if columns is not None:
        most = np.abs(columns).reshape(len(columns), -1).max(axis=1).reshape(-1, 1, 1, 1)
        shown = low + (high - low) * (0.5 + columns / (2 * np.where(most > 0, most, 1.0)))
        images, labels = np.concatenate([shown[:, None], images], axis=1), ["atom", *labels]
    return image_rows(images, reach, names, labels, title)
