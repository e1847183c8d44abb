"""What the package hears of runs.

This module is read whenever aezoo looks something up, so it imports no torch; what it does is beside it.
"""

from __future__ import annotations

from typing import Any

import aezoo


@aezoo.hookimpl
def aezoo_epoch_end(run: Any, metrics: dict[str, float]) -> None:
    """Adds the epoch to the run's table; a run that has no folder has none."""
    from aezoo_my_model.table import add

    if run.folder is not None:
        add(run.folder, metrics)
