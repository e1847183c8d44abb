"""A run's folder has one writer, and an older run is replaced wholly or not at all, whenever a process is killed."""

import os
import signal
import threading

import numpy as np
import pytest
from forked import forks, wait_for

import aezoo
from aezoo.errors import UsageError
from aezoo.storage.folder import RunFolder
from aezoo.training import write_text

OPTIONS = ("--model", "undercomplete", "--latent-dim", "2", "--hidden", "4", "--batch-size", "16", "--epochs", "3")
SAME = ("model.safetensors", "metrics.jsonl", "results.json", "config.json")


@pytest.fixture
def rows(tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(90, 6)).astype(np.float32))


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    from aezoo import plots

    monkeypatch.setattr(plots, "draw_run", lambda *arguments: [])


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def assert_refused(result, *words):
    assert result.status == 2, result.err
    (line,) = result.err.splitlines()
    for word in ("another run is writing into", *words):
        assert word in line, line


# ------------------------------------------------------------------ two at once

HANGING = f"""
import time
from aezoo import plots
from aezoo.runs.recorder import Recorder
from aezoo.cli import main
plots.draw_run = lambda *arguments: []
note = Recorder._on_epoch
def hang(self, metrics, keep):
    note(self, metrics, keep)
    open("hanging", "w").close()
    time.sleep(60)
Recorder._on_epoch = hang
status = main(["train", *{OPTIONS}, "--data", "rows.npy", "--out", "run"])
"""


@pytest.mark.usefixtures("rows")
def test_a_second_process_is_refused_until_the_first_is_dead(cli, tmp_path):
    first = forks().begin(HANGING, tmp_path)
    try:
        wait_for(tmp_path / "hanging")
        before = contents(tmp_path / "run")
        commands = [
            ("train", *OPTIONS, "--data", "rows.npy", "--out", "run"),
            ("train", *OPTIONS, "--data", "rows.npy", "--out", "run", "--overwrite"),
            ("train", *OPTIONS, "--data", "rows.npy", "--out", "run", "--seeds", "2", "--overwrite"),
            ("resume", "run"),
        ]
        for command in commands:
            assert_refused(cli(*command), "run: ")
        (tmp_path / "run" / ".lock").unlink()
        for command in commands:
            assert_refused(cli(*command), "run: ")
        del before[".lock"]
        assert contents(tmp_path / "run") == before
        assert aezoo.load(tmp_path / "run") is not None
    finally:
        os.kill(first, signal.SIGKILL)
        assert forks().end(first)[0] == -signal.SIGKILL
    (tmp_path / "run" / ".lock").write_text("")
    assert cli("resume", "run").status == 0
    assert not (tmp_path / "run" / ".lock").exists()
    assert cli("train", *OPTIONS, "--data", "rows.npy", "--out", "whole").status == 0
    for name in SAME:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_where_only_files_are_locked_a_second_run_is_refused_too(tmp_path, monkeypatch):
    import fcntl
    import stat

    lock = fcntl.flock

    def files_alone(handle, how):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError("no locks on folders here")
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", files_alone)
    with RunFolder(tmp_path / "run").claimed():
        with pytest.raises(UsageError, match="another run"):
            RunFolder(tmp_path / "run")
        assert not (tmp_path / "run" / "config.json").exists()
    with RunFolder(tmp_path / "run").claimed():
        pass
    assert not (tmp_path / "run").exists()


def test_of_many_that_begin_at_once_one_goes_on(tmp_path):
    inside, refused, held, start = [], [], threading.Event(), threading.Barrier(8)

    def claim(number):
        start.wait()
        try:
            with RunFolder(tmp_path / "new" / "run").claimed():
                inside.append(number)
                held.wait(10)
        except UsageError:
            refused.append(number)
        if len(refused) == 7:
            held.set()

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(inside), len(refused)) == (1, 7)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.usefixtures("rows")
def test_the_folders_of_several_runs_are_taken_from_first_to_last(together, cli, tmp_path):
    values = {"latent_dim": 2, "hidden": [4], "epochs": 2, "batch_size": 16, "seeds": 2}
    aezoo.train_many("undercomplete", tmp_path / "rows.npy", out=tmp_path / "runs", together=together, **values)
    before = (tmp_path / "runs" / "seed-1" / "model.safetensors").read_bytes()
    found = []

    class Tracker:
        def aezoo_epoch_end(self, run, metrics):
            if run.training.seed == 0 and metrics["epoch"] == 1:
                for place in ("runs/seed-0", "runs/seed-1"):
                    found.append(cli("resume", place))
                    found.append(cli("train", "--data", "rows.npy", "--out", place, "--overwrite"))
                found.append(cli("train", "--data", "rows.npy", "--seeds", "2", "--out", "runs", "--overwrite"))
                found.append(cli("train", "--data", "rows.npy", "--out", "runs", "--overwrite"))

    runs = aezoo.train_many(
        "undercomplete",
        tmp_path / "rows.npy",
        out=tmp_path / "runs",
        overwrite=True,
        together=together,
        trackers=[Tracker()],
        **values,
    )
    assert len(found) == 6
    for result in found:
        assert_refused(result)
    assert not any("Tracker" in note for note in runs.notes)
    assert (tmp_path / "runs" / "seed-1" / "model.safetensors").read_bytes() == before


