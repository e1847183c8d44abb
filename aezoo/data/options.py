"""The options of the built-in datasets and of the readers of files; knows no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from aezoo.core.config import Config

Rows = Annotated[int, Field(ge=1, le=100_000_000, description="number of rows drawn")]
Seed = Annotated[int, Field(ge=0, lt=2**32, description="seed of the draw")]
Noise = Annotated[float, Field(ge=0.0, description="standard deviation of the Gaussian noise on every value")]
Binarize = Annotated[
    Literal["none", "static", "dynamic"],
    Field(description="draw zeros and ones by the grey values: once, or for training afresh each time"),
]
FilePath = Annotated[str, Field(min_length=1, description="the file")]


class DigitsOptions(Config):
    """The digits have no options."""


class MnistOptions(Config):
    """Where MNIST is."""

    folder: str = Field("data/mnist", min_length=1, description="folder of the four IDX files, gzipped or not")
    binarize: Binarize = "none"


class IdxOptions(Config):
    """Where a dataset in MNIST's format is."""

    folder: str = Field(min_length=1, description="folder of train and t10k images (and labels) as IDX files")
    binarize: Binarize = "none"


class GaussianSubspaceOptions(Config):
    """The size and shape of a Gaussian cloud around a subspace."""

    rows: Rows = 2000
    dim: int = Field(20, ge=1, le=100_000, description="number of columns")
    rank: int = Field(4, ge=1, le=100_000, description="dimension of the subspace, dim at most")
    noise: Noise = 0.1
    seed: Seed = 0

    @field_validator("rank")
    @classmethod
    def _within(cls, rank: int, info: ValidationInfo) -> int:
        if rank > info.data.get("dim", rank):
            raise ValueError(f"the subspace cannot have more dimensions than the {info.data['dim']} columns")
        return rank


class SwissRollOptions(Config):
    """The size and noise of a swiss roll."""

    rows: Rows = 2000
    noise: Noise = 0.05
    seed: Seed = 0


class MoonsOptions(Config):
    """The size and noise of two moons."""

    rows: Rows = 2000
    noise: Noise = 0.05
    seed: Seed = 0


class CirclesOptions(Config):
    """The number and size of images of discs."""

    rows: Rows = 5000
    size: int = Field(16, ge=8, le=512, description="height and width of an image")
    noise: Noise = 0.0
    seed: Seed = 0


class SparseDictionaryOptions(Config):
    """The size and sparsity of sparse mixtures of random features."""

    rows: Rows = 20_000
    dim: int = Field(256, ge=1, le=100_000, description="number of columns")
    features: int = Field(512, ge=1, le=1_000_000, description="number of true features")
    active: float = Field(
        5.0, gt=0.0, description="expected number of active features, were all as frequent as the most frequent one"
    )
    decay: float = Field(0.99, gt=0.0, le=1.0, description="each feature's frequency relative to the one before")
    noise: Noise = 0.1
    seed: Seed = 0

    @field_validator("active")
    @classmethod
    def _probable(cls, active: float, info: ValidationInfo) -> float:
        if active > info.data.get("features", active):
            raise ValueError(f"no more can be active than the {info.data['features']} features")
        return active


class NpyOptions(Config):
    """A .npy file; it stays on disk and is read as it is needed."""

    path: FilePath


class SafetensorsOptions(Config):
    """A .safetensors file with a tensor x (and y, its labels); it stays on disk and is read as it is needed."""

    path: FilePath


class NpzOptions(Config):
    """A .npz file with an array x (and y, its labels), or with x_train and x_test."""

    path: FilePath


class CsvOptions(Config):
    """A table of numbers as text."""

    path: FilePath
    label: str | int | None = Field(None, description="name or index of the column that holds the label")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="what stands between cells; comma, semicolon or tab if not given"
    )
    header: bool | None = Field(None, description="whether line 1 names the columns; found out if not given")


class IdxFileOptions(Config):
    """An IDX file, gzipped or not, and the IDX file of its labels."""

    path: FilePath
    labels: str | None = Field(None, min_length=1, description="IDX file of the labels")
