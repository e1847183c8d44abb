"""The description of the data that a model is built for: shape, range, and of tables their columns; knows no torch."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from aezoo.core.config import Config, Sizes, listed

Kind = Literal["number", "count", "date", "binary", "ordinal", "category"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LEVELLED = ("binary", "ordinal", "category")
# of one column; more of them are names of rows, not levels
MOST_LEVELS = 10_000
# that a network takes of one datum
MOST_VALUES = 1_000_000

Texts = Annotated[tuple[str, ...], BeforeValidator(listed)]


class Column(Config):
    """One column of a table.

    ``number`` and ``date`` (seconds since 1970, UTC) are real values. ``count`` is a whole number from 0 on. The
    others hold the number of one of ``levels``, counted from 0: two of ``binary``, in rising order of ``ordinal``.
    ``holes`` says whether rows to learn from lacked some values.

    Examples:
        >>> aezoo.Column(name="colour", kind="category", levels=("blue", "red")).width
        2
    """

    name: str
    kind: Kind = "number"
    levels: Annotated[Texts, Field(max_length=MOST_LEVELS)] = ()
    holes: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        least = {"binary": 2, "ordinal": 2, "category": 1}.get(self.kind, 0)
        if len(self.levels) < least or (self.kind == "binary" and len(self.levels) > 2):
            raise ValueError(
                f"a {self.kind} column has {'two' if self.kind == 'binary' else f'{least} or more'} levels"
            )
        if self.levels and not least:
            raise ValueError(f"a {self.kind} column has no levels")
        if len(set(self.levels)) < len(self.levels):
            raise ValueError("the levels of a column differ from each other")
        return self

    @property
    def width(self) -> int:
        """How many values a network takes of it: one for each level of a category, else one."""
        return len(self.levels) if self.kind == "category" else 1

    @property
    def scaled(self) -> bool:
        """Whether preprocessing scales it, or leaves it as it is."""
        return self.kind in ("number", "date")


Columns = Annotated[tuple[Column, ...], Field(max_length=1_000_000), BeforeValidator(listed)]


class DataSpec(Config):
    """What a model must know of its data to be built: the shape of one datum, its range, its meaning.

    ``shape`` is ``(D,)`` for a table and ``(C, H, W)`` for images. ``low`` and ``high`` bound the raw values where
    they are known for every datum to come, not only for those seen. ``levels`` is the number of distinct values, from
    ``low`` to ``high`` in equal steps, of discrete data. ``scaling`` is what preprocessing ``auto`` means for it.
    ``series`` says that a datum is (T, C), the steps of a series with channels of their own scale. ``columns`` are
    those of a table whose names are known, or the channels of a series; ``aside`` names columns of its file that are no
    part of a datum, such as labels. ``unseen`` is what becomes of a level of a column that was not there to be learned:
    an error, or a missing value.

    Examples:
        >>> spec = aezoo.DataSpec(shape=(1, 8, 8), low=0, high=16, scaling="scale")
        >>> spec.size, spec.is_image
        (64, True)
    """

    name: str = "data"
    shape: Sizes
    low: float | None = None
    high: float | None = None
    levels: int | None = Field(None, ge=2, le=65536)
    classes: int | None = Field(None, ge=1)
    scaling: Literal["none", "scale", "standardize", "minmax"] = "standardize"
    series: bool = False
    columns: Columns = ()
    aside: Texts = ()
    unseen: Literal["error", "missing"] = "error"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.shape:
            raise ValueError("the shape of one datum needs at least one axis")
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high are given together or not at all")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError("low must be below high")
        if self.scaling == "scale" and self.low is None:
            raise ValueError("scaling 'scale' needs low and high")
        if sum(column.width for column in self.columns) > MOST_VALUES:
            raise ValueError(f"the levels of all columns are more than {MOST_VALUES:,}")
        if self.series and len(self.shape) != 2:
            raise ValueError("a series has two axes, steps and channels")
        if self.columns and self.shape != ((self.shape[0],) if self.series else ()) + (len(self.columns),):
            raise ValueError(f"a datum of {len(self.columns)} columns has that one axis, and a series as many channels")
        names = {column.name for column in self.columns}
        if len(names) < len(self.columns) or names & set(self.aside):
            raise ValueError("the names of columns differ from each other")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Says nothing of series and columns where there are none: what describes other data stays what it was."""
        values: dict[str, Any] = handler(self)
        for name in ("columns", "aside", "unseen") if not self.columns else ():
            values.pop(name, None)
        if not self.series:
            values.pop("series", None)
        return values

    @property
    def size(self) -> int:
        """D, the number of values of one datum."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        """Whether one datum is (C, H, W)."""
        return len(self.shape) == 3

    @property
    def is_mixed(self) -> bool:
        """Whether some columns are no plain numbers, or lack values: such rows need a likelihood that knows of it."""
        return any(column.kind != "number" or column.holes for column in self.columns)
