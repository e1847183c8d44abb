"""Rows of data with their labels: images side by side, or the rows of a table as strips of colour.

Shapes: n rows of R by C data, *X one datum, D its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aezoo.evaluation import seen_by
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import Array, mosaic, new_figure, sheet_figure

# labels at an axis before they run into each other
MOST_LABELS = 20
PANELS = 4


class Strips(NamedTuple):
    """Rows of a table that belong together."""

    title: str
    values: Array
    """(n, D), scaled."""
    labels: Sequence[str]
    """(n,)."""


def scaled(model: Autoencoder, raw: Array) -> Array:
    """Raw data (n, *X) as the model sees it (n, D), so that all columns fit one scale of colours."""
    return np.asarray(seen_by(model, model.prepare(torch.from_numpy(raw))).flatten(1).double().cpu().numpy())


def shared_scale(values: Array) -> Normalize:
    """Colours in which zero, a standardised column's mean, is the middle one."""
    most = float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0
    return Normalize(-most, most)


def colour_bar(figure: Figure, panels: Sequence[Axes], scale: Normalize) -> None:
    """One colour bar beside all panels."""
    figure.colorbar(ScalarMappable(scale, "RdBu_r"), ax=list(panels), label="scaled value")


def strip_panels(groups: Sequence[Strips], title: str, axis: str) -> Figure:
    """A panel a group, each row of it a strip with its label, the first on top; ``axis`` says what the labels are."""
    across = min(PANELS, len(groups))
    down = -(-len(groups) // across)
    tall = min(max(len(group.values) for group in groups), MOST_LABELS)
    figure = new_figure(max(6.0, 1.5 + 2.6 * across), 0.6 + down * (1.0 + 0.2 * tall))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    scale = shared_scale(np.concatenate([group.values for group in groups]))
    for axes in panels:
        axes.set_axis_off()
    for axes, group in zip(panels, groups, strict=False):
        axes.set_title(group.title, fontsize="small")
        if not len(group.values):
            continue
        axes.set_axis_on()
        axes.imshow(group.values, cmap="RdBu_r", norm=scale, aspect="auto", interpolation="nearest")
        ticks = _ticks(len(group.labels))
        axes.set_yticks(ticks, [group.labels[i] for i in ticks], fontsize="small")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    colour_bar(figure, list(panels), scale)
    figure.supxlabel("column", fontsize="medium")
    figure.supylabel(axis, fontsize="medium")
    figure.suptitle(title, fontsize="medium")
    return figure


def image_rows(
    images: Array, reach: tuple[float, float], rows: Sequence[str], columns: Sequence[str], title: str
) -> Figure:
    """Images (R, C, *X) in R rows of C, black and white at both ends of ``reach``; a label each row and column."""
    down, across = images.shape[:2]
    sheet = mosaic(images.reshape(-1, *images.shape[2:]), across, *reach)
    figure, axes = sheet_figure(sheet, min(10.0, max(3.0, 0.8 * across)), margin=1.8)
    figure.set_figheight(figure.get_figheight() + 0.8)
    if max(images.shape[-2:]) <= 8 * min(images.shape[-2:]):
        # a lone row of images is flat, but they are not
        axes.set_aspect("equal")
    height, width = sheet.shape[:2]
    lines, ticks = _ticks(down, 2 * MOST_LABELS), _ticks(across)
    axes.set_yticks([(i + 0.5) * height / down - 0.5 for i in lines], [rows[i] for i in lines], fontsize="small")
    axes.set_xticks([(i + 0.5) * width / across - 0.5 for i in ticks], [columns[i] for i in ticks], fontsize="small")
    # the layout makes room for the labels left of where the axes stand, before their images' shape makes them narrower
    axes.set_anchor("W")
    axes.tick_params(length=0)
    axes.set_title(title, fontsize="medium")
    return figure


def _ticks(count: int, most: int = MOST_LABELS) -> list[int]:
    """Which of ``count`` labels to write: all, or every so many, ``most`` at the most."""
    return list(range(0, count, -(-count // most)))
