"""Weights that move with the training step: constant, linear and cyclical.

A schedule is part of a model's config, so it is saved and resumed with the model and knows no trainer.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from aezoo.core.config import Config


class Linear(Config):
    """From ``start`` at step 0 to ``end`` at step ``steps``, constant afterwards (KL warm-up, Bowman et al. 2016)."""

    kind: Literal["linear"] = "linear"
    start: float = Field(0.0, ge=0)
    end: float = Field(1.0, ge=0)
    steps: int = Field(ge=1)

    def at(self, step: int) -> float:
        """The weight at optimizer step ``step`` (0 is the first)."""
        return self.start + (self.end - self.start) * min(step / self.steps, 1.0)


class Cyclical(Config):
    """A ramp from ``start`` to ``end`` over the first ``ramp`` of every ``period`` steps (Fu et al. 2019)."""

    kind: Literal["cyclical"] = "cyclical"
    start: float = Field(0.0, ge=0)
    end: float = Field(1.0, ge=0)
    period: int = Field(ge=1)
    ramp: float = Field(0.5, gt=0, le=1)

    def at(self, step: int) -> float:
        """The weight at optimizer step ``step`` (0 is the first)."""
        return self.start + (self.end - self.start) * min((step % self.period) / (self.period * self.ramp), 1.0)


def _from_text(value: Any) -> Any:
    """``"0.5"``, ``"linear:0:1:500"`` (start, end, steps) or ``"cyclical:0:1:500[:0.5]"`` as config values."""
    if not isinstance(value, str):
        return value
    kind, *numbers = value.split(":")
    fields = {"linear": ("start", "end", "steps"), "cyclical": ("start", "end", "period", "ramp")}.get(kind)
    try:
        if fields is None:
            return float(value)
        if not 3 <= len(numbers) <= len(fields):
            raise ValueError
        pairs = zip(fields, numbers, strict=False)
        return {"kind": kind} | {f: int(n) if f in ("steps", "period") else float(n) for f, n in pairs}
    except ValueError:
        raise ValueError(
            f"{value!r} is no weight: give a number, linear:START:END:STEPS or cyclical:START:END:PERIOD[:RAMP]"
        ) from None


Schedule = Annotated[Linear | Cyclical, Field(discriminator="kind")]
Weight = Annotated[Annotated[float, Field(ge=0)] | Schedule, BeforeValidator(_from_text)]
"""A number of at least 0, or a schedule of the optimizer step; also as text, ``"linear:0:1:500"``."""


def weight_at(weight: float | Linear | Cyclical, step: int | None) -> float:
    """The value of ``weight`` at optimizer step ``step``; None is where its schedule leads, its ``end``."""
    if isinstance(weight, int | float):
        return weight
    return weight.end if step is None else weight.at(step)


def describe(weight: float | Linear | Cyclical) -> str:
    """``weight`` as the text that would give it."""
    if isinstance(weight, int | float):
        return f"{weight:g}"
    return ":".join(str(value) for value in weight.model_dump().values())
