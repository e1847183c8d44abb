"""What the package brings to aezoo, and the options of it.

This module is read whenever aezoo looks something up, so it imports no torch; the maths is beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import aezoo
from pydantic import Field

SUMMARY = "Units of a code pay for their correlations, so that no two say the same thing."
PAPER = "Cogswell et al. 2016, Reducing overfitting in deep networks by decorrelating representations, arXiv:1511.06068"


class MyModelOptions(aezoo.Config):
    """Options of the regularizer ``my-model``."""

    standardize: bool = Field(True, description="correlations, which small units do not escape, and not covariances")


@aezoo.hookimpl
def aezoo_regularizers() -> Iterator[aezoo.Part]:
    """The penalty, which any model takes by ``--regularizer my-model=0.1``."""
    yield aezoo.Part(
        "my-model",
        "aezoo_my_model.penalty:MyModelPenalty",
        MyModelOptions,
        family="decorrelation",
        summary=SUMMARY,
        references=(PAPER,),
    )
