"""Runs that are killed again and again, and must end as if they had never been.

    python -m campaigns.kill                         # every registered model, and options that keep state of their own
    python -m campaigns.kill --case vae --kills 50   # one case
    python -m campaigns.kill --write                 # leaves the figures in campaigns/results/kill.json

Each case is trained once without a break. Then the same run is trained and resumed by processes that are ended over
and over: by SIGKILL from outside at a random moment, by Ctrl-C and SIGTERM, and by SIGKILL from inside at a random
point of a write: before and after each of making the file, writing it, syncing it, renaming it, or with half of its
bytes. After each the run's files must be whole; at the end weights, metrics and results must have the same bytes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
STATUS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGTERM: 143}
COMPARED = ("model.safetensors", "metrics.jsonl", "results.json", "config.json")
SMALL = ("--hidden", "16", "--latent-dim", "8", "--epochs", "12", "--save-every", "5 steps", "--batch-size", "64")
# what keeps state that a run must take along
OPTIONS: dict[str, tuple[str, ...]] = {
    "dropout": ("--model", "undercomplete", "--network", "mlp,dropout=0.3", "--save-every", "7 steps"),
    "batch-norm": ("--model", "vae", "--network", "mlp,norm=batch", "--save-every", "0.001 minutes"),
    "own-stream": ("--model", "denoising", "--corruption", "gaussian=0.3,seed=5", "--save-every", "2 epochs"),
    "patience": ("--model", "undercomplete", "--patience", "2", "--lr", "0.03", "--optimizer", "adamw"),
    "schedules": ("--model", "vae", "--schedule", "cosine", "--warmup", "30", "--regularizer", "l1=linear:0:0.1:200"),
    "sgd": ("--model", "vae", "--optimizer", "sgd", "--momentum", "0.9", "--clip-norm", "1", "--lr", "0.001"),
    "bf16": ("--model", "vae", "--precision", "bf16"),
    "epochs": ("--model", "topk", "--k", "4", "--save-every", "epoch"),
    "opponent": ("--model", "undercomplete", "--regularizer", "adversary=0.1", "--save-every", "3 steps"),
}


def cases() -> dict[str, tuple[str, ...]]:
    """Command-line options by the name of the case."""
    from aezoo import registry

    models = {name: ("--model", name, *small_of(name)) for name in registry.models}
    return models | {name: (*SMALL, *options) for name, options in OPTIONS.items()}


def small_of(name: str) -> tuple[str, ...]:
    """Options that make a model small."""
    from aezoo import registry

    return (*SMALL, *(("--k", "4") if "k" in registry.models[name].options.model_fields else ()))


def begun(arguments: list[str], folder: Path, before: Callable[[], None] = lambda: None) -> int:
    """A process of its own that runs a command, forked from this one, which has torch loaded already."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    with (folder.parent / "said.txt").open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    # as at a terminal, also where the campaign runs in the background, which ignores Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before()
    from aezoo.cli import main

    try:
        status = main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        status = 70
    os._exit(status)


