"""The data, made when it is asked for. Shapes: N rows."""

from __future__ import annotations

import aezoo
import numpy as np


def load(rows: int = 2000, noise: float = 0.05, seed: int = 0) -> aezoo.Dataset:
    """Points around two turns of a helix of radius 1, which climbs by 1 a turn; labels are the turns.

    ``truth["angle"]`` (N,) is the angle in radians, 0 to 4 π.

    Hastie & Stuetzle 1989, Principal curves, JASA 84, 502-516.

    Args:
        rows: N.
        noise: standard deviation of what is added to each of the three values.
        seed: the same seed gives the same rows.
    """
    draw = np.random.default_rng(seed)
    angle = draw.uniform(0, 4 * np.pi, rows)
    x = np.stack([np.cos(angle), np.sin(angle), angle / (2 * np.pi)], axis=1)
    x += noise * draw.standard_normal(x.shape)
    spec = aezoo.DataSpec(name="my-model", shape=(3,), classes=2, scaling="standardize")
    return aezoo.Dataset(x, (angle >= 2 * np.pi).astype(np.int64), spec=spec, truth={"angle": angle})