@pytest.mark.usefixtures("rows")
def test_several_runs_are_refused_before_they_begin_where_one_is_in_use(cli, tmp_path):
    command = ("train", *OPTIONS, "--data", "rows.npy", "--seeds", "2", "--out", "runs")
    assert cli(*command).status == 0
    before = contents(tmp_path / "runs")
    with RunFolder(tmp_path / "runs" / "seed-1", overwrite=True).claimed():
        assert_refused(cli(*command, "--overwrite"), "runs/seed-1")
    assert contents(tmp_path / "runs") == before


def test_an_empty_folder_of_ones_own_stays_and_one_that_was_made_goes(tmp_path):
    (tmp_path / "mine").mkdir()
    for place in ("mine", "new/deep"):
        with RunFolder(tmp_path / place).claimed():
            pass
    assert [p.name for p in tmp_path.rglob("*")] == ["mine"]


# ------------------------------------------------------------------ one in place of another

OLDER = {
    "config.json": b'{"older": 1}',
    "model.safetensors": b"older",
    "state.safetensors": b"older",
    "metrics.jsonl": b"older\n",
    "results.json": b"{}",
    "loss.png": b"older",
    "inspect/gap.json": b"{}",
    "photo.png": b"mine",
    "notes/photo.png": b"mine",
}
NEWER = {
    "config.json": b'{\n "newer": 1\n}\n',
    "model.safetensors": b"newer",
    "photo.png": b"mine",
    "notes/photo.png": b"mine",
}
STATEFUL = {**NEWER, "state.safetensors": b"newer", "metrics.jsonl": b""}
REPLACE = """
import os, signal
from aezoo.core.files import write_whole
from aezoo.storage.folder import RunFolder
left = {point}
def around(function):
    def stepped(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return stepped
for name in ("open", "fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "chmod"):
    setattr(os, name, around(getattr(os, name)))
def write(place):
    for name in {names}:
        write_whole(place / name, lambda path: path.write_bytes(b"newer"))
    if "state.safetensors" in {names}:
        folder.write_metrics([], place)
folder = RunFolder("run", overwrite=True)
with folder.claimed():
    folder.begin({{"newer": 1}}, write)
"""


def lay(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("names", [["model.safetensors"], ["model.safetensors", "state.safetensors"]])
def test_a_run_that_is_killed_while_it_replaces_another_has_done_so_wholly_or_not_at_all(names, tmp_path):
    newer = STATEFUL if len(names) == 2 else NEWER
    seen = []
    for point in range(1, 100):
        place = tmp_path / str(point)
        lay(place / "run", OLDER)
        status, said = forks().run(REPLACE.format(point=point, names=names), place)
        with RunFolder(place / "run", resume=True).claimed():
            pass
        found = contents(place / "run")
        assert found in (OLDER, newer), (point, sorted(found))
        assert [p.name for p in (place / "run").iterdir() if p.name.startswith(".")] == []
        seen.append(found == newer)
        if status == 0:
            break
        assert status == -signal.SIGKILL, said
    assert status == 0
    assert seen == sorted(seen)
    # killed often enough before, and after, all was there
    assert seen.count(False) > 10
    assert seen.count(True) > 10


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_all_goes_on(tmp_path, monkeypatch):
    import stat

    done = []
    sync, rename = os.fsync, os.replace

    def synced(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def renamed(*paths):
        done.append("rename")
        rename(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write_text(tmp_path / "text", "whole")
    assert done == ["file", "rename", "folder"]


def test_what_a_killed_process_was_writing_goes(tmp_path):
    lay(tmp_path / "run", OLDER)
    left = {
        ".model.safetensors.a1b2c3d4.safetensors": b"half",
        ".metrics.jsonl.a1b2c3d4.jsonl": b"half",
        ".tmpAb3dEf": b"half, by safetensors",
        ".newer~/config.json": b"half",
        ".lock": b"",
    }
    lay(tmp_path / "run", left)
    mine = {".hidden": b"mine", ".tmp": b"mine", ".model.safetensors": b"mine"}
    lay(tmp_path / "run", mine)
    with RunFolder(tmp_path / "run", resume=True).claimed():
        pass
    assert contents(tmp_path / "run") == {**OLDER, **mine}


def test_a_folder_with_nothing_but_what_a_killed_process_left_is_free(tmp_path):
    lay(tmp_path / "run", {".config.json.a1b2c3d4.json": b"half", ".lock": b""})
    with RunFolder(tmp_path / "run").claimed():
        assert [p.name for p in (tmp_path / "run").iterdir()] == [".lock"]
    lay(tmp_path / "other", {".tmpAb3dEf": b"somebody else's"})
    with pytest.raises(UsageError, match="exists"):
        RunFolder(tmp_path / "other")
