"""What the package brings to aezoo, and the options of it.

This module is read whenever aezoo looks something up, so it imports no torch; what it does is beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import aezoo
from pydantic import Field

SUMMARY = "Where reconstructions go wrong: the error of each value, and how much of it a few rows have."
PAPER = "Hawkins et al. 2002, Outlier detection using replicator neural networks"


class MyModelOptions(aezoo.Config):
    """Options of the inspection ``my-model``."""

    rows: int = Field(1000, ge=1, le=10_000_000, description="rows looked at, chosen by the seed")


@aezoo.hookimpl
def aezoo_inspections() -> Iterator[aezoo.Inspection]:
    """The inspection, for ``aezoo inspect RUN --my-model``."""
    yield aezoo.Inspection(
        "my-model",
        "aezoo_my_model.errors:find",
        MyModelOptions,
        summary=SUMMARY,
        references=(PAPER,),
    )
