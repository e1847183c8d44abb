"""How a model learns: one loop, optimizers, checkpoints, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aezoo._lazy import exporter

if TYPE_CHECKING:
    from aezoo.options import TrainConfig
    from aezoo.training.checkpoint import MODEL_FILE, Header, build_model, load_model, read_header, save_model
    from aezoo.training.events import Events
    from aezoo.training.files import write_text, write_whole
    from aezoo.training.folder import CONFIG_FILE, INSPECT_FOLDER, RESULTS_FILE, RunFolder, run_config
    from aezoo.training.progress import Progress
    from aezoo.training.saving import HEARD, interrupt, terminate
    from aezoo.training.state import STATE_FILE, State
    from aezoo.training.together import NotTogetherError, Together, pays
    from aezoo.training.trainer import Metrics, Trainer, pick_device

_NAMES = {
    "MODEL_FILE": "aezoo.training.checkpoint",
    "Header": "aezoo.training.checkpoint",
    "build_model": "aezoo.training.checkpoint",
    "load_model": "aezoo.training.checkpoint",
    "read_header": "aezoo.training.checkpoint",
    "save_model": "aezoo.training.checkpoint",
    "TrainConfig": "aezoo.options",
    "CONFIG_FILE": "aezoo.training.folder",
    "Events": "aezoo.training.events",
    "INSPECT_FOLDER": "aezoo.training.folder",
    "RESULTS_FILE": "aezoo.training.folder",
    "RunFolder": "aezoo.training.folder",
    "run_config": "aezoo.training.folder",
    "write_text": "aezoo.training.files",
    "write_whole": "aezoo.training.files",
    "Progress": "aezoo.training.progress",
    "NotTogetherError": "aezoo.training.together",
    "Together": "aezoo.training.together",
    "pays": "aezoo.training.together",
    "Metrics": "aezoo.training.trainer",
    "STATE_FILE": "aezoo.training.state",
    "State": "aezoo.training.state",
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
