"""How a model learns: one loop, optimizers, checkpoints, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aezoo.core.lazy import exporter

if TYPE_CHECKING:
    from aezoo.core.files import write_text, write_whole
    from aezoo.core.options import TrainConfig
    from aezoo.core.progress import Progress
    from aezoo.storage.checkpoint import MODEL_FILE, Header, build_model, load_model, read_header, save_model
    from aezoo.storage.folder import CONFIG_FILE, INSPECT_FOLDER, RESULTS_FILE, RunFolder, run_config
    from aezoo.storage.state import STATE_FILE, State
    from aezoo.training.batched import Together, pays
    from aezoo.training.engine.stack import NotTogetherError
    from aezoo.training.events import Events
    from aezoo.training.saving import HEARD, interrupt, terminate
    from aezoo.training.trainer import Metrics, Trainer, pick_device

_NAMES = {
    "MODEL_FILE": "aezoo.storage.checkpoint",
    "Header": "aezoo.storage.checkpoint",
    "build_model": "aezoo.storage.checkpoint",
    "load_model": "aezoo.storage.checkpoint",
    "read_header": "aezoo.storage.checkpoint",
    "save_model": "aezoo.storage.checkpoint",
    "TrainConfig": "aezoo.core.options",
    "CONFIG_FILE": "aezoo.storage.folder",
    "Events": "aezoo.training.events",
    "INSPECT_FOLDER": "aezoo.storage.folder",
    "RESULTS_FILE": "aezoo.storage.folder",
    "RunFolder": "aezoo.storage.folder",
    "run_config": "aezoo.storage.folder",
    "write_text": "aezoo.core.files",
    "write_whole": "aezoo.core.files",
    "Progress": "aezoo.core.progress",
    "NotTogetherError": "aezoo.training.engine.stack",
    "Together": "aezoo.training.batched",
    "pays": "aezoo.training.batched",
    "Metrics": "aezoo.training.trainer",
    "STATE_FILE": "aezoo.storage.state",
    "State": "aezoo.storage.state",
    "Trainer": "aezoo.training.trainer",
    "HEARD": "aezoo.training.saving",
    "interrupt": "aezoo.training.saving",
    "terminate": "aezoo.training.saving",
    "pick_device": "aezoo.training.trainer",
}
__getattr__ = exporter(__name__, _NAMES)
__all__ = [
    "CONFIG_FILE",
    "HEARD",
    "INSPECT_FOLDER",
    "MODEL_FILE",
    "RESULTS_FILE",
    "STATE_FILE",
    "Events",
    "Header",
    "Metrics",
    "NotTogetherError",
    "Progress",
    "RunFolder",
    "State",
    "Together",
    "TrainConfig",
    "Trainer",
    "build_model",
    "interrupt",
    "load_model",
    "pays",
    "pick_device",
    "read_header",
    "run_config",
    "save_model",
    "terminate",
    "write_text",
    "write_whole",
]
