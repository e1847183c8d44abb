"""Progress with rate and remaining time on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Progress:
    """Shows how far a run is; ``enabled=None`` asks whether standard error is a terminal."""

    def __init__(self, enabled: bool | None = None) -> None:
        self.enabled = sys.stderr.isatty() if enabled is None else enabled
        self._bar: Any = None
        self._task: Any = None

    @contextmanager
    def of(self, epochs: int, rows: int) -> Iterator[None]:
        """Shows ``epochs`` passes over ``rows`` rows for the time of the block."""
        if not self.enabled:
            yield
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% {task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as self._bar:
            self._task = self._bar.add_task("", total=epochs * rows, epoch=1, epochs=epochs, rate="")
            self._rows = rows
            yield
        self._bar = None

    def advance(self, rows: int) -> None:
        """Notes ``rows`` more rows."""
        if self._bar is None:
            return
        self._bar.advance(self._task, rows)
        task = self._bar.tasks[0]
        epoch = min(int(task.completed // self._rows) + 1, task.fields["epochs"])
        self._bar.update(self._task, epoch=epoch, rate=f"{task.speed:,.0f} rows/s" if task.speed else "")
