"""What must hold of what is saved: the same bits from a checkpoint, from another process, and after a resumed run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from aezoo.storage.checkpoint import load_model
from aezoo.testing.fresh import Fresh
from aezoo.testing.result import Broken, Skipped
from aezoo.testing.subject import Subject, first_difference, outputs, state_of
from aezoo.training import State

THIS_PROCESS = "this process"


def saved(subject: Subject) -> None:
    """A loaded checkpoint gives the same bits."""
    model = subject.trained.model
    loaded = load_model(subject.saved)[0]
    if loaded.capabilities != model.capabilities:
        raise Broken(f"loaded, its capabilities are {', '.join(loaded.capabilities)}")
    name = first_difference(outputs(model, subject.x), outputs(loaded, subject.x))
    if name:
        raise Broken(
            f"loaded, {name} differs: training moves something that no checkpoint holds, such as a plain attribute or "
            "a buffer with persistent=False"
        )


def fresh(subject: Subject) -> None:
    """Another process loads the same bits, and trains to the same bits."""
    other = _other_process(subject)
    rows, out = subject.folder / "rows.npy", subject.folder / "outputs.npz"
    np.save(rows, subject.x)
    other.ask("use", path=subject.saved, rows=rows, out=out)
    with np.load(out) as found:
        name = first_difference(outputs(subject.trained.model, subject.x), dict(found))
    if name:
        raise Broken(f"loaded in another process, {name} differs")
    weights = subject.folder / "trained.safetensors"
    other.ask("train", model=subject.entry.name, out=weights)
    name = first_difference(subject.briefly.state, load_file(weights))
    if name:
        raise Broken(f"trained in another process with the same seed, {name} differs")


def _other_process(subject: Subject) -> Fresh:
    if subject.fresh is None or subject.entry.distribution == THIS_PROCESS:
        raise Skipped("it is registered in this process alone")
    return subject.fresh


def use(path: str, rows: str, out: str) -> None:
    """In the other process: writes what a saved model gives for ``rows``."""
    found: dict[str, Any] = outputs(load_model(path)[0], np.load(rows))
    np.savez(out, **found)


def train(subject: Subject, out: str) -> None:
    """In the other process: writes what a short training leaves."""
    save_file({name: tensor.contiguous() for name, tensor in subject.briefly.state.items()}, out)


def resumed(subject: Subject) -> None:
    """A run that is stopped in the middle of an epoch and resumed ends with the same bits as one that was not."""
    states: list[State] = []
    model = subject.build()
    how: dict[str, Any] = {"epochs": 4, "save_every": "5 steps"}
    history = subject.trainer(model, **how, on_save=states.append).fit()
    state = states[0]
    path = subject.folder / "state.safetensors"
    state.save(path)
    again = subject.build()
    # what another run left in the streams of this process is none of its business
    torch.rand(7)
    resumed_history = subject.trainer(again, **how, state=State.load(path)).fit()
    name = first_difference(state_of(model), state_of(again))
    if name or history != resumed_history:
        raise Broken(
            f"resumed after {state.position.step} steps, {name or 'the history'} differs: training depends on what is "
            "not in the state of training, such as a plain attribute"
        )
