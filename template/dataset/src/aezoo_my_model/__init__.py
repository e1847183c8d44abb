"""What the package brings to aezoo, and the options of it.

This module is read whenever aezoo looks something up, so it imports no torch; the data is beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import aezoo
from pydantic import Field

SUMMARY = "Synthetic: two turns of a helix in three dimensions, with noise."
PAPER = "Hastie & Stuetzle 1989, Principal curves, JASA 84, 502-516"


class MyModelOptions(aezoo.Config):
    """Options of the dataset ``my-model``."""

    rows: int = Field(2000, ge=10, le=10_000_000, description="number of rows")
    noise: float = Field(0.05, ge=0, description="standard deviation of the noise around the curve, whose radius is 1")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of the data, not of a training")


@aezoo.hookimpl
def aezoo_datasets() -> Iterator[aezoo.DatasetEntry]:
    """The data, for ``aezoo train --data my-model``."""
    yield aezoo.DatasetEntry(
        "my-model",
        "aezoo_my_model.data:load",
        MyModelOptions,
        summary=SUMMARY,
        references=(PAPER,),
    )
