"""Looking at a trained model: each inspection turns it and some data into figures and a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aezoo.core.lazy import exporter

if TYPE_CHECKING:
    from aezoo.inspection.finding import Finding, Subject, look, save_finding

_NAMES = dict.fromkeys(("Finding", "Subject", "look", "save_finding"), "aezoo.inspection.finding")
__getattr__ = exporter(__name__, _NAMES)
__all__ = ["Finding", "Subject", "look", "save_finding"]