def ended(process: int) -> int:
    """The exit status of a process, or −N if signal N ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def deadly(point: int) -> Callable[[], None]:
    """Lets the process kill itself at the ``point``-th step of writing, counted over all files."""
    left = point

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **options: Any) -> Any:
            step()
            found = function(*arguments, **options)
            step()
            return found

        return stepped

    def arm() -> None:
        tensors = vars(importlib.import_module("aezoo.storage.tensors"))
        whole = tensors["save_file"]

        def torn(found: Any, path: Path, metadata: Any) -> None:
            whole(found, path, metadata)
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
            step()
            path.write_bytes(content)

        tensors["save_file"] = torn
        for name in ("open", "fsync", "chmod", "replace", "rename", "unlink", "mkdir", "rmdir"):
            setattr(os, name, around(getattr(os, name)))

    return arm


def killed(arguments: list[str], folder: Path, draw: Random, longest: float) -> tuple[str, int]:
    """Runs a command and ends it in some way at some moment; how, and its exit status."""
    how = draw.choice(("outside", "outside", "inside", "inside", "ctrl-c", "sigterm"))
    if how == "inside":
        return how, ended(begun(arguments, folder, deadly(draw.randint(1, 120))))
    process = begun(arguments, folder)
    time.sleep(draw.uniform(0, longest))
    number = {"outside": signal.SIGKILL, "ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM}[how]
    os.kill(process, number)
    status = ended(process)
    # a signal may come before the command has begun to listen
    allowed = {0, STATUS[number], -number}
    if status not in allowed:
        raise AssertionError(f"{how}: status {status}: {said(folder)}")
    return how, status


def said(folder: Path) -> str:
    """What the last process printed."""
    return (folder.parent / "said.txt").read_text()[-600:]


def check_whole(folder: Path) -> None:
    """Every file that is there is a whole one, and what has begun can go on or begin anew."""
    import aezoo
    from aezoo.training import State

    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()}
    if "config.json" in names:
        json.loads((folder / "config.json").read_text())
    if "model.safetensors" in names:
        aezoo.load(folder)
    if "state.safetensors" in names:
        State.load(folder)
        assert {"config.json", "model.safetensors"} <= names, names


def try_case(name: str, options: tuple[str, ...], kills: int, draw: Random, folder: Path) -> dict[str, Any]:
    """Trains once without a break and once with ``kills`` of them; raises AssertionError where the ends differ."""
    reference, run = folder / "whole" / "run", folder / "broken" / "run"
    for place in (reference, run):
        place.parent.mkdir(parents=True)
    start = time.perf_counter()
    status = ended(begun(["train", *options, "--out", str(reference)], reference))
    seconds = time.perf_counter() - start
    assert status == 0, f"{name}: {said(reference)}"
    ways: dict[str, int] = {}
    done = resumed = finished = 0
    status = -1
    while done < kills or status != 0:
        begin = not (run / "config.json").exists()
        command = ["train", *options, "--out", str(run)] if begin else ["resume", str(run)]
        resumed += not begin
        if done < kills:
            how, status = killed(command, run, draw, seconds)
            if status:
                done += 1
                ways[how] = ways.get(how, 0) + 1
        else:
            status = ended(begun(command, run))
            assert status == 0, f"{name}: {said(run)}"
        check_whole(run)
        if status == 0 and done < kills:
            # it came to its end too soon: once more, from the beginning
            finished += 1
            compare(name, reference, run)
            for path in run.iterdir():
                path.unlink()
            run.rmdir()
    compare(name, reference, run)
    left = sorted(path.name for path in run.iterdir() if path.name.startswith("."))
    assert not left, left
    return {"kills": done, "ways": ways, "resumed": resumed, "finished": finished + 1, "seconds": round(seconds, 2)}


def compare(name: str, reference: Path, run: Path) -> None:
    """Raises AssertionError where a file of the two runs differs."""
    for file in COMPARED:
        assert (reference / file).read_bytes() == (run / file).read_bytes(), f"{name}: {file} differs"


def register_opponent() -> None:
    """A regularizer with a network of its own, which the zoo has none of."""
    import torch.nn.functional as F
    from torch import Tensor, nn

    from aezoo import registry
    from aezoo.parts import Regularizer

    class Adversary(Regularizer):
        """Draws codes towards a Gaussian by a network that tells the two apart."""

        opponent: nn.Sequential

        def __init__(self, code_shape: tuple[int, ...], width: int = 8) -> None:
            super().__init__()
            self.opponent = nn.Sequential(nn.Linear(code_shape[0], width), nn.ReLU(), nn.Linear(width, 1))

        def forward(self, z: Tensor) -> Tensor:
            return F.softplus(-self.opponent(z)).squeeze(-1)

        def opponent_loss(self, z: Tensor) -> Tensor:
            loss: Tensor = (
                F.softplus(self.opponent(z)) + F.softplus(-self.opponent(z.detach().clone().normal_()))
            ).mean()
            return loss

    class Plugin:
        """Brings it."""

        @registry.hookimpl
        def aezoo_regularizers(self) -> Any:
            yield registry.Part("adversary", Adversary, summary="Draws codes towards a Gaussian by an opponent.")

    registry.plugins.register(Plugin(), "adversary")


def _load() -> None:
    """Loads what takes long, once for every process to come, and leaves pictures out, which hold no state."""
    import sklearn.linear_model  # noqa: F401

    import aezoo.plots
    import aezoo.runs.resume

    vars(aezoo.plots)["draw_run"] = lambda *arguments: []


def main(arguments: list[str] | None = None) -> int:
    """Runs the campaign; returns 1 where a case failed."""
    parser = argparse.ArgumentParser(
        prog="python -m campaigns.kill", description="Kill runs, and compare how they end."
    )
    parser.add_argument("--case", action="append", help="a case by name; may be given several times")
    parser.add_argument("--kills", type=int, default=40, help="of each case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="leave the figures in campaigns/results/kill.json")
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    _load()

    register_opponent()
    known, results, failed = cases(), {}, 0
    for name in given.case or known:
        with tempfile.TemporaryDirectory() as folder:
            try:
                results[name] = try_case(name, known[name], given.kills, Random(f"{given.seed} {name}"), Path(folder))
                print(f"{name}: {json.dumps(results[name])}", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"{name}: FAILED: {error}", flush=True)
    total = sum(found["kills"] for found in results.values())
    print(f"{total} kills in {len(results)} cases, {failed} failed")
    if given.write:
        (HERE / "results").mkdir(exist_ok=True)
        text = json.dumps({"seed": given.seed, "kills": total, "failed": failed, "cases": results}, indent=1)
        (HERE / "results" / "kill.json").write_text(text + "\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
