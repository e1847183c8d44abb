"""The options of what the family registers; knows no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aezoo import Choice, Config, PointConfig

Missing = Literal["zero", "mean", "learned", "channel"]

SEED = Field(None, ge=0, lt=2**63, description="seed of a random stream of its own (default: the run's stream)")


class GaussianOptions(Config):
    """Options of the corruption ``gaussian``."""

    strength: float = Field(
        0.2,
        gt=0,
        description="standard deviation, in units of the scaled data: 1 is a column's own where it is standardised, "
        "and the whole range where it is not",
        json_schema_extra={"symbol": "σ"},
    )
    seed: int | None = SEED


class MaskingOptions(Config):
    """Options of the corruption ``masking``."""

    strength: float = Field(
        0.3, gt=0, lt=1, description="share of values that are missing", json_schema_extra={"symbol": "ν"}
    )
    missing: Missing = Field(
        "zero",
        description="what stands for them: zero, which of standardised data is the mean; the mean; a learned value; or "
        "a channel that tells the encoder of the mask",
    )
    seed: int | None = SEED


class SwapOptions(Config):
    """Options of the corruption ``swap``."""

    strength: float = Field(
        0.15, gt=0, lt=1, description="share of values taken from another row", json_schema_extra={"symbol": "ν"}
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
    copies: int = Field(1, ge=1, le=1000, description="of each row in a step, corrupted apart")
