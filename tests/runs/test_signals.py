"""Ctrl-C and SIGTERM at any moment: the step is finished, all is saved, and the run goes on to the same bytes."""

import json
import os
import signal
import threading

import numpy as np
import pytest
from forked import forks, wait_for

import aezoo
from aezoo.errors import TerminatedError
from aezoo.runs import job
from aezoo.runs.recorder import Recorder
from aezoo.storage import tensors
from aezoo.training import State, Trainer

OPTIONS = ("--model", "undercomplete", "--latent-dim", "2", "--hidden", "4", "--batch-size", "16", "--epochs", "4")
VALUES = {"latent_dim": 2, "hidden": [4], "batch_size": 16, "epochs": 4}
SAME = ("model.safetensors", "metrics.jsonl", "results.json", "config.json")
SIGNALS = {signal.SIGINT: (130, "interrupted; "), signal.SIGTERM: (143, "terminated; ")}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(90, 6)).astype(np.float32))
    return path


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No pictures, and the handlers as they were."""
    from aezoo import plots

    monkeypatch.setattr(plots, "draw_run", lambda *arguments: [])
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # as at a terminal, also where the tests run in the background, which ignores Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def whole(rows, tmp_path_factory):
    """The files of a run that was left in peace."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    aezoo.train("undercomplete", rows, out=folder, save_every="2 epochs", progress=False, **VALUES)
    return {name: (folder / name).read_bytes() for name in SAME}


@pytest.fixture
def train(cli, rows):
    def run(*arguments):
        return cli("train", *OPTIONS, "--data", rows, "--out", "run", "--save-every", "2 epochs", *arguments)

    return run


def sends(monkeypatch, owner, name, number, time=1, after=False):
    """Sends this process a signal around the n-th call of a function; gives how often it was called."""
    function = getattr(owner, name)
    calls = []

    def called(*arguments, **options):
        calls.append(1)
        if len(calls) == time and not after:
            signal.raise_signal(number)
        found = function(*arguments, **options)
        if len(calls) == time and after:
            signal.raise_signal(number)
        return found

    monkeypatch.setattr(owner, name, called)
    return calls


def places():
    """Where a signal may come: owner, name, and of which call."""
    from aezoo import plots
    from aezoo.runs import recorder as runs
    from aezoo.storage.folder import RunFolder

    return {
        "the first step": (Trainer, "_train_step", 1, "run"),
        "a step": (Trainer, "_train_step", 7, "run"),
        "the last step": (Trainer, "_train_step", 16, "run"),
        "validation": (Trainer, "_validate", 1, "run"),
        "the weights": (tensors, "save_file", 1, "run"),
        "the state": (tensors, "save_file", 2, "run"),
        "a metrics line": (RunFolder, "append", 1, "run"),
        "the last metrics line": (RunFolder, "append", 4, "run"),
        "evaluation": (runs, "evaluate", 1, "run"),
        "results": (RunFolder, "finish", 1, "run"),
        "pictures": (plots, "draw_run", 1, "run"),
        "data": (job, "open_data", 1, ""),
        "the config": (RunFolder, "write_config", 1, "nothing stays"),
    }


