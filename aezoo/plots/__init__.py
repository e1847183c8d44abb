"""Pictures of a run; each function gives a matplotlib Figure, and ``draw_run`` writes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aezoo._lazy import exporter

if TYPE_CHECKING:
    from aezoo.plots.canvas import save_figure
    from aezoo.plots.codes import plot_codes
    from aezoo.plots.loss import plot_loss
    from aezoo.plots.reconstructions import plot_reconstructions
    from aezoo.plots.run import draw_run
    from aezoo.plots.samples import plot_samples

_NAMES = {
    "draw_run": "aezoo.plots.run",
    "plot_codes": "aezoo.plots.codes",
    "plot_loss": "aezoo.plots.loss",
    "plot_reconstructions": "aezoo.plots.reconstructions",
    "plot_samples": "aezoo.plots.samples",
    "save_figure": "aezoo.plots.canvas",
}
__getattr__ = exporter(__name__, _NAMES)
__all__ = ["draw_run", "plot_codes", "plot_loss", "plot_reconstructions", "plot_samples", "save_figure"]
