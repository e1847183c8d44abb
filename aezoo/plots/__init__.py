"""Pictures of a run; each function gives a matplotlib Figure, and ``draw_run`` writes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aezoo.core.lazy import exporter

if TYPE_CHECKING:
    from aezoo.plots.activations import plot_activations
    from aezoo.plots.angles import plot_pca
    from aezoo.plots.canvas import save_figure
    from aezoo.plots.classes import plot_class_means
    from aezoo.plots.codebook import plot_code_use
    from aezoo.plots.codes import plot_codes
    from aezoo.plots.dependence import plot_dependence
    from aezoo.plots.dimensions import plot_dimensions
    from aezoo.plots.evidence import plot_bounds, plot_gap, plot_gradients, plot_spreads
    from aezoo.plots.explained import plot_explained
    from aezoo.plots.features import plot_features
    from aezoo.plots.field import plane_grid, plot_field
    from aezoo.plots.interpolation import plot_interpolation
    from aezoo.plots.loss import plot_loss
    from aezoo.plots.plane import plot_plane
    from aezoo.plots.reconstructions import plot_reconstructions
    from aezoo.plots.run import draw_run
    from aezoo.plots.samples import plot_samples
    from aezoo.plots.spectrum import plot_contraction, plot_spectrum
    from aezoo.plots.tangents import plot_tangents
    from aezoo.plots.traversal import plot_traversal
    from aezoo.plots.variance import plot_variance

_NAMES = {
    "draw_run": "aezoo.plots.run",
    "plane_grid": "aezoo.plots.field",
    "plot_activations": "aezoo.plots.activations",
    "plot_bounds": "aezoo.plots.evidence",
    "plot_class_means": "aezoo.plots.classes",
    "plot_code_use": "aezoo.plots.codebook",
    "plot_codes": "aezoo.plots.codes",
    "plot_contraction": "aezoo.plots.spectrum",
    "plot_dependence": "aezoo.plots.dependence",
    "plot_dimensions": "aezoo.plots.dimensions",
    "plot_explained": "aezoo.plots.explained",
    "plot_features": "aezoo.plots.features",
    "plot_field": "aezoo.plots.field",
    "plot_gap": "aezoo.plots.evidence",
    "plot_gradients": "aezoo.plots.evidence",
    "plot_interpolation": "aezoo.plots.interpolation",
    "plot_loss": "aezoo.plots.loss",
    "plot_pca": "aezoo.plots.angles",
    "plot_plane": "aezoo.plots.plane",
    "plot_reconstructions": "aezoo.plots.reconstructions",
    "plot_samples": "aezoo.plots.samples",
    "plot_spectrum": "aezoo.plots.spectrum",
    "plot_spreads": "aezoo.plots.evidence",
    "plot_tangents": "aezoo.plots.tangents",
    "plot_traversal": "aezoo.plots.traversal",
    "plot_variance": "aezoo.plots.variance",
    "save_figure": "aezoo.plots.canvas",
}
__getattr__ = exporter(__name__, _NAMES)
__all__ = [
    "draw_run",
    "plane_grid",
    "plot_activations",
    "plot_bounds",
    "plot_class_means",
    "plot_code_use",
    "plot_codes",
    "plot_contraction",
    "plot_dependence",
    "plot_dimensions",
    "plot_explained",
    "plot_features",
    "plot_field",
    "plot_gap",
    "plot_gradients",
    "plot_interpolation",
    "plot_loss",
    "plot_pca",
    "plot_plane",
    "plot_reconstructions",
    "plot_samples",
    "plot_spectrum",
    "plot_spreads",
    "plot_tangents",
    "plot_traversal",
    "plot_variance",
    "save_figure",
]