PLACES = list(places())


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("place", PLACES)
def test_one_signal_anywhere_loses_nothing(place, number, train, cli, tmp_path, whole, monkeypatch):
    owner, name, time, left = places()[place]
    status, word = SIGNALS[number]
    with monkeypatch.context() as patched:
        calls = sends(patched, owner, name, number, time)
        result = train("--json")
    assert len(calls) >= time
    assert result.status == status, result.err
    assert result.out == ""
    # click ends the line in which a terminal shows ^C
    (line,) = result.err.strip().splitlines()
    assert word.removesuffix("; ") in line
    if left == "run":
        assert word + "run holds what was saved; go on with: aezoo resume run." in line
        result = cli("resume", "run", "--json")
        assert json.loads(result.out)["run"] == "run"
    else:
        assert left in line
        assert not (tmp_path / "run").exists()
        result = train()
    assert result.status == 0, result.err
    assert {name: (tmp_path / "run" / name).read_bytes() for name in SAME} == whole
    assert [p.name for p in (tmp_path / "run").iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("number", SIGNALS)
def test_the_step_is_finished_and_saved(number, train, tmp_path, monkeypatch):
    calls = sends(monkeypatch, Trainer, "_train_step", number, 8)
    train()
    assert len(calls) == 8
    assert State.load(tmp_path / "run").position.step == 8


def test_a_signal_between_two_saves_is_saved_too(train, tmp_path, monkeypatch):
    # the epoch is written down, and no save is due
    sends(monkeypatch, Recorder, "_on_epoch", signal.SIGINT, 3)
    assert train().status == 130
    assert State.load(tmp_path / "run").position.epoch == 3


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(("writes", "after"), [(1, False), (1, True), (2, False), (2, True), (3, False), (4, True)])
def test_two_signals_break_off_at_once_and_break_no_file(
    number, writes, after, train, cli, tmp_path, whole, monkeypatch
):
    with monkeypatch.context() as patched:
        steps = sends(patched, Trainer, "_train_step", number, 3 if writes < 3 else 10)
        sends(patched, tensors, "save_file", number, writes, after)
        result = train()
    assert result.status == SIGNALS[number][0]
    assert len(steps) == (3 if writes < 3 else 10)
    (line,) = result.err.splitlines()
    run = tmp_path / "run"
    if writes == 1:
        assert "nothing was saved yet, and nothing stays" in line
        assert not run.exists()
        assert train().status == 0
    else:
        assert "go on with: aezoo resume run." in line
        # what was being written did not come to be
        assert (State.load(run).position.step == 8) if writes > 2 else not (run / "state.safetensors").exists()
        assert aezoo.load(run) is not None
        assert cli("resume", "run", "--save-every", "2 epochs").status == 0
    assert {name: (run / name).read_bytes() for name in SAME} == whole
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("number", SIGNALS)
def test_an_older_run_is_as_it_was_when_its_successor_is_stopped_twice(number, train, cli, tmp_path, monkeypatch):
    assert train("--seed", "5").status == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    sends(monkeypatch, Trainer, "_train_step", number, 3)
    sends(monkeypatch, tensors, "save_file", number, 2)
    result = train("--overwrite")
    assert SIGNALS[number][1] + "the older run in run is as it was." in result.err
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_that_goes_on_can_be_stopped_as_well(number, train, cli, tmp_path, whole, monkeypatch):
    with monkeypatch.context() as patched:
        sends(patched, Trainer, "_train_step", signal.SIGINT, 7)
        assert train().status == 130
    for name, time in (("_train_step", 2), ("_validate", 1)):
        with monkeypatch.context() as patched:
            sends(patched, Trainer, name, number, time)
            result = cli("resume", "run", "--json")
            assert result.status == SIGNALS[number][0]
            assert (result.out, "aezoo resume run." in result.err) == ("", True)
    assert cli("resume", "run").status == 0
    assert {name: (tmp_path / "run" / name).read_bytes() for name in SAME} == whole


@pytest.mark.parametrize(("number", "together"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_several_runs_are_stopped(number, together, cli, rows, tmp_path, monkeypatch):
    from aezoo.runs import repeats as many
    from aezoo.training.batched import Together

    owner, name = (Together, "_validate") if together else (Trainer, "_validate")
    monkeypatch.setattr(many, "pays", lambda trainer: together)
    command = ("train", *OPTIONS, "--data", rows, "--seeds", "2", "--out", "runs")
    with monkeypatch.context() as patched:
        sends(patched, owner, name, number, 2)
        result = cli(*command, "--json")
    status, word = SIGNALS[number]
    assert (result.status, result.out) == (status, "")
    line = result.err.splitlines()[-1]
    assert word in line
    assert f"0 of 2 runs are whole in runs, and {2 if together else 1} more left the checkpoint" in line
    assert "aezoo resume runs" in line
    assert aezoo.load(tmp_path / "runs" / "seed-0") is not None
    result = cli("resume", "runs")
    assert result.status == 0, result.err
    assert cli(*command[:-1], "whole").status == 0
    for name in ("results.json", *(f"seed-{seed}/{file}" for seed in (0, 1) for file in SAME)):
        assert (tmp_path / "runs" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_several_older_runs_are_as_they_were_when_nothing_was_saved_in_their_place(rows, tmp_path):
    class Stopper:
        def aezoo_epoch_end(self, metrics):
            if metrics["epoch"] == 2:
                raise KeyboardInterrupt

    options = {**VALUES, "seeds": 2, "out": tmp_path / "runs", "together": False, "progress": False}
    aezoo.train_many("undercomplete", rows, **options)
    before = {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()}
    options |= {"overwrite": True, "seed": 0, "lr": 0.1, "save_every": "3 epochs", "trackers": [Stopper()]}
    with pytest.raises(KeyboardInterrupt, match="0 of 2 runs are whole"):
        aezoo.train_many("undercomplete", rows, **options)
    assert {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()} == before


def test_a_signal_after_the_last_step_is_heard(train, cli, monkeypatch):
    from aezoo.training import Progress

    assert train().status == 0
    sends(monkeypatch, Progress, "advance", signal.SIGINT)
    result = cli("resume", "run")
    assert result.status == 130
    assert "aezoo resume run." in result.err


def test_a_signal_that_the_parent_ignores_stays_ignored(train, tmp_path, whole, monkeypatch):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sends(monkeypatch, Trainer, "_train_step", signal.SIGINT, 3)
    assert train().status == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert {name: (tmp_path / "run" / name).read_bytes() for name in SAME} == whole


# ------------------------------------------------------------------ from Python


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)])
def test_in_python_it_is_an_error_with_a_message_and_the_handlers_are_restored(
    number, kind, rows, tmp_path, monkeypatch
):
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with monkeypatch.context() as patched:
        sends(patched, Trainer, "_train_step", number, 2)
        with pytest.raises(kind, match="holds what was saved; go on with: aezoo resume ") as caught:
            aezoo.train("undercomplete", rows, out=tmp_path / "run", **VALUES)
    assert type(caught.value) is kind
    if number == signal.SIGTERM:
        assert isinstance(caught.value, SystemExit)
        assert caught.value.code == 143
    assert {number: signal.getsignal(number) for number in SIGNALS} == before
    assert len(aezoo.resume(tmp_path / "run").history) == 4
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_users_own_handlers_are_left_alone(number, rows, tmp_path, monkeypatch):
    heard = []

    def mine(number, frame):
        heard.append(number)

    signal.signal(number, mine)
    sends(monkeypatch, Trainer, "_train_step", number, 2)
    run = aezoo.train("undercomplete", rows, out=tmp_path / "run", **VALUES)
    assert (heard, len(run.history)) == ([number], 4)
    assert signal.getsignal(number) is mine


def test_training_in_a_thread_touches_no_handler(rows, tmp_path, monkeypatch):
    seen = []
    step = Trainer._train_step

    def watched(self, x):
        seen.append([signal.getsignal(number) for number in SIGNALS])
        return step(self, x)

    monkeypatch.setattr(Trainer, "_train_step", watched)
    before = [signal.getsignal(number) for number in SIGNALS]
    runs = []
    thread = threading.Thread(
        target=lambda: runs.append(aezoo.train("undercomplete", rows, out=tmp_path / "run", **VALUES))
    )
    thread.start()
    thread.join()
    assert len(runs[0].history) == 4
    assert all(handlers == before for handlers in seen)


def test_a_run_that_writes_nothing_stops_at_once(rows, monkeypatch):
    sends(monkeypatch, Trainer, "_train_step", signal.SIGINT, 2)
    with pytest.raises(KeyboardInterrupt, match="interrupted; nothing was written"):
        aezoo.train("undercomplete", rows, **VALUES)


# ------------------------------------------------------------------ the command itself


@pytest.mark.parametrize("number", SIGNALS)
def test_a_process_ends_with_the_status_that_shells_know(number, rows, tmp_path):
    command = ["train", *OPTIONS[:-1], "100000", "--save-every", "5 steps", "--data", str(rows), "--out", "run"]
    process = forks().begin(f"from aezoo.cli import main\nstatus = main({[*command, '--json']})", tmp_path)
    wait_for(tmp_path / "run" / "state.safetensors")
    os.kill(process, number)
    status, word = SIGNALS[number]
    said = f"aezoo: error: {word}run holds what was saved; go on with: aezoo resume run.\n"
    assert forks().end(process) == [status, said]


@pytest.mark.parametrize("number", list(SIGNALS))
def test_a_signal_that_was_taken_for_an_error_is_answered_all_the_same(cli, monkeypatch, number):
    from aezoo import registry

    def swallowed(self):
        try:
            signal.raise_signal(number)
        except BaseException as error:
            raise RuntimeError("something of pydantic's") from error

    monkeypatch.setattr(registry.Plugins, "__iter__", swallowed)
    result = cli("list")
    assert result.status == 128 + number
    assert result.err == "aezoo: error: interrupted; what was written before stays\n"


def test_a_signal_that_was_swallowed_ends_the_run_at_its_first_step(train, monkeypatch):
    from aezoo.runs import recorder as runs

    made = runs.Recorder.__init__

    def swallowed(self, *arguments):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            made(self, *arguments)

    monkeypatch.setattr(runs.Recorder, "__init__", swallowed)
    result = train()
    assert result.status == 130
    assert State.load("run").position.step == 1
