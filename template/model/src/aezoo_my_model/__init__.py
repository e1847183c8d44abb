"""What the package brings to aezoo, and the options of it.

This module is read whenever aezoo looks something up, so it imports no torch; the maths is beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import aezoo
from pydantic import Field

SUMMARY = "Each unit pays by the logarithm of its square: a few large values cost less than many small ones."
PAPER = (
    "Olshausen & Field 1996, Emergence of simple-cell receptive field properties by learning a sparse code for "
    "natural images, Nature 381, 607-609"
)
SCALE = Field(0.5, gt=0, description="s, in units of the code: the value at which the penalty is steepest")


class MyModelConfig(aezoo.PointConfig):
    """Options of the model ``my-model``.

    The first three are every model's, with other defaults; the last two are its own.
    """

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code")
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    code_activation: aezoo.Choice = Field(
        aezoo.Choice(name="relu"),
        description="activation of the code",
        json_schema_extra={"kind": "activation"},
    )
    weight: aezoo.Weight = Field(0.05, description="weight of the penalty: a number, or a schedule of the step")
    scale: float = SCALE


class MyModelOptions(aezoo.Config):
    """Options of the regularizer ``my-model``."""

    scale: float = SCALE


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The model, for ``aezoo train --model my-model``."""
    yield aezoo.Model(
        "my-model",
        MyModelConfig,
        "aezoo_my_model.penalty:build",
        family="sparse",
        summary=SUMMARY,
        references=(PAPER,),
    )


@aezoo.hookimpl
def aezoo_regularizers() -> Iterator[aezoo.Part]:
    """The penalty, which any other model takes by ``--regularizer my-model=0.05``."""
    yield aezoo.Part(
        "my-model",
        "aezoo_my_model.penalty:MyModelPenalty",
        MyModelOptions,
        family="sparse",
        summary=SUMMARY,
        references=(PAPER,),
    )
