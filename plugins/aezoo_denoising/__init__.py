"""Denoising autoencoders: the encoder sees corrupted data, the target stays clean."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

import aezoo
from aezoo import Choice, Config, PointConfig

SEED = Field(None, ge=0, lt=2**63, description="seed of a random stream of its own (default: the run's stream)")


class GaussianOptions(Config):
    """Options of the corruption ``gaussian``."""

    strength: float = Field(0.2, gt=0, description="standard deviation, in preprocessed units")
    seed: int | None = SEED


class MaskingOptions(Config):
    """Options of the corruption ``masking``."""

    strength: float = Field(0.3, gt=0, lt=1, description="share of values set to zero")
    seed: int | None = SEED


class SaltAndPepperOptions(Config):
    """Options of the corruption ``salt-and-pepper``."""

    strength: float = Field(0.3, gt=0, lt=1, description="share of values set to the least or greatest")
    seed: int | None = SEED


class DenoisingConfig(PointConfig):
    """Options of ``denoising``."""

    corruption: Choice = Field(
        Choice(name="gaussian"),
        description="what the encoder's input goes through in training",
        json_schema_extra={"kind": "corruption"},
    )


VINCENT = "Vincent et al. 2010, Stacked denoising autoencoders"
SCORE = "Vincent 2011, A connection between score matching and denoising autoencoders"


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The denoising autoencoder."""
    yield aezoo.Model(
        "denoising",
        DenoisingConfig,
        "aezoo_denoising.build:build",
        family="denoising",
        summary="Reconstructs clean data from a corrupted copy; under Gaussian noise it learns the density's gradient.",
        references=(VINCENT, SCORE),
    )


@aezoo.hookimpl
def aezoo_corruptions() -> Iterator[aezoo.Part]:
    """Corruptions that any model takes."""
    noise = "aezoo_denoising.noise:"
    yield aezoo.Part(
        "gaussian",
        noise + "GaussianNoise",
        GaussianOptions,
        family="denoising",
        summary="Adds Gaussian noise.",
        references=(SCORE,),
    )
    yield aezoo.Part(
        "masking",
        noise + "Masking",
        MaskingOptions,
        family="denoising",
        summary="Sets a random share of the values to zero.",
        references=(VINCENT,),
    )
    yield aezoo.Part(
        "salt-and-pepper",
        noise + "SaltAndPepper",
        SaltAndPepperOptions,
        family="denoising",
        summary="Sets a random share of the values to the least or the greatest, by a fair coin.",
        references=(VINCENT,),
    )
