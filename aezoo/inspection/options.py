"""The options of the inspections; knows no torch. A name means the same in all of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aezoo.core.config import Config, Numbers

Draws = Annotated[int, Field(ge=1, le=1_000_000, description="draws of the posterior per example")]
Rows = Annotated[int, Field(ge=1, le=10_000_000, description="rows looked at, chosen by the seed")]
Index = Annotated[int, Field(ge=0, description="number of the row in the split")]


class EstimatorsOptions(Config):
    """Options of ``estimators``."""

    rows: Rows = 500
    draws: Draws = 100


class GradientsOptions(Config):
    """Options of ``gradients``."""

    rows: Rows = 100
    draws: Draws = 1
    repeats: int = Field(200, ge=2, le=100_000, description="gradients drawn to measure their variance")


class LikelihoodOptions(Config):
    """Options of ``likelihood``."""

    rows: Rows = 1000
    draws: Draws = 500


class GapOptions(Config):
    """Options of ``gap``."""

    rows: Rows = 50
    draws: Draws = 1000
    steps: int = Field(300, ge=1, le=100_000, description="optimizer steps on each row's own posterior")
    start: Literal["encoder", "prior"] = Field(
        "encoder", description="where each row's own posterior starts; from the prior, no encoder has a part in it"
    )


class VarianceOptions(Config):
    """Options of ``variance``."""

    rows: Rows = 10_000
    draws: Draws = 10


class DependenceOptions(Config):
    """Options of ``dependence``."""

    rows: Rows = 2000
    draws: Draws = 10


class FieldOptions(Config):
    """Options of ``field``."""

    points: int = Field(25, ge=2, le=200, description="points of the grid along each axis")
    steps: int = Field(30, ge=1, le=10_000, description="steps of the walk along the field")
    rate: float = Field(1.0, gt=0, description="share of the field that a step of the walk takes")


class SpectrumOptions(Config):
    """Options of ``spectrum``."""

    rows: Rows = 500


class ContractionOptions(Config):
    """Options of ``contraction``."""

    rows: Rows = 1000
    distances: int = Field(12, ge=1, le=1000, description="distances from the rows, the first of them close by")
    directions: int = Field(8, ge=1, le=10_000, description="random directions at each distance")


class TangentsOptions(Config):
    """Options of ``tangents``."""

    index: Index = 0
    count: int = Field(8, ge=1, le=64, description="directions shown")


class PCAOptions(Config):
    """Options of ``pca``."""

    rows: Rows = 60_000


class SparsityOptions(Config):
    """Options of ``sparsity``."""

    rows: Rows = 10_000


class FeaturesOptions(Config):
    """Options of ``features``."""

    rows: Rows = 10_000
    units: Numbers | None = Field(None, description="units to show, such as 0,5,7 (default: those that fire most)")
    count: int = Field(8, ge=1, le=64, description="inputs shown of each unit")


class PlaneOptions(Config):
    """Options of ``plane``."""

    dims: Numbers | None = Field(None, description="two values of the code, such as 0,1 (default: the most active)")
    points: int = Field(15, ge=2, le=64, description="points of the grid along each axis")


class InterpolationOptions(Config):
    """Options of ``interpolation``."""

    between: Numbers = Field((0, 1), description="numbers of two rows in the split")
    steps: int = Field(9, ge=2, le=64, description="data along the way, ends included")


class TraversalOptions(Config):
    """Options of ``traversal``."""

    index: Index = 0
    dims: Numbers | None = Field(None, description="values of the code to move (default: the most active)")
    steps: int = Field(9, ge=2, le=64, description="values along each dimension")


class ClassesOptions(Config):
    """Options of ``classes``."""

    rows: Rows = 10_000


class DimensionsOptions(Config):
    """Options of ``dimensions``."""

    rows: Rows = 10_000


class CodebookOptions(Config):
    """Options of ``codebook``."""

    rows: Rows = 10_000
