"""A run: what went in, and what came out."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from aezoo import registry
from aezoo.core.options import ModelConfig, TrainConfig
from aezoo.data import Dataset, Splits, digest_of
from aezoo.model.assembly import distributions
from aezoo.model.autoencoder import Autoencoder
from aezoo.storage.checkpoint import Header
from aezoo.training import Metrics


@dataclass
class Run:
    """One training: what went in, and what came out.

    ``history`` holds the metrics of each epoch, ``results`` the figures of the test split, ``notes`` what a user
    should be told. ``folder`` is None for a run that writes nothing.

    Examples:
        >>> run.name, run.model.capabilities
        ('vae', ('stochastic', 'samples', 'bound', 'density'))
        >>> sorted(run.results)[:3]
        ['active_units', 'bits_per_dim', 'examples']
    """

    name: str
    model: Autoencoder
    dataset: Dataset
    splits: Splits
    config: ModelConfig | None
    training: TrainConfig
    folder: Path | None = None
    history: list[Metrics] = field(default_factory=list)
    results: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)

    @cached_property
    def header(self) -> Header:
        """What the checkpoint says of itself; made once, since it reads the versions of what is installed."""
        entry = registry.models[self.name] if self.name else None
        requires = distributions(self.config) if self.config else ()
        return Header(
            model=self.name,
            config=self.config.model_dump(mode="json") if self.config else {},
            data=self.model.spec,
            plugin=entry.plugin if entry else "",
            distribution=entry.distribution if entry else "",
            requires=requires,
            versions=_versions(entry.distribution if entry else "", *requires),
        )

    @cached_property
    def digest(self) -> str:
        """Of the data, so that a run which goes on notices when it is other data."""
        return digest_of(self.dataset)


def config_of(run: Run) -> dict[str, Any]:
    """All that decided a run, for its config.json."""
    header = run.header
    return {
        "model": run.name,
        "config": header.config,
        "training": run.training.model_dump(mode="json"),
        "data": run.dataset.source,
        "spec": run.dataset.spec.model_dump(mode="json"),
        "plugin": header.plugin,
        "distribution": header.distribution,
        "versions": header.versions,
        "digest": run.digest,
    }


def _versions(*distributions: str) -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3])), "torch": str(torch.__version__)}
    for name in dict.fromkeys(("aezoo", *distributions)):
        try:
            found[name] = importlib.metadata.version(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            continue
    return found
