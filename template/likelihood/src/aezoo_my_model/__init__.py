"""What the package brings to aezoo, and the options of it.

This module is read whenever aezoo looks something up, so it imports no torch; the maths is beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import aezoo
from pydantic import Field

SUMMARY = "Student's t: like a Gaussian near its middle, and forgiving of values far out."
PAPER = "Lange, Little & Taylor 1989, Robust statistical modeling using the t distribution, JASA 84, 881-896"


class MyModelOptions(aezoo.Config):
    """Options of the likelihood ``my-model``."""

    freedom: float = Field(4.0, gt=2, description="ν, degrees of freedom: the fewer, the heavier the tails")
    scale: float = Field(1.0, gt=0, description="s, in units of the scaled data")


@aezoo.hookimpl
def aezoo_likelihoods() -> Iterator[aezoo.Part]:
    """The distribution, which any model takes by ``--likelihood my-model``."""
    yield aezoo.Part(
        "my-model",
        "aezoo_my_model.density:MyModelLikelihood",
        MyModelOptions,
        summary=SUMMARY,
        references=(PAPER,),
    )
