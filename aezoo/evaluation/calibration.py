"""Scores beside those of rows that are known to be clean: p-values that hold for any model, and thresholds.

Shapes: n rows scored, N rows held out, M rows learned from, Z values of a code.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from aezoo.core.files import write_whole
from aezoo.data import Split
from aezoo.errors import CheckpointError, DataError, UsageError, reason_of
from aezoo.evaluation.raw import filled
from aezoo.evaluation.split import Array, encode_split, some_rows
from aezoo.model.autoencoder import Autoencoder

Score = Literal["bound", "reconstruction", "typicality", "nearest", "both"]
SCORES: tuple[Score, ...] = get_args(Score)
How = Literal["false-alarms", "contamination"]
ROWS = 10_000
NEIGHBOURS = 5
FILE = "calibration.safetensors"


class Calibration(NamedTuple):
    """Scores of rows that no model has learned from, in rising order, and the threshold of an alarm.

    Examples:
        >>> calibration = aezoo.evaluation.Calibration(np.arange(99.0), of="bound").at(0.1)
        >>> calibration.threshold, calibration.p_values([98.0, 1000.0]).tolist()
        (89.0, [0.02, 0.01])
    """

    scores: Array
    """(N,)."""
    of: Score = "bound"
    threshold: float | None = None
    """A row that scores more than this raises an alarm."""
    rate: float | None = None
    how: How | None = None
    codes: Array | None = None
    """(M, Z) of rows that were learned from, for scores by the nearest of them."""
    middle: tuple[float, float] = (0.0, 0.0)
    """Of the bounds, and of the logarithms of the distances, of the held-out rows: the medians."""
    width: tuple[float, float] = (1.0, 1.0)
    """And the distances of their quartiles."""

    def score(self, model: Autoencoder, x: Any) -> Array:
        """Scores (n,) of raw rows, as those of the held-out ones were computed.

        ``typicality`` is how far the bound is from the held-out rows' median, on either side: what is likelier than all
        that was learned is as odd as what is less likely (Nalisnick et al. 2019, arXiv:1906.02994).
        ``nearest`` is the distance of the code to the fifth nearest of those learned from, the novelty score of
        nearest neighbours in the code's space. ``both`` is the mean of bound and log distance, each beside those of the
        held-out rows: its distance from their median, in that of their quartiles.
        """
        if self.of in ("bound", "reconstruction"):
            return _plain(model.score(x, of=self.of)).astype(np.float64)
        if self.of == "typicality":
            return np.abs(self._replace(of="bound").score(model, x) - self.middle[0])
        far = self._distances(_plain(model.encode(x)))
        if self.of == "nearest":
            return far
        parts = (_plain(model.score(x)).astype(np.float64), np.log(far + np.finfo(np.float32).tiny))
        apart = [(part - m) / w for part, m, w in zip(parts, self.middle, self.width, strict=True)]
        return np.asarray(np.mean(apart, axis=0))

    def _distances(self, codes: Array) -> Array:
        from sklearn.neighbors import NearestNeighbors

        assert self.codes is not None
        count = min(NEIGHBOURS, len(self.codes))
        found = NearestNeighbors(n_neighbors=count).fit(self.codes)
        return np.asarray(found.kneighbors(codes.reshape(len(codes), -1))[0][:, -1], dtype=np.float64)

    def p_values(self, scores: Any) -> Array:
        """(n,): (1 + how many of the held-out rows score as high)/(N + 1).

        Of a row drawn as those were it is at most α in no more than a share α of all draws, whatever the model
        (Vovk et al. 2005, conformal prediction). Scores of rows that were learned from would be too low for that.
        """
        higher = len(self.scores) - np.searchsorted(self.scores, np.asarray(scores, dtype=np.float64), side="left")
        return np.asarray((1 + higher) / (len(self.scores) + 1))

    def at(self, rate: float, how: How = "false-alarms") -> Calibration:
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
                f"{len(self.scores)} held-out rows cannot tell a rate of {rate:g}: it takes {math.ceil(1 / rate)} or "
                "more."
            )
        place = count if how == "false-alarms" else count + 1
        if place > len(self.scores):
            raise UsageError(f"a rate of {rate:g} takes all of the {len(self.scores)} held-out rows for abnormal.")
        return self._replace(threshold=float(self.scores[-place]), rate=rate, how=how)

    def save(self, folder: str | Path) -> Path:
        """Writes ``calibration.safetensors`` into a run's folder."""
        from safetensors.numpy import save_file

        path = Path(folder) / FILE
        arrays = {"scores": self.scores} | ({} if self.codes is None else {"codes": self.codes})
        said = {key: value for key, value in self._asdict().items() if key not in ("scores", "codes")}
        tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        write_whole(path, lambda beside: save_file(tensors, beside, {"aezoo": json.dumps(said)}))
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Calibration | None:
        """What a run's folder holds, or None; raises CheckpointError for a file that is broken."""
        from safetensors import safe_open

        path = Path(folder) / FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, "np") as file:
                said = json.loads((file.metadata() or {})["aezoo"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            said |= {key: tuple(map(float, said[key])) for key in ("middle", "width")}
            made = cls(**arrays, **said)
            made._check()
        # a damaged file surfaces as almost any exception of its reader
        except Exception as error:
            raise CheckpointError(f"{path} cannot be read ({reason_of(error)}): calibrate the run again.") from None
        return made

    def _check(self) -> None:
        if self.of not in SCORES or (self.of in ("nearest", "both")) != (self.codes is not None):
            raise ValueError("no known score")
        if self.scores.ndim != 1 or not len(self.scores) or not np.isfinite(self.scores).all():
            raise ValueError("no scores")
        if (np.diff(self.scores) < 0).any() or not all(width > 0 for width in self.width):
            raise ValueError("scores out of order")
        if self.codes is not None and (self.codes.ndim != 2 or not np.isfinite(self.codes).all()):
            raise ValueError("no codes")


def calibrate(
    model: Autoencoder, split: Split, *, of: Score = "bound", train: Split | None = None, seed: int = 0
) -> Calibration:
    """Scores of held-out rows, at most 10,000 of them drawn by ``seed``.

    Args:
        model: whose scores.
        split: rows that it has not learned from, and that are clean.
        of: as for ``Autoencoder.score``, or ``"typicality"``, ``"nearest"`` or ``"both"``, see ``Calibration.score``.
        train: rows that it has learned from, of which at most 10,000 codes are kept for the last two.
        seed: of the choice of rows.

    Raises:
        DataError: no rows, or one whose score is not finite.
        UsageError: no such score, or one that needs ``train``.

    Examples:
        >>> calibration = aezoo.evaluation.calibrate(run.model, split)
        >>> len(calibration.scores), round(float(calibration.p_values(calibration.scores[-1])), 5)
        (359, 0.00556)
    """
    if of not in SCORES:
        raise UsageError(f"no score {of!r}: use {', '.join(SCORES)}.")
    some = some_rows(filled(split), ROWS, seed)
    found = Calibration(np.zeros(1), of)
    if of in ("nearest", "both"):
        if train is None:
            raise UsageError(f"the score {of!r} is by the codes of rows that were learned from: give train.")
        found = found._replace(codes=encode_split(model, some_rows(filled(train), ROWS, seed)))
    if of == "typicality":
        found = found._replace(middle=(float(np.median(_scores(model, some, found._replace(of="bound")))), 0.0))
    if of == "both":
        parts = [_scores(model, some, found._replace(of=one)) for one in ("bound", "nearest")]
        parts[1] = np.log(parts[1] + np.finfo(np.float32).tiny)
        quartiles = [np.percentile(part, [25, 50, 75]) for part in parts]
        middle = (float(quartiles[0][1]), float(quartiles[1][1]))
        width = [float(q[2] - q[0]) or 1.0 for q in quartiles]
        found = found._replace(middle=middle, width=(width[0], width[1]))
    scores = _scores(model, some, found)
    if not np.isfinite(scores).all():
        row = int(some.index[int(np.argmin(np.isfinite(scores)))])
        raise DataError(f"the score of row {row} is not finite: leave it out.")
    return found._replace(scores=np.sort(scores))


def _plain(values: Any) -> Array:
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)


def _scores(model: Autoencoder, split: Split, calibration: Calibration) -> Array:
    return np.concatenate([calibration.score(model, x) for x in split.batches(8192)])
