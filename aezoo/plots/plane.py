"""Data decoded over a plane of codes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aezoo.evaluation import Plane
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import Array, mosaic, new_figure, value_range
from aezoo.plots.grids import colour_bar, scaled, shared_scale

# columns of a table that get a panel each
PANELS = 12
ACROSS = 4
# pixels of a sheet's side: more would only be thrown away again
MOST_PIXELS = 2048


def plot_plane(model: Autoencoder, plane: Plane) -> Figure:
    """A sheet of images, or for each of a table's columns, at most the 12 that vary most, a map of its
    scaled value; the second dimension grows upwards.

    Examples:
        >>> plane = aezoo.evaluation.latent_plane(run.model, split, points=4)
        >>> len(aezoo.plots.plot_plane(run.model, plane).axes) > 0
        True
    """
    title = f"decoded at quantiles of {plane.source}"
    if len(plane.activity.values) > 2:
        title += ", other values at their mean"
    points = len(plane.across)
    flat = plane.data[::-1].reshape(points * points, *model.spec.shape)
    if model.spec.is_image:
        step = -(-points * max(model.spec.shape[1:]) // MOST_PIXELS)
        sheet = mosaic(flat[:, :, ::step, ::step], points, *value_range(model.spec, flat), gap=1)
        figure = new_figure(7.5, 7.5)
        axes = figure.add_subplot()
        fits = "nearest" if max(sheet.shape) <= 1000 else "antialiased"
        axes.imshow(sheet, interpolation=fits, extent=(-0.5, points - 0.5, -0.5, points - 0.5))
        _code_axes(axes, plane, 7)
        axes.set_title(title, fontsize="medium")
    else:
        figure = _maps(scaled(model, flat).reshape(points, points, -1), plane)
        figure.suptitle(title, fontsize="medium")
    figure.supxlabel(f"code value {plane.activity.label(plane.dims[0])}", fontsize="medium")
    figure.supylabel(f"code value {plane.activity.label(plane.dims[1])}", fontsize="medium")
    return figure


def _maps(values: Array, plane: Plane) -> Figure:
    points, _, size = values.shape
    chosen = np.sort(np.argsort(-values.reshape(-1, size).var(axis=0), kind="stable")[:PANELS])
    across = min(ACROSS, len(chosen))
    down = -(-len(chosen) // across)
    figure = new_figure(max(5.0, 1.5 + 2.4 * across), 1.0 + 2.4 * down)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    scale = shared_scale(values[:, :, chosen])
    for axes, column in zip(panels, chosen, strict=False):
        extent = (-0.5, points - 0.5, -0.5, points - 0.5)
        axes.imshow(values[:, :, column], cmap="RdBu_r", norm=scale, interpolation="nearest", extent=extent)
        _code_axes(axes, plane, 4)
        axes.set_title(f"column {column}", fontsize="small")
    for axes in panels[len(chosen) :]:
        axes.set_axis_off()
    colour_bar(figure, list(panels), scale)
    return figure


def _code_axes(axes: Axes, plane: Plane, most: int) -> None:
    """Ticks at ``most`` cells or fewer, with the values of the code that were decoded there."""
    cells = np.unique(np.linspace(0, len(plane.across) - 1, min(most, len(plane.across))).round().astype(int))
    axes.set_xticks(cells, [f"{plane.across[i]:.2g}" for i in cells], fontsize="small")
    axes.set_yticks(cells, [f"{plane.up[i]:.2g}" for i in cells], fontsize="small")
