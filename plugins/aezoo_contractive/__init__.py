"""Contractive autoencoders: codes that hardly move when the data does."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

import aezoo
from aezoo import Choice, Config, PointConfig

PROJECTIONS = Field(None, ge=1, description="random projections per step (default: the exact Jacobian)")
RIFAI = "Rifai et al. 2011, Contractive auto-encoders: explicit invariance during feature extraction"


class ContractionOptions(Config):
    """Options of the regularizer ``contraction``."""

    projections: int | None = PROJECTIONS


class ContractiveConfig(PointConfig):
    """Options of ``contractive``."""

    code_activation: Choice = Field(
        Choice(name="sigmoid"), description="activation of the code", json_schema_extra={"kind": "activation"}
    )
    contraction: aezoo.Weight = Field(0.03, description="weight of the Jacobian's squared norm")
    projections: int | None = PROJECTIONS


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The contractive autoencoder."""
    yield aezoo.Model(
        "contractive",
        ContractiveConfig,
        "aezoo_contractive.build:build",
        family="contractive",
        summary="Penalises the squared Frobenius norm of the encoder's Jacobian, at the clean input.",
        references=(RIFAI,),
    )


@aezoo.hookimpl
def aezoo_regularizers() -> Iterator[aezoo.Part]:
    """The penalty, for any model."""
    yield aezoo.Part(
        "contraction",
        "aezoo_contractive.jacobian:Contraction",
        ContractionOptions,
        family="contractive",
        summary="The squared Frobenius norm of the encoder's Jacobian.",
        references=(RIFAI,),
    )
