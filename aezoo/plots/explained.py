"""Which columns make the worst rows what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aezoo.plots.canvas import Array, new_figure, plain

MOST_COLUMNS = 20
MOST_ROWS = 30


def plot_explained(
    parts: Array, rows: Sequence[int], names: Sequence[str], values: Mapping[str, Sequence[Any]] | None = None
) -> Figure:
    """A strip a row, a field a column: how much it adds to the row's score, in nats, and what stands there.

    Args:
        parts: (n, D + 1), the last of the code, as ``Autoencoder.score_by_value`` gives them.
        rows: the rows' numbers (n,).
        names: of the columns (D,); of more than 20 those are shown that add most to some row, and the rest as one.
        values: what stands in each column (n,), in raw units, written into the fields.

    Examples:
        >>> parts = linear.model.score_by_value(linear.splits.test.rows()[:3])
        >>> aezoo.plots.plot_explained(parts, [0, 1, 2], [str(i) for i in range(64)]) is not None
        True
    """
    parts, rows = np.asarray(parts)[:MOST_ROWS], rows[:MOST_ROWS]
    most = np.argsort(-parts[:, :-1].max(0), kind="stable")
    shown = np.sort(most[:MOST_COLUMNS])
    rest = np.sort(most[MOST_COLUMNS:])
    fields = [parts[:, shown], *([parts[:, rest].sum(1, keepdims=True)] if len(rest) else []), parts[:, -1:]]
    labels = [plain(names[i], 20) for i in shown] + ([f"{len(rest)} more"] if len(rest) else []) + ["code"]
    sheet = np.concatenate(fields, axis=1)
    figure = new_figure(1.8 + 0.55 * len(labels), 1.8 + 0.3 * len(rows))
    axes = figure.subplots()
    reach = float(np.abs(sheet).max()) or 1.0
    image = axes.imshow(sheet, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
    axes.set_yticks(np.arange(len(rows)), [str(row) for row in rows], fontsize="small")
    axes.set_xticks(np.arange(len(labels)), labels, rotation=90, fontsize="small")
    axes.set_ylabel("row")
    for place, column in enumerate(shown if values is not None else ()):
        for row in range(len(rows)):
            text = _shown(values[names[column]][row])  # type: ignore[index]
            colour = "white" if abs(sheet[row, place]) > 0.6 * reach else "black"
            axes.text(place, row, plain(text, 8), ha="center", va="center", fontsize=6, color=colour)
    figure.colorbar(image, ax=axes, label="nats")
    return figure


def _shown(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
