"""What an inspection is given, and what it finds."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from aezoo import registry
from aezoo.core.files import write_text
from aezoo.core.rng import random_stream
from aezoo.data import Split, Splits
from aezoo.errors import STOPS, OutputError, PluginError, ZooError, is_out_of_memory
from aezoo.model.autoencoder import Autoencoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Subject:
    """A trained model and the data to look at it with.

    ``rows`` is the split that was asked for; ``splits`` holds all three, for baselines that are fitted on the training
    split. ``seed`` is that of every draw.

    Examples:
        >>> subject = aezoo.inspection.Subject(run.model, run.splits, run.splits.test, seed=1)
        >>> len(subject.rows)
        359
    """

    model: Autoencoder
    splits: Splits
    rows: Split
    seed: int = 0


@dataclass(frozen=True)
class Finding:
    """What an inspection found.

    ``figures`` holds plain values that JSON knows: the numbers among them are printed, lists and dicts stay in the
    file. ``look`` makes plain those of NumPy and torch, and None of a number that is not finite. ``picture`` is a
    matplotlib Figure, where there is something to see.

    Examples:
        >>> aezoo.inspection.Finding({"largest": 3.5}).figures
        {'largest': 3.5}
    """

    figures: dict[str, Any] = field(default_factory=dict)
    picture: Figure | None = None


def save_finding(finding: Finding, folder: str | Path, name: str, about: dict[str, Any]) -> list[Path]:
    """Writes ``name``.json, which begins with ``about``, and the picture ``name``.png; returns the paths written.

    The folder is made where it is missing, and an older picture goes where there is none now.

    Raises:
        OutputError: a file cannot be written.
        PluginError: the picture cannot be drawn.

    Examples:
        >>> found = aezoo.inspection.Finding({"largest": 3.5})
        >>> [path.name for path in aezoo.inspection.save_finding(found, "looked", "largest", {"seed": 0})]
        ['largest.json']
    """
    folder = Path(folder)
    figures, picture = folder / f"{name}.json", folder / f"{name}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if finding.picture is None:
            picture.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror or error}): choose another place.") from error
    if finding.picture is not None:
        _draw(finding.picture, picture, name)
    write_text(figures, json.dumps({**about, "figures": finding.figures}, indent=1, ensure_ascii=False) + "\n")
    return [figures] if finding.picture is None else [figures, picture]


def _draw(figure: Figure, path: Path, name: str) -> None:
    """matplotlib finds much of what is wrong with a picture only when it is drawn."""
    from aezoo.plots import save_figure

    try:
        save_figure(figure, path)
    except (ZooError, MemoryError):
        raise
    except Exception as error:
        raise PluginError(
            f"the picture of inspection {name!r} cannot be drawn: {type(error).__name__}: {error}."
        ) from error


def look(subject: Subject, name: str, **options: Any) -> Finding:
    """What the registered inspection ``name`` finds; the model and every random stream are left as they were.

    Raises:
        UnknownNameError, UsageError: no such inspection, or an option that it does not have or that is out of range.
        CapabilityError, DataError: the model or the data is none that it can look at.
        PluginError: a plugin's inspection failed, or found what is no Finding that JSON knows.

    Examples:
        >>> subject = aezoo.inspection.Subject(run.model, run.splits, run.splits.test)
        >>> sorted(aezoo.inspection.look(subject, "variance", rows=50).figures)[:2]
        ['examples', 'nll']
    """
    entry = registry.inspections[name]
    chosen = entry.options.parse(options, owner=f"inspection {name!r}")
    target = entry.resolve()
    of = f"inspection {name!r} of plugin {entry.plugin!r} ({entry.distribution})"
    try:
        with random_stream(subject.seed, subject.model.device):
            found = target(subject, chosen)
    except ZooError:
        raise
    except STOPS:
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        raise PluginError(f"{of} failed: {type(error).__name__}: {error}.") from error
    if not isinstance(found, Finding):
        raise PluginError(f"{of} returned {type(found).__name__}, no aezoo.inspection.Finding.")
    if not isinstance(found.figures, dict):
        raise PluginError(f"{of} found figures that are no dict but {type(found.figures).__name__}.")
    if found.picture is not None and not hasattr(found.picture, "savefig"):
        raise PluginError(f"{of} found a picture that is no matplotlib Figure but {type(found.picture).__name__}.")
    try:
        return Finding(_plain(found.figures), found.picture)
    except TypeError as error:
        raise PluginError(f"{of} found {error}, which JSON does not know: use numbers, texts, lists, dicts.") from None


def _plain(value: Any) -> Any:
    """``value`` as JSON has it; raises TypeError for what it has no form for."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int | str):
        return value
    raise TypeError(f"a {type(value).__name__} among its figures")
