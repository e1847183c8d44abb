"""The options of what the family registers; knows no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

import aezoo
from aezoo import Choice, Config, PointConfig


def _words(value: Any) -> Any:
    if isinstance(value, str) and value not in ("auto", "exact"):
        raise ValueError("this is a whole number, or one of the words auto and exact")
    # runs from before there were words say null for exact
    return "exact" if value is None else value


Projections = Annotated[Annotated[int, Field(ge=1)] | Literal["auto", "exact"], BeforeValidator(_words)]


PROJECTIONS: Projections = Field(
    "auto",
    description="random projections per step; exact; or auto: exact where that costs little, else one",
    json_schema_extra={"symbol": "P"},
)


class ContractionOptions(Config):
    """Options of the regularizer ``contraction``."""

    projections: Projections = PROJECTIONS


class ContractiveConfig(PointConfig):
    """Options of ``contractive``: weights are tied, so that a small encoder under a large decoder is no way out."""

    latent_dim: int = Field(32, ge=1, le=1_000_000, description="size of the code", json_schema_extra={"symbol": "Z"})
    network: Choice = Field(
        Choice(name="mlp", options={"tied": True}),
        description="network of encoder and decoder",
        json_schema_extra={"kind": "network"},
    )
    code_activation: Choice = Field(
        Choice(name="sigmoid"), description="activation of the code", json_schema_extra={"kind": "activation"}
    )
    contraction: aezoo.Weight = Field(
        0.5, description="weight of the Jacobian's squared norm", json_schema_extra={"symbol": "λ"}
    )
    projections: Projections = PROJECTIONS
