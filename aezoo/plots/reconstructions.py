"""Data of the test split beside what comes back.

Shapes: n rows, D values of one datum.
"""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from aezoo.data import Split
from aezoo.evaluation import restored, seen_by, some_rows, value_names
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Table
from aezoo.plots.canvas import (
    BLUE,
    GREY,
    ORANGE,
    Array,
    mosaic,
    new_figure,
    pair_panels,
    plain,
    sheet_figure,
    value_range,
)

IMAGES = 10
POINTS = 1000
ROWS = 4
# columns whose names fit below a picture
NAMED = 40
NAMES = {2: ("original", "reconstruction"), 3: ("clean", "corrupted", "restored")}


def plot_reconstructions(model: Autoencoder, split: Split) -> Figure | None:
    """The first rows of ``split`` and their reconstructions; None where there are no rows.

    Of a model trained against a corruption, and of data that brings pairs, it is clean rows, corrupted, and restored.
    Ten images above their reconstructions; 1,000 rows of a table of two or three columns as points in raw units; four
    rows of a wider one as profiles over its columns, or of series over their steps, one channel after the other, scaled
    as the model sees them, so that all units fit one axis.

    Examples:
        >>> aezoo.plots.plot_reconstructions(run.model, split) is not None
        True
    """
    if len(split) == 0:
        return None
    if model.spec.is_image:
        return _images(model, split)
    plane = model.spec.shape in ((2,), (3,)) and not model.spec.is_mixed
    return _points(model, split) if plane else _profiles(model, split)


def _forms(model: Autoencoder, split: Split) -> list[Array]:
    """The rows of ``split`` in raw units (n, *X): clean, corrupted where there is such, and as they come back."""
    clean = split.rows()
    if split.noisy is not None:
        seen = split.noisy.rows()
        forms = [clean, seen, model.reconstruct(seen)]
    elif model.corruption is not None:
        forms = [clean, *restored(model, clean)]
    else:
        forms = [clean, model.reconstruct(clean)]
    return [x.float().cpu().numpy() for x in forms]


def _images(model: Autoencoder, split: Split) -> Figure:
    raw, *seen = _forms(model, split.part(np.arange(min(IMAGES, len(split)))))
    low, high = value_range(model.spec, raw)
    rows = [np.clip(images, low, high) for images in (raw, *seen)]
    sheet = mosaic(np.concatenate(rows), len(raw), low, high)
    figure, axes = sheet_figure(sheet, min(10.0, 1.0 + len(raw)), margin=1.2)
    axes.set_yticks([sheet.shape[0] * (0.5 + row) / len(rows) for row in range(len(rows))], NAMES[len(rows)])
    axes.tick_params(left=False)
    return figure


def _points(model: Autoencoder, split: Split) -> Figure:
    forms = _forms(model, some_rows(split, POINTS))
    return pair_panels(forms, NAMES[len(forms)], columns=[plain(name) for name in value_names(model)])


def _observed(model: Autoencoder, raw: torch.Tensor) -> Array:
    """Raw rows as a network takes them (n, W), NaN where a value is missing."""
    u = model.prepare(raw)
    likelihood = model.decoder.likelihood
    missing = ~likelihood.entry.observed(u) if isinstance(likelihood, Table) else torch.zeros((), dtype=torch.bool)
    return np.asarray(seen_by(model, u).masked_fill(missing.to(u.device), torch.nan).flatten(1).float().cpu().numpy())


def _by_channel(values: Array, shape: tuple[int, ...]) -> Array:
    """(n, T·C) of series → (n, C·(T + 1)), channel after channel, each with a gap behind it."""
    channels = values.reshape(len(values), *shape).transpose(0, 2, 1)
    return np.pad(channels, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan).reshape(len(values), -1)


def _profiles(model: Autoencoder, split: Split) -> Figure:
    forms = [_observed(model, torch.from_numpy(x)) for x in _forms(model, split.part(np.arange(min(ROWS, len(split)))))]
    if model.spec.series:
        forms = [_by_channel(x, model.spec.shape) for x in forms]
    count, size = forms[0].shape
    # what comes back is the same colour in every picture
    colours = (BLUE, ORANGE) if len(forms) == 2 else (BLUE, GREY, ORANGE)
    figure = new_figure(8, 0.8 + 1.5 * count)
    panels = figure.subplots(count, 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    mark = "o" if size <= 40 else ""
    for row, axes in enumerate(panels):
        for form, colour, label in zip(forms, colours, NAMES[len(forms)], strict=True):
            axes.plot(np.arange(size), form[row], color=colour, marker=mark, markersize=4, linewidth=1, label=label)
        axes.set_ylabel(f"row {split.index[row]}")
        axes.grid(color="0.9")
    if model.spec.series:
        steps, channels = model.spec.shape
        names = [column.name for column in model.spec.columns] or [str(i) for i in range(channels)]
        every = -(-channels // NAMED)
        places = [(steps + 1) * i + (steps - 1) / 2 for i in range(0, channels, every)]
        panels[-1].set_xticks(places, [plain(name, 20) for name in names[::every]], fontsize="small")
        panels[-1].tick_params("x", rotation=90 if channels > 8 else 0)
        panels[-1].set_xlabel(f"channels, each over its {steps} steps")
    elif model.spec.columns and size <= NAMED:
        names = [plain(name, 20) for name in value_names(model)]
        panels[-1].set_xticks(np.arange(size), names, rotation=90 if size > 8 else 0, fontsize="small")
    else:
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True) if size > 1 else FixedLocator([0]))
        panels[-1].set_xlabel("column")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=3, frameon=False)
    figure.supylabel("scaled value", fontsize="medium")
    return figure
