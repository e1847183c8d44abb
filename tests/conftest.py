"""What several tests share."""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

# models this small gain nothing from a second thread, and lose a lot where the cores are shared
os.environ["OMP_NUM_THREADS"] = "1"

from aezoo.cli import main


@dataclass
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture(autouse=True, scope="session")
def every_epoch_is_saved():
    """However short it is, so that what a test finds on the disk does not depend on the machine."""
    from aezoo.training.saving import Saving

    Saving.MOST_OF_THE_TIME = 1.0
    yield
    Saving.MOST_OF_THE_TIME = 0.1


@pytest.fixture
def cli(monkeypatch, tmp_path):
    """Runs a command in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(argument) for argument in arguments])
        return Result(status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A folder of two short runs on digits, one of each kind of code."""
    import aezoo

    folder = tmp_path_factory.mktemp("runs")
    for name in ("contractive", "vae"):
        aezoo.train(name, "digits", out=folder / name, epochs=15, latent_dim=4, hidden=[16])
    return folder
