"""Early stopping: how long a run may go on without a better validation loss."""

from __future__ import annotations

import math


class Patience:
    """The best epoch so far, and whether the run is over.

    Without ``epochs`` of patience every epoch is the best: nothing is watched. Better is what is lower by more than
    ``tolerance``.
    """

    def __init__(self, epochs: int | None, tolerance: float = 0.0) -> None:
        self.epochs = epochs
        self.tolerance = tolerance
        self.best = math.inf
        self.best_epoch = 0

    def note(self, epoch: int, watched: float) -> bool:
        """Whether this epoch, whose validation loss is ``watched``, is the best so far."""
        better = self.epochs is None or watched < self.best - self.tolerance
        if better:
            self.best, self.best_epoch = watched, epoch
        return better

    def over(self, epoch: int) -> bool:
        """Whether patience has run out by the end of ``epoch``."""
        return self.epochs is not None and epoch - self.best_epoch >= self.epochs

    def remark(self, epoch: int) -> str:
        """What a reader of the figures should know of a run that ended early."""
        return f"stopped after epoch {epoch}: the best validation loss was epoch {self.best_epoch}'s."
