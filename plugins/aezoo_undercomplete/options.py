"""The options of what the family registers; knows no torch."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

import aezoo
from aezoo import Choice, ModelConfig, PointConfig


class UndercompleteConfig(PointConfig):
    """Options of ``undercomplete``."""


class LinearConfig(ModelConfig):
    """Options of ``linear``: further layers are allowed, an activation is not."""

    hidden: aezoo.Sizes = Field((), description="sizes of further linear layers, mirrored")
    activation: Choice = Field(
        Choice(name="identity"),
        description="identity: a linear model has no other",
        json_schema_extra={"kind": "activation"},
    )

    @model_validator(mode="after")
    def _linear(self) -> Self:
        if self.activation.name != "identity":
            raise ValueError(f"a linear model has no activation {self.activation}: use model undercomplete")
        return self
