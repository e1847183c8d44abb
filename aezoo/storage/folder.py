"""A run's folder: one writer at a time, and nothing of an older run is touched before the newer has a checkpoint."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aezoo.core.files import append_text, sync, sync_folder, write_text, writing
from aezoo.errors import CheckpointError, OutputError, UsageError
from aezoo.storage.checkpoint import MODEL_FILE
from aezoo.storage.lock import LOCK_FILE, Lock, is_taken
from aezoo.storage.state import STATE_FILE

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"
RESULTS_FILE = "results.json"
INSPECT_FOLDER = "inspect"
PICTURES = ("loss.png", "reconstructions.png", "samples.png", "codes.png")
MOST_CONFIG = 4 << 20
# where a newer run's first files wait, before and after they are all there
STAGED, READY = ".newer~", ".newer"


class RunFolder:
    """Where a run writes.

    Args:
        path: the folder.
        overwrite: an older run that is there is to be replaced.
        resume: the run that is there is to go on.

    Raises:
        UsageError: the folder holds something already, and is not to be, or must not be, overwritten; or another run
            is writing there.
        CheckpointError: there is no run that could go on.
        OutputError: it is a file, or cannot be written.

    Examples:
        >>> folder = aezoo.training.RunFolder("runs/new")
        >>> with folder.claimed():
        ...     folder.is_new
        True
        >>> aezoo.training.RunFolder("runs/vae")
        Traceback (most recent call last):
            ...
        aezoo.errors.UsageError: runs/vae exists: give --overwrite to replace it, go on with it by aezoo resume ...
    """

    def __init__(self, path: str | Path, overwrite: bool = False, resume: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self.resume = resume
        self.begun = resume
        self._lock: Lock | None = None
        try:
            os.fsencode(self.path)
            no_name = "\0" in str(self.path)
        except UnicodeEncodeError:
            no_name = True
        if no_name:
            raise UsageError(f"{str(path)!r} is no name that a folder can have: choose another --out.")
        for folder in (self.path, self.path.parent):
            # that of several runs is taken as long as any of them is trained
            if is_taken(folder):
                raise self._taken(folder)
        with writing(self.path):
            self._refuse()

    def _taken(self, folder: Path) -> UsageError:
        remedy = "wait for it to end, or stop it" if self.resume else "choose another --out"
        return UsageError(f"another run is writing into {folder}: {remedy}.")

    def _refuse(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path} is a file: choose another folder for the run.")
        is_run = (self.path / CONFIG_FILE).exists()
        if self.resume and not is_run:
            raise CheckpointError(f"{self.path} holds no run: give a folder that aezoo train printed.")
        if not self.path.is_dir() or all(_is_passing(found.name) for found in self.path.iterdir()):
            return
        if not self.resume and not self.overwrite:
            on = f", go on with it by aezoo resume {self.path}," if is_run else ""
            raise UsageError(f"{self.path} exists: give --overwrite to replace it{on} or another --out.")
        if not is_run:
            raise UsageError(f"{self.path} is not empty and holds no run: --overwrite replaces runs only.")
        for name in (CONFIG_FILE, METRICS_FILE, RESULTS_FILE, MODEL_FILE, STATE_FILE):
            found = self.path / name
            if os.path.lexists(found) and not found.is_file():
                what = "a link to nothing" if found.is_symlink() and not found.exists() else "no file"
                raise OutputError(f"{found} is {what}: move it away, or put back what was there.")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Makes the folder and keeps other runs out of it; leaves no empty folder behind.

        Raises:
            UsageError: another run is writing there.
            OutputError: the folder cannot be made.
        """
        if self._lock is not None:
            yield
            return
        made: list[Path] = []
        lock = Lock(self.path)
        try:
            with writing(self.path):
                made += [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
                self.path.mkdir(parents=True, exist_ok=True)
                for folder in made:
                    with contextlib.suppress(OSError):
                        # one that may be written into need not be readable
                        sync_folder(folder.parent)
                with writing(self.path / LOCK_FILE):
                    taken = lock.take()
                if not taken:
                    raise self._taken(self.path)
                self._lock = lock
                self._tidy()
                self._refuse()
            yield
        finally:
            self._lock = None
            lock.release()
            for folder in made:
                # the system itself refuses to remove one that is not empty
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def _tidy(self) -> None:
        """Takes away what a killed process was still writing, and ends what it had only to put in place."""
        for found in self.path.iterdir():
            if found.name == STAGED:
                shutil.rmtree(found)
            elif found.name == READY:
                self._take_over()
            elif found.name != LOCK_FILE and self._is_left(found.name) and not found.is_dir():
                found.unlink()

    def _is_left(self, name: str) -> bool:
        """Whether a file is one that aezoo, or safetensors in a run's folder, was writing beside its place."""
        return _is_passing(name) or (not self.is_new and re.fullmatch(r"\.tmp\w{6}", name) is not None)

    def check(self) -> None:
        """Raises OutputError where the folder is not the one that was claimed, and may be another run's by now."""
        if self.is_lost:
            raise OutputError(f"{self.path} was removed, moved or replaced while the run was writing into it")

    @property
    def is_lost(self) -> bool:
        """Whether the folder was removed, moved or replaced since it was claimed."""
        return self._lock is not None and self._lock.is_lost()

    @property
    def is_new(self) -> bool:
        """Whether there is no older run."""
        return not os.path.exists(self.path / CONFIG_FILE)  # noqa: PTH110 - pathlib's raises

    def begin(self, config: dict[str, Any], write: Callable[[Path], None] | None = None) -> None:
        """Writes the config and what ``write`` puts into the folder that it is given, in place of an older run.

        All is there before anything of the older run goes, and a process that is killed in between has replaced it
        wholly, or not at all, for whoever claims the folder next.

        Raises:
            OutputError: something cannot be written; the older run then is as it was.
        """
        self.check()
        if self.is_new and write is None:
            self.write_config(config)
            self.begun = True
            return
        staged = self.path / STAGED
        try:
            with writing(self.path):
                staged.mkdir()
                write_text(staged / CONFIG_FILE, json.dumps(config, indent=1) + "\n")
                if write is not None:
                    write(staged)
                staged.rename(self.path / READY)
                sync_folder(self.path)
                self.begun = True
                self._take_over()
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _take_over(self) -> None:
        """Puts a newer run's first files in place of an older run's."""
        ready = self.path / READY
        # the config goes first: as long as it waits, all else that is there is of the older run
        if (ready / CONFIG_FILE).exists():
            self._clear()
            (ready / CONFIG_FILE).replace(self.path / CONFIG_FILE)
        for found in ready.iterdir():
            found.replace(self.path / found.name)
        ready.rmdir()
        sync_folder(self.path)

    def _clear(self) -> None:
        """Takes away what is left of an older run, but for the config and the weights, which are replaced."""
        for name in (STATE_FILE, METRICS_FILE, RESULTS_FILE, *PICTURES):
            (self.path / name).unlink(missing_ok=True)
        # what was seen in the older run says nothing of this one
        for found in (self.path / INSPECT_FOLDER).glob("*"):
            if found.suffix in (".json", ".png") and not found.is_dir():
                found.unlink()

    def outdate(self) -> None:
        """Takes away the figures and pictures of weights that are about to be replaced."""
        with writing(self.path):
            for name in (RESULTS_FILE, *PICTURES):
                (self.path / name).unlink(missing_ok=True)

    def write_config(self, config: dict[str, Any]) -> None:
        """Writes config.json."""
        self.check()
        write_text(self.path / CONFIG_FILE, json.dumps(config, indent=1) + "\n")

    def write_metrics(self, history: Sequence[Mapping[str, Any]], place: Path | None = None) -> None:
        """Writes metrics.jsonl as a whole, over lines of epochs that were not saved, and are to come again."""
        lines = "".join(json.dumps(metrics) + "\n" for metrics in history)
        write_text((place or self.path) / METRICS_FILE, lines)

    def withdraw(self) -> None:
        """Takes back what a run began, that came to nothing."""
        if not self.is_lost:
            with contextlib.suppress(OSError):
                (self.path / CONFIG_FILE).unlink()
        self.begun = False

    def append(self, metrics: Mapping[str, Any]) -> None:
        """Adds a line to metrics.jsonl; raises OutputError."""
        self.check()
        append_text(self.path / METRICS_FILE, json.dumps(metrics) + "\n")

    def finish(self, results: Mapping[str, Any]) -> None:
        """Writes results.json, once all lines of metrics.jsonl are on the disk."""
        self.check()
        metrics = self.path / METRICS_FILE
        if metrics.exists():
            with writing(metrics):
                sync(metrics)
        write_text(self.path / RESULTS_FILE, json.dumps(dict(results), indent=1) + "\n")


def _is_passing(name: str) -> bool:
    """Whether a file is the lock, or one that a killed process was writing beside its place."""
    if name in (LOCK_FILE, STAGED, READY):
        return True
    return re.fullmatch(r"\.[\w-]+\.(safetensors|jsonl?|png)\.\w{8}\.\1", name) is not None


def run_config(folder: str | Path) -> dict[str, Any]:
    """The config.json of a run's folder; raises CheckpointError when it is missing or broken.

    Examples:
        >>> aezoo.training.run_config("runs/vae")["training"]["epochs"]
        1
    """
    path = Path(folder) / CONFIG_FILE
    try:
        content = json.loads(_text_of(path))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): give a run's folder, or --data.") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is not what aezoo train writes: give a run's folder, or --data.")
    return content


def _text_of(path: Path) -> str:
    # to wait for a pipe, or to read what has no end, is of no use to anybody
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        content = file.read(MOST_CONFIG + 1)
    if len(content) > MOST_CONFIG:
        raise ValueError(f"it has more than {MOST_CONFIG >> 20} MiB")
    return content.decode()
