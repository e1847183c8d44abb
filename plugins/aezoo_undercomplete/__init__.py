"""Undercomplete autoencoders: a code smaller than the data is the only constraint."""

from __future__ import annotations

from collections.abc import Iterator
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


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The plain autoencoder, and the linear one."""
    yield aezoo.Model(
        "undercomplete",
        UndercompleteConfig,
        "aezoo_undercomplete.build:build",
        family="undercomplete",
        summary="A deterministic code smaller than the data, trained to reconstruct it.",
        references=("Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks",),
    )
    yield aezoo.Model(
        "linear",
        LinearConfig,
        "aezoo_undercomplete.build:build",
        family="undercomplete",
        summary="Without activations: the best code spans the subspace of the first principal components.",
        references=("Baldi & Hornik 1989, Neural networks and principal component analysis",),
    )
