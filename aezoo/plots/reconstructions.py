"""Data of the test split beside what comes back.

Shapes: n rows, D values of one datum.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from aezoo.data import Split
from aezoo.evaluation import some_rows
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import BLUE, ORANGE, mosaic, new_figure, pair_panels, sheet_figure, value_range

IMAGES = 10
POINTS = 1000
ROWS = 4


def plot_reconstructions(model: Autoencoder, split: Split) -> Figure | None:
    """The first rows of ``split`` and their reconstructions; None where there are no rows.

    Ten images above their reconstructions; 1,000 rows of a table of two or three columns as points in raw units; four
    rows of a wider one as profiles over its columns, scaled as the model sees them, so that all units fit one axis.

    Examples:
        >>> aezoo.plots.plot_reconstructions(run.model, split) is not None
        True
    """
    if len(split) == 0:
        return None
    if model.spec.is_image:
        return _images(model, split)
    return _points(model, split) if model.spec.shape in ((2,), (3,)) else _profiles(model, split)


def _images(model: Autoencoder, split: Split) -> Figure:
    originals = next(split.batches(IMAGES))
    rebuilt = model.reconstruct(originals).float().cpu().numpy()
    raw = originals.float().cpu().numpy()
    sheet = mosaic(np.concatenate([raw, rebuilt]), len(raw), *value_range(model.spec, raw))
    figure, axes = sheet_figure(sheet, min(10.0, 1.0 + len(raw)), margin=1.2)
    axes.set_yticks([sheet.shape[0] * 0.25, sheet.shape[0] * 0.75], ["original", "reconstruction"])
    axes.tick_params(left=False)
    return figure


def _points(model: Autoencoder, split: Split) -> Figure:
    raw = some_rows(split, POINTS).rows()
    originals, rebuilt = (x.float().cpu().numpy() for x in (raw, model.reconstruct(raw)))
    return pair_panels(originals, rebuilt, ("original", "reconstruction"))


def _profiles(model: Autoencoder, split: Split) -> Figure:
    raw = next(split.batches(ROWS))
    originals, rebuilt = (model.prepare(x).flatten(1).float().cpu().numpy() for x in (raw, model.reconstruct(raw)))
    count, size = originals.shape
    figure = new_figure(8, 0.8 + 1.5 * count)
    panels = figure.subplots(count, 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    mark = "o" if size <= 40 else ""
    for row, axes in enumerate(panels):
        for values, colour, label in ((originals[row], BLUE, "original"), (rebuilt[row], ORANGE, "reconstruction")):
            axes.plot(np.arange(size), values, color=colour, marker=mark, markersize=4, linewidth=1, label=label)
        axes.set_ylabel(f"row {row + 1}")
        axes.grid(color="0.9")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True) if size > 1 else FixedLocator([0]))
    panels[-1].set_xlabel("column")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    figure.supylabel("scaled value", fontsize="medium")
    return figure
