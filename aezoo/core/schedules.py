"""Weights that move with the training step: constant, linear and cyclical.

A schedule is part of a model's config, so it is saved and resumed with the model and knows no trainer.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from aezoo.core.config import Config


class Linear(Config):
    """From ``start`` at step 0 to ``end`` at step ``steps``, constant afterwards (KL warm-up, Bowman et al. 2016).

    ``share``, in place of ``steps``, is the share of all steps of the training; beside them, the share at most.
    """

    kind: Literal["linear"] = "linear"
    start: float = Field(0.0, ge=0)
    end: float = Field(1.0, ge=0)
    steps: int | None = Field(None, ge=1)
    share: float | None = Field(None, gt=0, le=1)

    @model_validator(mode="after")
    def _one_length(self) -> Linear:
        if self.steps is None and self.share is None:
            raise ValueError("give steps or share")
        return self

    def at(self, step: int, total: int | None = None) -> float:
        """The weight at step ``step`` (0 is the first) of ``total``; where that is not known, a share is over."""
        steps = math.inf if self.steps is None else self.steps
        if self.share is not None:
            steps = min(steps, self.share * (total or 0))
        return self.start + (self.end - self.start) * (min(step / steps, 1.0) if steps else 1.0)


class Cyclical(Config):
    """A ramp from ``start`` to ``end`` over the first ``ramp`` of every ``period`` steps (Fu et al. 2019)."""

    kind: Literal["cyclical"] = "cyclical"
    start: float = Field(0.0, ge=0)
    end: float = Field(1.0, ge=0)
    period: int = Field(ge=1)
    ramp: float = Field(0.5, gt=0, le=1)

    def at(self, step: int, total: int | None = None) -> float:
        """The weight at optimizer step ``step`` (0 is the first)."""
        return self.start + (self.end - self.start) * min((step % self.period) / (self.period * self.ramp), 1.0)


def _from_text(value: Any) -> Any:
    """``"0.5"``, ``"linear:0:1:500"`` or ``"cyclical:0:1:500[:0.5]"``; steps of the first may be ``50%``, or both."""
    if not isinstance(value, str):
        return value
    kind, *numbers = value.split(":")
    last = {"linear": ("steps", "share"), "cyclical": ("period", "ramp")}.get(kind)
    fields: tuple[str, ...] | None = None if last is None else ("start", "end", *last)
    try:
        if fields is None:
            return float(value)
        if not 3 <= len(numbers) <= len(fields):
            raise ValueError
        if kind == "linear" and numbers[-1].endswith("%"):
            fields = fields if len(numbers) == 4 else (*fields[:2], "share")
            numbers[-1] = str(float(numbers[-1][:-1]) / 100)
        elif kind == "linear" and len(numbers) == 4:
            raise ValueError
        pairs = zip(fields, numbers, strict=False)
        return {"kind": kind} | {f: int(n) if f in ("steps", "period") else float(n) for f, n in pairs}
    except ValueError:
        raise ValueError(
            f"{value!r} is no weight: give a number, linear:START:END:STEPS (50% for half of all steps, 700:50% for "
            "the shorter of both) or cyclical:START:END:PERIOD[:RAMP]"
        ) from None


Schedule = Annotated[Linear | Cyclical, Field(discriminator="kind")]
Weight = Annotated[Annotated[float, Field(ge=0)] | Schedule, BeforeValidator(_from_text)]
"""A number of at least 0, or a schedule of the optimizer step; also as text, ``"linear:0:1:500"``."""


def _whole(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError("give a share of at most 1, or a whole number of steps")
    return value


Warmup = Annotated[float, Field(ge=0), AfterValidator(_whole)]
"""How long :func:`warmed_up` takes: a number of steps or, up to 1, a share of all of them."""


def warmed_up(weight: float | Linear | Cyclical, length: float) -> float | Linear | Cyclical:
    """``weight`` with a linear warm-up from 0 before it, of ``length`` steps or, up to 1, that share of all steps.

    So many steps are no more than half of all, that a short training too ends with the weight itself.

    A schedule is left as it is; so is any weight where ``length`` is 0.

    Examples:
        >>> aezoo.parts.warmed_up(4.0, 0.5).at(250, total=1000)
        2.0
        >>> [aezoo.parts.warmed_up(4.0, 1000).at(250, total) for total in (5000, 1000)]
        [1.0, 2.0]
    """
    if not length or not isinstance(weight, int | float):
        return weight
    return Linear(end=weight, share=length) if length <= 1 else Linear(end=weight, steps=int(length), share=0.5)


def weight_at(weight: float | Linear | Cyclical, step: int | None, total: int | None = None) -> float:
    """The value of ``weight`` at step ``step`` of ``total``; None is where its schedule leads, its ``end``."""
    if isinstance(weight, int | float):
        return weight
    return weight.end if step is None else weight.at(step, total)


def describe(weight: float | Linear | Cyclical) -> str:
    """``weight`` as the text that would give it."""
    if isinstance(weight, int | float):
        return f"{weight:g}"
    if isinstance(weight, Linear) and weight.share is not None:
        length = "" if weight.steps is None else f"{weight.steps}:"
        return f"linear:{weight.start}:{weight.end}:{length}{100 * weight.share:g}%"
    return ":".join(str(value) for value in weight.model_dump(exclude_none=True).values())
