"""All pictures of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aezoo.data import Splits
from aezoo.model.autoencoder import Autoencoder
from aezoo.plots.canvas import save_figure
from aezoo.plots.codes import plot_codes
from aezoo.plots.loss import plot_loss
from aezoo.plots.reconstructions import plot_reconstructions
from aezoo.plots.samples import plot_samples


def draw_run(
    folder: str | Path, model: Autoencoder, splits: Splits, history: Sequence[Mapping[str, float]]
) -> list[Path]:
    """Writes loss.png, reconstructions.png, samples.png and codes.png into ``folder``; returns the paths written.

    Data is the test split's. A picture that makes no sense for the model or the data is left out. The model stays in
    the mode that it is in, and the same run gives the same bytes.

    Raises:
        OutputError: a file cannot be written.

    Examples:
        >>> [path.name for path in aezoo.plots.draw_run("runs/vae", run.model, run.splits, run.history)]
        ['loss.png', 'reconstructions.png', 'samples.png', 'codes.png']
    """
    figures = {
        "loss.png": plot_loss(history),
        "reconstructions.png": plot_reconstructions(model, splits.test),
        "samples.png": plot_samples(model, splits.test),
        "codes.png": plot_codes(model, splits.test),
    }
    written = []
    for name, figure in figures.items():
        if figure is not None:
            written.append(Path(folder) / name)
            save_figure(figure, written[-1])
    return written
