"""A run's folder: one writer at a time, and nothing of an older run is touched before the newer has a checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aezoo.errors import CheckpointError, OutputError, UsageError
from aezoo.training.files import write_text

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"
RESULTS_FILE = "results.json"
LOCK_FILE = ".lock"
INSPECT_FOLDER = "inspect"


class RunFolder:
    """Where a run writes.

    Raises:
        UsageError: the folder holds something already, and is not to be, or must not be, overwritten.
        OutputError: it is a file.
    """

    def __init__(self, path: str | Path, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self.begun = False
        self._refuse_full()

    def _refuse_full(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path} is a file: choose another folder for the run.")
        if not self.path.is_dir() or all(found.name == LOCK_FILE for found in self.path.iterdir()):
            return
        if not self.overwrite:
            raise UsageError(f"{self.path} exists: give --overwrite to replace it, or another --out.")
        if not (self.path / CONFIG_FILE).exists():
            raise UsageError(f"{self.path} is not empty and holds no run: --overwrite replaces runs only.")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Makes the folder and keeps other runs out of it; leaves no empty folder behind.

        Raises:
            UsageError: another run is writing there.
            OutputError: the folder cannot be made.
        """
        lock = self.path / LOCK_FILE
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = lock.open("w")
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror}): choose another --out.") from error
        with handle:
            if not _locked(handle, lock):
                raise UsageError(f"another run is writing into {self.path}: choose another --out.")
            try:
                self._refuse_full()
                yield
            finally:
                lock.unlink(missing_ok=True)
                for folder in made:
                    if folder.is_dir() and not any(folder.iterdir()):
                        folder.rmdir()

    def begin(self, config: dict[str, Any]) -> None:
        """Writes the config and clears away what is left of an older run; called once the first checkpoint is there."""
        for old in (METRICS_FILE, RESULTS_FILE, *(path.name for path in self.path.glob("*.png"))):
            (self.path / old).unlink(missing_ok=True)
        # what was seen in the older run says nothing of this one
        for found in (self.path / INSPECT_FOLDER).glob("*"):
            if found.suffix in (".json", ".png"):
                found.unlink()
        write_text(self.path / CONFIG_FILE, json.dumps(config, indent=1) + "\n")
        self.begun = True

    @property
    def state(self) -> str:
        """What the folder holds when a run is broken off, for a message."""
        if self.begun:
            return f"{self.path} holds the checkpoint of the last whole epoch"
        if (self.path / CONFIG_FILE).exists():
            return f"no epoch was done, and the older run in {self.path} is as it was"
        return "no epoch was done, and nothing was written"

    def append(self, metrics: dict[str, float]) -> None:
        """Adds a line to metrics.jsonl; raises OutputError."""
        path = self.path / METRICS_FILE
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(metrics) + "\n")
        except OSError as error:
            raise OutputError(f"{path} cannot be written ({error.strerror}).") from error

    def finish(self, results: Mapping[str, Any]) -> None:
        """Writes results.json."""
        write_text(self.path / RESULTS_FILE, json.dumps(dict(results), indent=1) + "\n")


def run_config(folder: str | Path) -> dict[str, Any]:
    """The config.json of a run's folder; raises CheckpointError when it is missing or broken."""
    path = Path(folder) / CONFIG_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): give a run's folder, or --data.") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is not what aezoo train writes: give a run's folder, or --data.")
    return content


def _locked(handle: Any, path: Path) -> bool:
    """Takes the lock that the system gives back even when the process is killed; True where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    # another run may have ended, and taken its file away, between our opening it and our locking it
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False
