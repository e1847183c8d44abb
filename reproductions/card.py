"""What a card is: published figures, the recipe behind them, how near a re-run must come, and the result it leaves.

A result is a JSON file:

- ``card``, ``title``, ``source``, ``recipe``, ``models``: as the card states them.
- ``form``: ``full``, or ``short`` with ``difference`` saying in what it falls short of the full recipe.
- ``seeds``: of the trainings, one after the other.
- ``rows``: one a figure: ``name``; ``published``, null where nothing was; ``obtained``, the mean over the seeds, and
  ``per_seed``; ``tolerance`` with ``low``, ``high`` (null: no bound) and ``text``, or null for a figure that is shown
  and not judged; ``accept``: whether the figure of every seed lies within, null where it is not judged.
- ``accept``: whether every judged row is accepted.
- ``notes``: what a reader should know, such as what was tried where a number did not come out.
- ``versions``, ``machine``, ``seconds``: what it was run with and how long it took.
"""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

import aezoo
from aezoo.errors import DataError

CHECKOUT = Path(__file__).resolve().parent.parent


class Tolerance(NamedTuple):
    """The closed interval in which a figure is accepted; None is no bound."""

    low: float | None
    high: float | None
    text: str

    def accepts(self, value: float) -> bool:
        """Whether ``value`` lies within; what is not finite lies nowhere."""
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return math.isfinite(value) and low <= value <= high


def within(center: float, reach: float) -> Tolerance:
    """``center`` ± ``reach``."""
    return Tolerance(center - reach, center + reach, f"{center:g} ± {reach:g}")


def within_percent(center: float, percent: float) -> Tolerance:
    """``center`` ± ``percent`` % of it."""
    reach = abs(center) * percent / 100
    return Tolerance(center - reach, center + reach, f"{center:g} ± {percent:g} %")


def at_most(high: float) -> Tolerance:
    """No more than ``high``."""
    return Tolerance(None, high, f"≤ {high:g}")


def at_least(low: float) -> Tolerance:
    """No less than ``low``."""
    return Tolerance(low, None, f"≥ {low:g}")


def positive() -> Tolerance:
    """More than zero: the tolerance of an order, as a difference of two figures."""
    return Tolerance(math.nextafter(0, 1), None, "> 0")


class Figure(NamedTuple):
    """One number of a card: as published, and how near a re-run must come (None: shown, not judged)."""

    name: str
    published: float | None = None
    tolerance: Tolerance | None = None


@dataclass(frozen=True)
class Card:
    """One reproduction.

    Args:
        name: of the card, its script and its result.
        title: one line.
        source: where the figures were published.
        recipe: what is trained, and how.
        models: the registered models that are held to it.
        figures: what is compared.
        measure: ``measure(context, seed)`` trains with that seed and returns one number for each of the figures.
        data: folders of data that it reads, such as ``mnist``.
        short: in what the default form falls short of the recipe; None: the default is the recipe.
        full_figures: what is compared in the full form, where that differs.
        seeds: the default ones.
        notes: what a reader of the result should know.
    """

    name: str
    title: str
    source: str
    recipe: str
    models: Sequence[str]
    figures: Sequence[Figure]
    measure: Callable[[Context, int], dict[str, float]]
    data: Sequence[str] = ()
    short: str | None = None
    full_figures: Sequence[Figure] | None = None
    seeds: Sequence[int] = (0,)
    notes: Sequence[str] = field(default_factory=tuple)

    def compared(self, full: bool) -> Sequence[Figure]:
        """The figures of the full form, or of the default one."""
        return self.full_figures if full and self.full_figures is not None else self.figures


@dataclass
class Context:
    """What a card is run with.

    ``full`` says whether the whole recipe is wanted, ``out`` where pictures go (None: nowhere).
    """

    full: bool = False
    data_dir: Path | None = None
    device: str = "auto"
    out: Path | None = None
    progress: bool | None = None

    def folder(self, name: str) -> Path:
        """The folder ``name`` of the data; raises DataError when it is nowhere."""
        given = self.data_dir or os.environ.get("AEZOO_DATA")
        places = [Path(given)] if given else [CHECKOUT / "data", CHECKOUT.parent / "shared" / "data"]
        for place in places:
            if (place / name).is_dir():
                return place / name
        raise DataError(
            f"no folder {name!r} of data in {str(places[0])!r}: put it there, or name the folder that holds it with "
            "--data-dir or AEZOO_DATA."
        )

    def train(self, model: Any, data: Any = "mnist", *, seed: int, **options: Any) -> aezoo.Run:
        """``aezoo.train`` on the card's device; a name such as ``mnist`` is found in the folders of data."""
        data_dir = self.folder("mnist") if isinstance(data, str) and data.startswith("mnist") else None
        named = model if isinstance(model, str) else "a model of its own"
        print(f"  {named}, seed {seed} …", file=sys.stderr, flush=True)
        return aezoo.train(
            model, data, data_dir=data_dir, seed=seed, device=self.device, progress=self.progress, **options
        )


def run(card: Card, context: Context, seeds: Sequence[int] | None = None) -> dict[str, Any]:
    """The result of ``card``, see the module; raises DataError for missing data before anything is trained."""
    full = context.full or card.short is None
    figures = card.compared(full)
    for name in card.data:
        context.folder(name)
    seeds = tuple(card.seeds if seeds is None else seeds)
    start = time.perf_counter()
    # pictures are those of the first seed
    measured = [card.measure(context if seed == seeds[0] else replace(context, out=None), seed) for seed in seeds]
    seconds = time.perf_counter() - start
    wanted = {figure.name for figure in figures}
    for found in measured:
        if found.keys() != wanted:
            raise ValueError(f"card {card.name} measured {sorted(found)}, and compares {sorted(wanted)}")
    rows = [row(figure, [found[figure.name] for found in measured]) for figure in figures]
    return {
        "card": card.name,
        "title": card.title,
        "source": card.source,
        "recipe": card.recipe,
        "models": list(card.models),
        "form": "full" if full else "short",
        "difference": None if full else card.short,
        "seeds": list(seeds),
        "rows": rows,
        "accept": all(r["accept"] is not False for r in rows),
        "notes": list(card.notes),
        "versions": _versions(),
        "machine": _machine(context.device),
        "seconds": round(seconds, 1),
    }


def row(figure: Figure, values: Sequence[float]) -> dict[str, Any]:
    """One row of a result: a figure, and what was obtained with each seed."""
    mean = math.fsum(values) / len(values)
    tolerance = figure.tolerance
    return {
        "name": figure.name,
        "published": figure.published,
        "obtained": _plain(mean),
        "per_seed": [_plain(value) for value in values],
        "tolerance": None if tolerance is None else tolerance._asdict(),
        "accept": None if tolerance is None else all(map(tolerance.accepts, values)),
    }


def _plain(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def _versions() -> dict[str, str]:
    names = ("aezoo", "torch", "numpy", "scikit-learn")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def _machine(device: str) -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cuda = torch.cuda.is_available() and device != "cpu"
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if cuda else None,
    }
