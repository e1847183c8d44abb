"""Scores beside those of rows that are known to be clean: p-values that hold for any model, and thresholds.

Shapes: n rows scored, N rows held out.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from aezoo.core.files import write_whole
from aezoo.data import Split
from aezoo.errors import CheckpointError, DataError, UsageError
from aezoo.evaluation.raw import filled
from aezoo.evaluation.split import Array, some_rows
from aezoo.model.autoencoder import Autoencoder, Scored

ROWS = 10_000
FILE = "calibration.json"


class Calibration(NamedTuple):
    """Scores of rows that no model has learned from, in rising order, and the threshold of an alarm.

    Examples:
        >>> calibration = aezoo.evaluation.Calibration(np.arange(99.0), of="bound").at(0.1)
        >>> calibration.threshold, calibration.p_values([98.0, 1000.0]).tolist()
        (89.0, [0.02, 0.01])
    """

    scores: Array
    """(N,)."""
    of: Scored = "bound"
    threshold: float | None = None
    """A row that scores more than this raises an alarm."""
    rate: float | None = None
    how: Literal["false-alarms", "contamination"] | None = None

    def p_values(self, scores: Any) -> Array:
        """(n,): (1 + how many of the held-out rows score as high)/(N + 1).

        Of a row drawn as those were it is at most α in no more than a share α of all draws, whatever the model
        (Vovk et al. 2005, conformal prediction). Scores of rows that were learned from would be too low for that.
        """
        higher = len(self.scores) - np.searchsorted(self.scores, np.asarray(scores, dtype=np.float64), side="left")
        return np.asarray((1 + higher) / (len(self.scores) + 1))

    def at(self, rate: float, how: Literal["false-alarms", "contamination"] = "false-alarms") -> Calibration:
        """The same with a threshold.

        ``false-alarms``: no more than a share ``rate`` of clean rows like the held-out ones raises an alarm.
        ``contamination``: that share of the held-out rows themselves is taken to be abnormal.

        Raises:
            UsageError: a rate that is no share, or so small that the held-out rows cannot tell.
        """
        if not 0 < rate < 1:
            raise UsageError(f"the rate of alarms is a share between 0 and 1 (got {rate:g}).")
        rows = len(self.scores) + (how == "false-alarms")
        count = math.floor(rate * rows + 1e-9)
        if count < 1:
            raise UsageError(
                f"{len(self.scores)} held-out rows cannot tell a rate of {rate:g}: it takes {math.ceil(1 / rate)} "
                f"or more."
            )
        place = count if how == "false-alarms" else count + 1
        if place > len(self.scores):
            raise UsageError(
                f"a rate of {rate:g} takes every one of the {len(self.scores)} held-out rows for abnormal."
            )
        return self._replace(threshold=float(self.scores[-place]), rate=rate, how=how)

    def save(self, folder: str | Path) -> Path:
        """Writes ``calibration.json`` into a run's folder."""
        path = Path(folder) / FILE
        values = {**self._asdict(), "scores": [float(score) for score in self.scores]}

        def write(beside: Path) -> None:
            beside.write_text(json.dumps(values), encoding="utf-8")

        write_whole(path, write)
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Calibration | None:
        """What a run's folder holds, or None; raises CheckpointError for a file that is broken."""
        path = Path(folder) / FILE
        if not path.is_file():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            made = cls(**{**values, "scores": np.array(values["scores"], dtype=np.float64)})
            made.p_values([0.0])
            if made.scores.ndim != 1 or not np.isfinite(made.scores).all() or (np.diff(made.scores) < 0).any():
                raise ValueError("scores out of order")
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise CheckpointError(f"{path} cannot be read ({error}): calibrate the run again.") from None
        return made


def calibrate(model: Autoencoder, split: Split, *, of: Scored = "bound", seed: int = 0) -> Calibration:
    """Scores of held-out rows, at most 10,000 of them drawn by ``seed``.

    Args:
        model: whose scores.
        split: rows that it has not learned from, and that are clean.
        of: as for ``Autoencoder.score``.
        seed: of the choice of rows.

    Raises:
        DataError: no rows, or one whose score is not finite.

    Examples:
        >>> calibration = aezoo.evaluation.calibrate(run.model, split)
        >>> len(calibration.scores), round(float(calibration.p_values(calibration.scores[-1])), 5)
        (359, 0.00556)
    """
    some = some_rows(filled(split), ROWS, seed)
    scores = np.concatenate([model.score(x, of=of).double().cpu().numpy() for x in some.batches(8192)])
    if not np.isfinite(scores).all():
        row = int(some.index[int(np.argmin(np.isfinite(scores)))])
        raise DataError(f"the score of row {row} is not finite: leave it out.")
    return Calibration(np.sort(scores), of)
