"""What an inspection is given, and what it finds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aezoo import registry
from aezoo.autoencoder import Autoencoder
from aezoo.data import Split, Splits
from aezoo.errors import PluginError, ZooError, is_out_of_memory
from aezoo.plots import save_figure
from aezoo.streams import random_stream
from aezoo.training import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Subject:
    """A trained model and the data to look at it with.

    ``rows`` is the split that was asked for; ``splits`` holds all three, for baselines that are fitted on the training
    split. ``seed`` is that of every draw.
    """

    model: Autoencoder
    splits: Splits
    rows: Split
    seed: int = 0


@dataclass(frozen=True)
class Finding:
    """What an inspection found.

    ``figures`` holds plain values that JSON knows: the numbers among them are printed, lists and dicts stay in the
    file. ``picture`` is a matplotlib Figure, where there is something to see.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    picture: Figure | None = None


def save_finding(finding: Finding, folder: str | Path, name: str, about: dict[str, Any]) -> list[Path]:
    """Writes ``name``.json, which begins with ``about``, and the picture ``name``.png; returns the paths written.

    Raises:
        OutputError: a file cannot be written.
    """
    written = [Path(folder) / f"{name}.json"]
    write_text(written[0], json.dumps({**about, "figures": finding.figures}, indent=1, ensure_ascii=False) + "\n")
    if finding.picture is not None:
        written.append(Path(folder) / f"{name}.png")
        save_figure(finding.picture, written[-1])
    return written


def look(subject: Subject, name: str, **options: Any) -> Finding:
    """What the registered inspection ``name`` finds; the model and every random stream are left as they were.

    Raises:
        UnknownNameError, UsageError: no such inspection, or an option that it does not have or that is out of range.
        CapabilityError, DataError: the model or the data is none that it can look at.
        PluginError: a plugin's inspection failed.
    """
    entry = registry.inspections[name]
    chosen = entry.options.parse(options, owner=f"inspection {name!r}")
    target = entry.resolve()
    try:
        with random_stream(subject.seed, subject.model.device):
            found = target(subject, chosen)
    except ZooError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise PluginError(
            f"inspection {name!r} of plugin {entry.plugin!r} ({entry.distribution}) failed: "
            f"{type(error).__name__}: {error}."
        ) from error
    if not isinstance(found, Finding):
        raise PluginError(
            f"inspection {name!r} of plugin {entry.plugin!r} ({entry.distribution}) returned "
            f"{type(found).__name__}, no aezoo.inspection.Finding."
        )
    return found
