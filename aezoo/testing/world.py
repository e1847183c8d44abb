"""What a model shares with everything else in its process."""

from __future__ import annotations

import os
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch


def world() -> dict[str, Any]:
    """All of it, to be compared."""
    return {
        "torch's random stream": torch.get_rng_state().numpy().tobytes(),
        "NumPy's random stream": str(np.random.get_state()),
        "Python's random stream": random.getstate(),
        **settings(),
    }


def settings() -> dict[str, Any]:
    """That part of the world which is not drawn from."""
    return {
        "torch's default type": torch.get_default_dtype(),
        "torch's default device": str(torch.get_default_device()),
        "the number of torch's threads": torch.get_num_threads(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's anomaly mode": torch.is_anomaly_enabled(),
        "torch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
        "torch's precision of products": torch.get_float32_matmul_precision(),
        "cudnn's settings": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "NumPy's handling of errors": str(np.geterr()),
        "the filters of warnings": list(map(str, warnings.filters)),
        "the working folder": str(Path.cwd()),
        "the environment": {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "sys.path": list(sys.path),
        "standard output": id(sys.stdout),
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What differs between two looks at the world, in words."""
    return ", ".join(name for name in before if before[name] != after[name])
