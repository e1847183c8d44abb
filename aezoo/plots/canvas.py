"""What all pictures share: figures without global state, colours, grids of images, files.

Shapes: n images of C channels, H by W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from aezoo.core.files import write_whole
from aezoo.core.spec import DataSpec
from aezoo.errors import one_line

Array = np.ndarray[Any, Any]

DPI = 120
GREY = "0.6"
# told apart by people who see no red or no green, and in print: Okabe & Ito 2008, "Color universal design"
BLUE, ORANGE = "#0072B2", "#D55E00"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` by ``height`` inches that no window and no pyplot knows of."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Writes ``figure`` as a PNG, whole or not at all; equal figures give equal bytes.

    Raises:
        OutputError: the file cannot be written.

    Examples:
        >>> aezoo.plots.save_figure(aezoo.plots.plot_code_use(np.ones(4) / 4), "use.png")
    """
    # matplotlib would sign the file with its version
    write_whole(path, lambda beside: figure.savefig(beside, format="png", dpi=DPI, metadata={"Software": None}))


def plain(text: str, most: int = 24) -> str:
    """``text`` as a label: no mathematics between dollars, no leading underscore, which hides it, no great length."""
    text = one_line(text)
    short = text if len(text) <= most else text[: most - 1] + "…"
    return short.replace("$", r"\$") if not short.startswith("_") else "\u200a" + short.replace("$", r"\$")


def value_range(spec: DataSpec, images: Array) -> tuple[float, float]:
    """Black and white: the data's range where it is known, else that of ``images``."""
    if spec.low is not None and spec.high is not None:
        return spec.low, spec.high
    return float(images.min()), float(images.max())


def mosaic(images: Array, columns: int, low: float, high: float, gap: int | None = None) -> Array:
    """Images (n, C, H, W) in rows of ``columns`` as one picture (rows, columns, 3) in [0, 1], white between them.

    Three channels are red, green and blue; of any other number only the first is shown, in grey. ``gap`` is the pixels
    between two images; None chooses by their size.
    """
    # more pixels than this would only be thrown away again by the picture
    step = max(1, max(images.shape[2:]) // 256)
    shown = images[:, :, ::step, ::step]
    shown = shown if shown.shape[1] == 3 else np.repeat(shown[:, :1], 3, axis=1)
    spread = high - low if high > low else 1.0
    shown = np.clip(np.nan_to_num((shown - low) / spread), 0, 1).transpose(0, 2, 3, 1)
    count, height, width, _ = shown.shape
    gap = 1 + min(height, width) // 16 if gap is None else gap
    rows = -(-count // columns)
    sheet = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, 3))
    for index, image in enumerate(shown):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def sheet_figure(sheet: Array, width: float, margin: float = 0.0) -> tuple[Figure, Axes]:
    """A mosaic ``width`` inches wide without a frame; its pixels are squares unless there are more than fit."""
    # strips of images would make a picture too flat to hold a label, or too tall to open: they are stretched
    wanted = width * sheet.shape[0] / sheet.shape[1]
    height = float(np.clip(wanted, 0.8, 12.0))
    figure = new_figure(width + margin, height)
    axes = figure.add_subplot()
    fits = "nearest" if max(sheet.shape) <= 1000 else "antialiased"
    axes.imshow(sheet, interpolation=fits, aspect="equal" if height == wanted else "auto")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return figure, axes


def pair_panels(
    layers: Sequence[Array], names: Sequence[str], axis: str = "column", columns: Sequence[str] = ()
) -> Figure:
    """Points (n, D), those of each of two or three layers over those before, a panel for each pair of the D columns."""
    pairs = list(combinations(range(layers[0].shape[1]), 2))
    colours = (GREY, BLUE) if len(layers) == 2 else (GREY, ORANGE, BLUE)
    figure = new_figure(0.5 + 4 * len(pairs), 4.3)
    panels = np.ravel(figure.subplots(1, len(pairs), squeeze=False))
    for axes, (a, b) in zip(panels, pairs, strict=True):
        for points, colour, name in zip(layers, colours, names, strict=True):
            alpha = 1.0 if points is layers[0] else 0.5
            axes.scatter(points[:, a], points[:, b], s=9, color=colour, linewidths=0, alpha=alpha, label=name)
        axes.set_xlabel(f"{axis} {columns[a] if columns else a}")
        axes.set_ylabel(f"{axis} {columns[b] if columns else b}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False, markerscale=2)
    return figure


class _FewTicks(LogLocator):
    """1, 2 and 5 of each decade, or 1 alone where there are many decades."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        self.set_params(subs=(1, 2, 5) if vmax < 1e3 * vmin else (1,))
        return super().tick_values(vmin, vmax)


def plain_log(axis: Axis) -> None:
    """A logarithmic axis, with few ticks that do not run into each other, and numbers as they are commonly written."""
    (axis.axes.set_xscale if isinstance(axis, XAxis) else axis.axes.set_yscale)("log")
    axis.set_major_locator(_FewTicks())
    axis.set_major_formatter("{x:.3g}")
    axis.set_minor_formatter(NullFormatter())


def class_colours(count: int) -> Array:
    """(count, 4) colours that are told apart, for at most 20 classes."""
    from matplotlib import colormaps

    return np.asarray(colormaps["tab10" if count <= 10 else "tab20"](np.arange(count)))


def class_names(classes: Array, names: Sequence[str] | None, most: int = 24) -> list[str]:
    """The classes' names as labels of at most ``most`` characters, or their numbers where they have none."""
    return [plain(str(label) if names is None else names[int(label)], most) for label in classes]


def class_legend(axes: Axes, names: Sequence[str], colours: Array) -> None:
    """A legend of classes beside the axes."""
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], linestyle="", marker="o", color=tuple(colour)) for colour in colours]
    axes.legend(marks, list(names), loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
