"""The options of what the family registers; knows no torch."""

from __future__ import annotations

from pydantic import Field

from aezoo import Choice, Config, PointConfig

SEED = Field(None, ge=0, lt=2**63, description="seed of a random stream of its own (default: the run's stream)")


class GaussianOptions(Config):
    """Options of the corruption ``gaussian``."""

    strength: float = Field(
        0.2, gt=0, description="standard deviation, in preprocessed units", json_schema_extra={"symbol": "σ"}
    )
    seed: int | None = SEED


class MaskingOptions(Config):
    """Options of the corruption ``masking``."""

    strength: float = Field(
        0.3, gt=0, lt=1, description="share of values set to zero", json_schema_extra={"symbol": "ν"}
    )
    seed: int | None = SEED


class SaltAndPepperOptions(Config):
    """Options of the corruption ``salt-and-pepper``."""

    strength: float = Field(
        0.3, gt=0, lt=1, description="share of values set to the least or greatest", json_schema_extra={"symbol": "ν"}
    )
    seed: int | None = SEED


class DenoisingConfig(PointConfig):
    """Options of ``denoising``."""

    corruption: Choice = Field(
        Choice(name="gaussian"),
        description="what the encoder's input goes through in training",
        json_schema_extra={"kind": "corruption"},
    )
