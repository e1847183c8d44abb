"""aezoo: the autoencoder zoo.

``aezoo.train("contractive")`` trains, ``aezoo.load(path)`` loads, ``aezoo.registry`` finds. Names are loaded on first
use, so that importing aezoo brings no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from aezoo._lazy import exporter

if TYPE_CHECKING:
    from aezoo import data, errors, evaluation, inspection, parts, plots, registry, training
    from aezoo.api import inspect, load, train
    from aezoo.assembly import assemble
    from aezoo.autoencoder import Autoencoder
    from aezoo.config import Choice, Config, DataSpec, Sizes
    from aezoo.data import Dataset
    from aezoo.errors import ZooError
    from aezoo.evaluation import evaluate
    from aezoo.many import Runs, resume_many, train_many
    from aezoo.options import ModelConfig, PointConfig, TrainConfig, WeightedChoice
    from aezoo.registry import DatasetEntry, Inspection, Model, Part, hookimpl
    from aezoo.resuming import resume
    from aezoo.runs import Run
    from aezoo.schedules import Weight
    from aezoo.training import Trainer

__version__ = "0.1.0"

_MODULES = ("data", "errors", "evaluation", "inspection", "parts", "plots", "registry", "training")
_NAMES = {
    "Autoencoder": "aezoo.autoencoder",
    "Choice": "aezoo.config",
    "Config": "aezoo.config",
    "DataSpec": "aezoo.config",
    "Dataset": "aezoo.data",
    "DatasetEntry": "aezoo.registry",
    "Inspection": "aezoo.registry",
    "Model": "aezoo.registry",
    "ModelConfig": "aezoo.options",
    "Part": "aezoo.registry",
    "PointConfig": "aezoo.options",
    "Run": "aezoo.runs",
    "Runs": "aezoo.many",
    "Sizes": "aezoo.config",
    "TrainConfig": "aezoo.options",
    "Trainer": "aezoo.training",
    "Weight": "aezoo.schedules",
    "WeightedChoice": "aezoo.options",
    "ZooError": "aezoo.errors",
    "assemble": "aezoo.assembly",
    "evaluate": "aezoo.evaluation",
    "hookimpl": "aezoo.registry",
    "inspect": "aezoo.api",
    "load": "aezoo.api",
    "resume": "aezoo.resuming",
    "resume_many": "aezoo.many",
    "train": "aezoo.api",
    "train_many": "aezoo.many",
}
_named = exporter(__name__, _NAMES)


def __getattr__(name: str) -> Any:
    return importlib.import_module(f"aezoo.{name}") if name in _MODULES else _named(name)


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "Autoencoder",
    "Choice",
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
