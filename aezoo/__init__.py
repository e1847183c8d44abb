"""aezoo: the autoencoder zoo.

``aezoo.train("contractive")`` trains, ``aezoo.load(path)`` loads, ``aezoo.registry`` finds. Names are loaded on first
use, so that importing aezoo brings no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from aezoo.core.lazy import exporter

if TYPE_CHECKING:
    from aezoo import data, errors, evaluation, inspection, parts, plots, registry, training
    from aezoo.api import inspect, load, train
    from aezoo.core.config import Choice, Config, Sizes
    from aezoo.core.options import ModelConfig, PointConfig, TrainConfig, WeightedChoice
    from aezoo.core.schedules import Warmup, Weight
    from aezoo.core.spec import Column, DataSpec
    from aezoo.data import Dataset
    from aezoo.errors import ZooError
    from aezoo.evaluation import evaluate
    from aezoo.model.assembly import assemble
    from aezoo.model.autoencoder import Autoencoder
    from aezoo.registry import DatasetEntry, Inspection, Model, Part, hookimpl
    from aezoo.runs.repeats import Runs, resume_many, train_many
    from aezoo.runs.resume import resume
    from aezoo.runs.run import Run
    from aezoo.training import Trainer

__version__ = "0.1.0"

_MODULES = ("data", "errors", "evaluation", "inspection", "parts", "plots", "registry", "training")
_NAMES = {
    "Autoencoder": "aezoo.model.autoencoder",
    "Choice": "aezoo.core.config",
    "Column": "aezoo.core.spec",
    "Config": "aezoo.core.config",
    "DataSpec": "aezoo.core.spec",
    "Dataset": "aezoo.data",
    "DatasetEntry": "aezoo.registry",
    "Inspection": "aezoo.registry",
    "Model": "aezoo.registry",
    "ModelConfig": "aezoo.core.options",
    "Part": "aezoo.registry",
    "PointConfig": "aezoo.core.options",
    "Run": "aezoo.runs.run",
    "Runs": "aezoo.runs.repeats",
    "Sizes": "aezoo.core.config",
    "TrainConfig": "aezoo.core.options",
    "Trainer": "aezoo.training",
    "Warmup": "aezoo.core.schedules",
    "Weight": "aezoo.core.schedules",
    "WeightedChoice": "aezoo.core.options",
    "ZooError": "aezoo.errors",
    "assemble": "aezoo.model.assembly",
    "evaluate": "aezoo.evaluation",
    "hookimpl": "aezoo.registry",
    "inspect": "aezoo.api",
    "load": "aezoo.api",
    "resume": "aezoo.runs.resume",
    "resume_many": "aezoo.runs.repeats",
    "train": "aezoo.api",
    "train_many": "aezoo.runs.repeats",
}
_named = exporter(__name__, _NAMES)


def __getattr__(name: str) -> Any:
    return importlib.import_module(f"aezoo.{name}") if name in _MODULES else _named(name)


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "Autoencoder",
    "Choice",
    "Column",
    "Config",
    "DataSpec",
    "Dataset",
    "DatasetEntry",
    "Inspection",
    "Model",
    "ModelConfig",
    "Part",
    "PointConfig",
    "Run",
    "Runs",
    "Sizes",
    "TrainConfig",
    "Trainer",
    "Warmup",
    "Weight",
    "WeightedChoice",
    "ZooError",
    "assemble",
    "data",
    "errors",
    "evaluate",
    "evaluation",
    "hookimpl",
    "inspect",
    "inspection",
    "load",
    "parts",
    "plots",
    "registry",
    "resume",
    "resume_many",
    "train",
    "train_many",
    "training",
]
