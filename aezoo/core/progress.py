"""Progress with rate and remaining time on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Progress:
    """Shows how far a run is; ``enabled=None`` asks whether standard error is a terminal.

    Examples:
        >>> progress = aezoo.training.Progress(enabled=False)
        >>> with progress.of(2, 100):
        ...     progress.advance(50)
    """

    # a bar that is redrawn at every step of a small model takes longer than the step
    SECONDS = 0.1

    def __init__(self, enabled: bool | None = None) -> None:
        self.enabled = sys.stderr.isatty() if enabled is None else enabled
        self._bar: Any = None
        self._task: Any = None
        self._done = self._epochs = self._rows = 0
        self._shown = 0.0

    @contextmanager
    def of(self, epochs: int, rows: int, what: str = "epoch") -> Iterator[None]:
        """Shows ``epochs`` passes over ``rows`` rows for the time of the block; ``what`` names a pass."""
        if not self.enabled:
            yield
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn(what if epochs == 1 else f"{what} {{task.fields[epoch]}}/{epochs}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% {task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._done, self._epochs, self._rows = 0, epochs, rows
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as self._bar:
            self._task = self._bar.add_task("", total=epochs * rows, epoch=1, rate="")
            yield
        self._bar = None

    def advance(self, rows: int) -> None:
        """Notes ``rows`` more rows."""
        if self._bar is None:
            return
        self._done += rows
        now = time.monotonic()
        if now - self._shown < self.SECONDS:
            return
        self._shown = now
        speed = self._bar.tasks[0].speed
        epoch = min(self._done // self._rows + 1, self._epochs)
        rate = f"{speed:,.0f} rows/s" if speed else ""
        self._bar.update(self._task, completed=self._done, epoch=epoch, rate=rate)
