"""The options of the built-in datasets and of the readers of files; knows no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from aezoo.core.config import Config, listed
from aezoo.core.spec import KINDS, Kind

Rows = Annotated[int, Field(ge=1, le=100_000_000, description="number of rows drawn")]
Seed = Annotated[int, Field(ge=0, lt=2**32, description="seed of the draw")]
Noise = Annotated[float, Field(ge=0.0, description="standard deviation of the Gaussian noise on every value")]
Binarize = Annotated[
    Literal["none", "static", "dynamic"],
    Field(description="draw zeros and ones by the grey values: once, or for training afresh each time"),
]
ArrayLayout = Annotated[
    Literal["auto", "image", "series", "table"],
    Field(description="what three axes are: grey images (N, H, W), windows (N, steps, channels), or columns; guessed"),
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


class WindowOptions(Config):
    """Windows of a series whose steps are the rows of a table."""

    window: int | None = Field(None, ge=2, le=1_000_000, description="rows are windows of so many steps of a series")
    stride: int = Field(1, ge=1, le=1_000_000, description="steps from one window to the next")


class ArrayOptions(WindowOptions):
    """An array."""

    layout: ArrayLayout = "auto"
    holes: bool = Field(False, description="NaN stands for a missing value, in tables (N, D)")


class NpyOptions(ArrayOptions):
    """A .npy file; it stays on disk and is read as it is needed."""

    path: FilePath


class SafetensorsOptions(ArrayOptions):
    """A .safetensors file with a tensor x (and y, its labels); it stays on disk and is read as it is needed."""

    path: FilePath


class NpzOptions(ArrayOptions):
    """A .npz file with an array x (and y, its labels), or with x_train and x_test."""

    path: FilePath


def _texts(value: Any) -> Any:
    """``"a;b"`` as well as a list; a number is its text."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(";"))
    return tuple(f"{one:g}" if isinstance(one, float) else str(one) for one in listed(value))


def _kinds(value: Any) -> Any:
    """``"zip:category;size:ordinal:small<large"`` as well as a mapping of names to such words."""
    if isinstance(value, str):
        parts = [part.partition(":") for part in value.split(";")]
        value = {name.strip(): word.strip() for name, _, word in parts}
    if not isinstance(value, dict) or not all(isinstance(word, str) for word in value.values()):
        raise ValueError("kinds are written NAME:KIND;NAME:KIND")
    for word in value.values():
        kind_of(word)
    return value


def kind_of(word: str) -> tuple[Kind, tuple[str, ...]]:
    """``"ordinal:small<large"`` as a kind and its levels in order; raises ValueError for no kind."""
    kind, _, levels = word.partition(":")
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of column: use {', '.join(KINDS)}")
    return kind, tuple(level.strip() for level in levels.split("<")) if levels else ()


Names = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class TableOptions(WindowOptions):
    """What a user says of a table."""

    time: str | None = Field(None, min_length=1, description="name of the column of times, by which steps are in order")
    label: str | int | None = Field(None, description="name or index of the column that holds the label")
    columns: Names = Field((), description="names of the columns to learn from, such as age;income; all if not given")
    drop: Names = Field((), description="names of columns to leave out, such as id;name")
    index: str | int | None = Field(None, description="name or index of a column that numbers or names the rows")
    missing: Names = Field((), description="what stands for a missing value beside empty cells, such as -999;unknown")
    kinds: Annotated[dict[str, str], BeforeValidator(_kinds)] = Field(
        {},
        description="what columns are, such as zip:category;visits:count;size:ordinal:small<large: number, count, "
        "date, binary, ordinal or category; found out if not given",
    )
    levels: int = Field(256, ge=2, le=10_000, description="a column of more different words is set aside")
    unseen: Literal["error", "missing"] = Field(
        "error", description="what a word is that no row to learn from held: an error, or a missing value"
    )


class StoreOptions(ArrayOptions):
    """An HDF5, Zarr, NetCDF or MATLAB file of arrays."""

    path: FilePath
    key: str | None = Field(
        None, min_length=1, description="name of the array; x, X, data or the only one if not given"
    )
    layout: ArrayLayout = "auto"


class TableFileOptions(TableOptions):
    """A table in a file that says what its columns are."""

    path: FilePath


class SheetOptions(TableOptions):
    """A sheet of a spreadsheet."""

    path: FilePath
    sheet: str | int = Field(0, description="name or number of the sheet, counted from 0")


class LibsvmOptions(Config):
    """A text of sparse rows."""

    path: FilePath
    columns: int | None = Field(
        None, ge=1, le=1_000_000, description="how many columns; as many as are named, if not given"
    )


class AnndataOptions(Config):
    """A table of counts with names, as single-cell analysis keeps it."""

    path: FilePath
    label: str | None = Field(None, min_length=1, description="column of obs that holds the label")
    layer: str | None = Field(None, min_length=1, description="layer to read instead of X")
    backed: bool = Field(False, description="read X from the file alone, without what else is in it")


class TsOptions(Config):
    """A .ts file of the UCR and UEA archives."""

    path: FilePath


class TenxOptions(Config):
    """A folder of 10x Genomics."""

    path: FilePath


class CsvOptions(TableOptions):
    """A table as text."""

    path: FilePath
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="what stands between cells; comma, semicolon or tab if not given"
    )
    header: bool | None = Field(None, description="whether line 1 names the columns; found out if not given")
    decimal: Literal[".", ","] | None = Field(None, description="what stands before decimals; found out if not given")
    encoding: str = Field("utf-8", min_length=1, description="how letters are stored, such as latin-1 or utf-16")


def _size(value: Any) -> Any:
    """``"64"`` and ``"64;48"`` as well as one or two numbers."""
    if isinstance(value, str):
        value = tuple(value.split(";"))
    try:
        found = tuple(int(part) for part in listed(value))
    except (TypeError, ValueError):
        found = (0,)
    if len(found) > 2 or not all(0 < part <= 16_384 for part in found):
        raise ValueError("a size is a number of pixels, or height and width, such as 64;48")
    return found


class HubOptions(TableOptions):
    """A data set of the library datasets."""

    config: str | None = Field(None, min_length=1, description="name of its configuration, where it has several")
    split: str | None = Field(
        None, min_length=1, description="the split to read; train, and test to measure on, if not given"
    )
    rows: int | None = Field(None, ge=1, description="so many rows, the first ones")
    stream: bool = Field(False, description="read as it comes, instead of fetching all of it")
    size: Annotated[tuple[int, ...], BeforeValidator(_size)] = Field((), description="height and width of its images")


class SavedOptions(HubOptions):
    """A folder that the library datasets saved."""

    path: FilePath


class ImagesOptions(Config):
    """A folder of images, or a zip or tar archive of them."""

    path: FilePath
    size: Annotated[tuple[int, ...], BeforeValidator(_size)] = Field(
        (),
        description="height and width to bring all images to, such as 64 or 64;48; they are of one size if not given",
    )
    fit: Literal["resize", "crop", "pad"] = Field(
        "resize", description="how: changed in shape, cut, or with black borders"
    )
    mode: Literal["auto", "grey", "rgb"] = Field(
        "auto", description="channels; auto takes colour where some image has it"
    )
    skip_broken: bool = Field(False, description="leave images out that cannot be read; they are counted")
    cache: str | None = Field(
        None, description="folder to keep decoded pixels in; beyond memory the user's cache folder"
    )


class IdxFileOptions(Config):
    """An IDX file, gzipped or not, and the IDX file of its labels."""

    path: FilePath
    labels: str | None = Field(None, min_length=1, description="IDX file of the labels")
