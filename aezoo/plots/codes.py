"""The codes of a split in the plane.

Shapes: n rows, Z values of one code.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aezoo.data import Split
from aezoo.evaluation import encode_split, some_rows
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import BLUE, Array, class_colours, class_legend, class_names, new_figure

MOST_ROWS = 5000
MOST_CLASSES = 20


def plot_codes(model: Autoencoder, split: Split, seed: int = 0) -> Figure | None:
    """The posterior means of at most 5,000 rows of ``split``, chosen by ``seed``; None where there are none.

    A code of one value as a histogram, of two as it is, of more by its first two principal components. Coloured by
    label, with a legend of up to 20 classes and a colour bar of more.

    Examples:
        >>> aezoo.plots.plot_codes(run.model, split) is not None
        True
    """
    if len(split) == 0:
        return None
    some = some_rows(split, MOST_ROWS, seed)
    codes = encode_split(model, some)
    whole = np.isfinite(codes).all(axis=1)
    if not whole.any():
        return None
    labels = None if some.labels is None else some.labels[whole]
    figure = new_figure(7, 5.5)
    axes = figure.add_subplot()
    if codes.shape[1] == 1:
        _histogram(axes, codes[whole, 0].astype(np.float64), labels, split)
    else:
        points, names = _plane(codes[whole].astype(np.float64))
        _scatter(figure, axes, points, labels, split)
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
    axes.set_title("codes", fontsize="medium")
    return figure


def _plane(codes: Array) -> tuple[Array, list[str]]:
    """Points (n, 2) and the names of both axes."""
    from sklearn.decomposition import PCA

    if codes.shape[1] == 2:
        return codes, ["code value 0", "code value 1"]
    points = np.zeros((len(codes), 2))
    centred = codes - codes.mean(axis=0)
    if len(codes) == 1 or not centred.any():
        return points, ["component 1", "component 2"]
    pca = PCA(2, random_state=0)
    points[:] = pca.fit_transform(centred)
    return points, [
        f"component {i + 1} ({share:.0%} of the variance)" for i, share in enumerate(pca.explained_variance_ratio_)
    ]


def _scatter(figure: Figure, axes: Axes, points: Array, labels: Array | None, split: Split) -> None:
    size = float(np.clip(6000 / len(points), 4, 36))
    if labels is None:
        axes.scatter(points[:, 0], points[:, 1], s=size, color=BLUE, linewidths=0, alpha=0.7)
        return
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) > MOST_CLASSES:
        marks = axes.scatter(points[:, 0], points[:, 1], s=size, c=labels, cmap="viridis", linewidths=0)
        figure.colorbar(marks, ax=axes, label="label")
        return
    colours = class_colours(len(classes))
    axes.scatter(points[:, 0], points[:, 1], s=size, color=colours[numbers], linewidths=0)
    class_legend(axes, class_names(classes, split.dataset.label_names), colours)


def _histogram(axes: Axes, values: Array, labels: Array | None, split: Split) -> None:
    low, high = float(values.min()), float(values.max())
    least = max(1e-3, 1e-3 * abs(low))
    if high - low < least:
        low, high = low - least, high + least
    edges = np.linspace(low, high, 41)
    classes = np.zeros(0) if labels is None else np.unique(labels)
    axes.set_xlabel("code value")
    axes.set_ylabel("rows")
    if labels is None or len(classes) > MOST_CLASSES:
        axes.hist(values, bins=list(edges), color=BLUE)
        return
    colours = class_colours(len(classes))
    parts = [values[labels == label] for label in classes]
    axes.hist(parts, bins=list(edges), stacked=True, color=[tuple(c) for c in colours])
    class_legend(axes, class_names(classes, split.dataset.label_names), colours)
