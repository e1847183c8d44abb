"""Disks that fill up, folders that cannot be written or vanish: one line, and what was saved goes on."""

import contextlib
import errno
import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import aezoo
from aezoo.errors import OutputError, UsageError
from aezoo.storage.folder import RunFolder
from aezoo.core import files
from aezoo.training import State

SAME = ("model.safetensors", "metrics.jsonl", "results.json", "config.json")
OPTIONS = ("--model", "undercomplete", "--latent-dim", "2", "--hidden", "4", "--batch-size", "16", "--epochs", "3")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of 90 rows."""
    path = tmp_path_factory.mktemp("data") / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(90, 6)).astype(np.float32))
    return path


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch):
    """One picture that takes no time."""
    from aezoo import plots

    def draw(folder, *others):
        path = Path(folder) / "loss.png"
        files.write_whole(path, lambda beside: beside.write_bytes(b"picture" * 1000))
        return [path]

    monkeypatch.setattr(plots, "draw_run", draw)


@pytest.fixture
def train(cli, rows):
    def run(*arguments, out="run"):
        return cli("train", *OPTIONS, "--data", rows, "--out", out, *arguments)

    return run


@pytest.fixture(scope="module")
def whole(rows, tmp_path_factory):
    """The files of a run that nothing happened to."""
    values = {"latent_dim": 2, "hidden": [4], "batch_size": 16, "epochs": 3, "progress": False}
    folder = tmp_path_factory.mktemp("whole") / "run"
    aezoo.train("undercomplete", rows, out=folder, **values)
    return contents(folder)


@pytest.fixture
def disk(tmp_path):
    """A folder on a small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no right to mount a small disk: unshare -rm pytest, or as root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def fill(place):
    """Leaves no byte free."""
    with contextlib.suppress(OSError), (place / "ballast").open("ab", buffering=0) as ballast:
        while ballast.write(b"\0" * 4096):
            pass


@pytest.fixture
def fills_at(monkeypatch):
    """Fills a disk when a file of a name is about to be written for the n-th time."""
    opened = Path.open

    def arm(place, name, time=1):
        left = [time]

        def open_(self, mode="r", *others, **more):
            if mode in ("x", "ab") and (self.name == name or self.name.startswith(f".{name}.")):
                left[0] -= 1
                if left[0] == 0:
                    fill(place)
            return opened(self, mode, *others, **more)

        monkeypatch.setattr(Path, "open", open_)
        return left

    return arm


def assert_one_line(result, *words, status=1):
    assert result.status == status, (result.status, result.out, result.err)
    lines = [line for line in result.err.splitlines() if not line.startswith("aezoo: note:")]
    assert len(lines) == 1, result.err
    assert lines[0].startswith("aezoo: error: ")
    for word in words:
        assert word in lines[0], lines[0]


def assert_tidy(folder):
    left = [str(p) for p in folder.rglob(".*") if p.name.startswith(".")]
    assert not left, left


WRITES = [
    ("config.json", 1, False, "nothing was saved yet, and nothing stays"),
    ("model.safetensors", 1, False, "nothing was saved yet, and nothing stays"),
    ("state.safetensors", 1, True, "aezoo resume"),
    ("metrics.jsonl", 1, True, "aezoo resume"),
    ("model.safetensors", 2, True, "aezoo resume"),
    ("state.safetensors", 3, True, "aezoo resume"),
    ("results.json", 1, True, "aezoo resume"),
    ("loss.png", 1, True, "aezoo resume"),
]


@pytest.mark.parametrize(("name", "time", "stays", "words"), WRITES)
def test_a_disk_that_fills_up_at_any_write(name, time, stays, words, disk, fills_at, train, cli, whole):
    left = fills_at(disk, name, time)
    run = disk / "run"
    result = train(out=run)
    assert left[0] == 0
    assert_one_line(result, f"{run}/{name} cannot be written (No space left on device): make room", words)
    assert result.out == ""
    (disk / "ballast").unlink()
    assert run.exists() == stays
    if stays:
        assert_tidy(run)
        assert aezoo.load(run).spec.shape == (6,)
        found = cli("resume", run)
    else:
        found = train(out=run)
    assert found.status == 0, found.err
    assert_tidy(run)
    assert {file: contents(run)[file] for file in SAME} == {file: whole[file] for file in SAME}


@pytest.mark.parametrize(
    ("name", "time", "older"),
    [
        ("config.json", 1, True),
        ("model.safetensors", 1, True),
        ("state.safetensors", 1, True),
        ("metrics.jsonl", 1, True),
        ("model.safetensors", 2, False),
        ("state.safetensors", 2, False),
        ("results.json", 1, False),
    ],
)
def test_a_disk_that_fills_up_while_a_run_is_replaced(name, time, older, disk, fills_at, train, cli, whole):
    run = disk / "run"
    assert train("--seed", "5", out=run).status == 0
    (run / "inspect").mkdir()
    (run / "inspect" / "gap.json").write_text("{}")
    (run / "photo.png").write_text("mine")
    before = contents(run)
    left = fills_at(disk, name, time)
    result = train("--overwrite", out=run)
    assert left[0] == 0
    assert_one_line(result, "No space left", f"older run in {run} is as it was" if older else "aezoo resume")
    (disk / "ballast").unlink()
    assert_tidy(run)
    assert aezoo.load(run).spec.shape == (6,)
    if older:
        assert contents(run) == before
        found = train("--overwrite", out=run)
    else:
        assert not (run / "results.json").exists()
        found = cli("resume", run)
    assert found.status == 0, found.err
    assert {file: contents(run)[file] for file in SAME} == {file: whole[file] for file in SAME}
    assert (run / "photo.png").read_text() == "mine"
    assert not (run / "inspect" / "gap.json").exists()


@pytest.mark.parametrize(
    ("name", "time"),
    [("config.json", 1), ("metrics.jsonl", 1), ("model.safetensors", 1), ("state.safetensors", 1), ("results.json", 1)],
)
def test_a_disk_that_fills_up_while_a_run_goes_on(name, time, disk, fills_at, train, cli, whole):
    run = disk / "run"
    assert train("--epochs", "1", out=run).status == 0
    before = aezoo.load(run).encode(np.ones((1, 6), np.float32))
    left = fills_at(disk, name, time)
    result = cli("resume", run, "--epochs", "3", "--json")
    assert left[0] == 0
    assert_one_line(result, "No space left", f"go on with: aezoo resume {run}.")
    assert result.out == ""
    (disk / "ballast").unlink()
    assert_tidy(run)
    after = aezoo.load(run).encode(np.ones((1, 6), np.float32))
    if name in ("config.json", "metrics.jsonl", "model.safetensors"):
        assert np.array_equal(before, after)
    assert cli("resume", run, "--epochs", "3").status == 0
    assert {file: contents(run)[file] for file in SAME} == {file: whole[file] for file in SAME}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("encode", "run", "--out", "disk/codes.npy"), "codes.npy"),
        (("encode", "run", "--out", "disk/codes.csv"), "codes.csv"),
        (("inspect", "run", "--sparsity", "--out", "disk/seen"), "sparsity.png"),
        (("inspect", "run", "--sparsity", "--out", "disk/seen"), "sparsity.json"),
    ],
)
def test_what_is_made_of_a_run_on_a_full_disk(command, name, disk, fills_at, train, cli):
    assert train().status == 0
    left = fills_at(disk, name)
    assert_one_line(cli(*command), f"{name} cannot be written (No space left on device): make room")
    assert left[0] == 0
    assert not [p for p in disk.rglob("*") if p.is_file() and p.name != "ballast" and p.suffix != ".png"]
    (disk / "ballast").unlink()
    assert cli(*command).status == 0


def test_a_line_is_added_whole_or_not_at_all(disk):
    path = disk / "metrics.jsonl"
    files.append_text(path, "first\n")
    fill(disk)
    with (disk / "ballast").open("ab") as ballast:
        ballast.truncate((disk / "ballast").stat().st_size - 4096)
    with pytest.raises(OutputError, match="No space left on device"):
        files.append_text(path, "x" * 20000 + "\n")
    assert path.read_text() == "first\n"
    files.append_text(path, "second\n")
    assert path.read_text() == "first\nsecond\n"


# ------------------------------------------------------------------ rights, limits, and names


@contextlib.contextmanager
def limited(kind, value):
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def test_a_limit_on_the_size_of_files(train, cli, whole, tmp_path):
    with limited(resource.RLIMIT_FSIZE, 4000):
        result = train("--save-every", "2 steps")
    assert_one_line(result, "state.safetensors", "File too large", "ulimit -f", "aezoo resume run")
    assert_tidy(tmp_path / "run")
    assert cli("resume", "run", "--save-every", "epoch").status == 0
    assert {file: contents(tmp_path / "run")[file] for file in SAME} == {file: whole[file] for file in SAME}


def test_too_many_open_files(train, cli, whole, tmp_path, monkeypatch):
    from aezoo.runs.recorder import Recorder

    save = Recorder._on_save
    taken = []

    def short(self, state):
        if state.position.epoch == 2:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
        return save(self, state)

    monkeypatch.setattr(Recorder, "_on_save", short)
    with limited(resource.RLIMIT_NOFILE, 200):
        try:
            result = train()
        finally:
            for handle in taken:
                os.close(handle)
    monkeypatch.undo()
    assert_one_line(result, "model.safetensors", "Too many open files", "ulimit -n", "aezoo resume run")
    monkeypatch.chdir(tmp_path)
    assert State.load("run").position.epoch == 1
    assert_tidy(tmp_path / "run")
    assert cli("resume", "run").status == 0
    assert {file: contents(tmp_path / "run")[file] for file in SAME} == {file: whole[file] for file in SAME}


def test_a_file_system_that_is_read_only(disk, train, cli):
    run = disk / "run"
    assert train(out=run).status == 0
    before = contents(run)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for command in (("resume", run), ("train", "--out", run, "--overwrite"), ("train", "--out", disk / "other")):
        assert_one_line(cli(*command), f"{disk}", "Read-only file system")
    assert_one_line(cli("encode", run), "codes.npy cannot be written (Read-only file system)")
    assert aezoo.load(run) is not None
    assert contents(run) == before


def test_a_file_system_that_becomes_read_only(train, cli, monkeypatch, whole, tmp_path):
    from aezoo.runs.recorder import Recorder

    save = Recorder._on_save

    def refused(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def remounted(self, state):
        if state.position.epoch == 2:
            for owner, name in ((Path, "open"), (Path, "unlink"), (Path, "rmdir"), (os, "unlink"), (os, "rmdir")):
                monkeypatch.setattr(owner, name, refused)
        return save(self, state)

    with monkeypatch.context() as monkeypatch:
        monkeypatch.setattr(Recorder, "_on_save", remounted)
        result = train()
    assert_one_line(result, "Read-only file system", "aezoo resume run")
    assert State.load(tmp_path / "run").position.epoch == 1
    assert cli("resume", "run").status == 0
    assert_tidy(tmp_path / "run")
    assert {file: contents(tmp_path / "run")[file] for file in SAME} == {file: whole[file] for file in SAME}


@contextlib.contextmanager
def somebody():
    """Somebody without rights, where we have all."""
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


@pytest.fixture
def opened(tmp_path, rows):
    """Lets everybody look into the folders of this test."""
    ways = {path: path.stat().st_mode for start in (tmp_path, rows.parent) for path in (start, *start.parents)}
    before = {path: mode for path, mode in ways.items() if mode & 0o005 != 0o005}
    for path in before:
        path.chmod(0o755)
    yield
    for path, mode in before.items():
        path.chmod(mode)


@pytest.mark.usefixtures("opened")
def test_folders_of_somebody_else(train, cli, tmp_path):
    assert train().status == 0
    before = contents(tmp_path / "run")
    for path in (tmp_path / "run", tmp_path):
        path.chmod(0o555)
    with somebody():
        for command in (
            ("resume", "run"),
            ("train", "--out", "run", "--overwrite"),
            ("train", "--out", "new/run"),
            ("train", "--seeds", "2", "--out", "new/runs"),
            ("encode", "run"),
        ):
            assert_one_line(cli(*command), "cannot be written (Permission denied)")
    (tmp_path / "run").chmod(0o755)
    assert contents(tmp_path / "run") == before
    assert not (tmp_path / "new").exists()


def test_names_that_cannot_be(cli, tmp_path, monkeypatch):
    assert_one_line(cli("train", "--out", "a/b/" + "x" * 300), "File name too long", "shorter")
    (tmp_path / "file").write_text("mine")
    assert_one_line(cli("train", "--out", "file"), "file is a file")
    assert_one_line(cli("train", "--out", "file/below/run"), "file/below/run cannot be written (Not a directory)")
    os.mkfifo(tmp_path / "pipe")
    assert_one_line(cli("train", "--out", "pipe"), "pipe is a file")
    (tmp_path / "link").symlink_to("nowhere")
    assert_one_line(cli("train", "--out", "link"), "link cannot be written (File exists)")
    (tmp_path / "loop").symlink_to("loop")
    assert_one_line(cli("train", "--out", "loop"), "loop")
    (tmp_path / "odd.toml").write_text('out = "a\\u0000b"\n')
    assert_one_line(cli("train", "--config", "odd.toml"), "no name", "--out", status=2)
    with pytest.raises(UsageError, match="no name"):
        RunFolder("a\ud800b")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "link", "loop", "odd.toml", "pipe"]


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_files_are_as_readable_as_any_other_of_their_owner(umask, rows, tmp_path):
    before = os.umask(umask)
    try:
        aezoo.train("undercomplete", rows, out=tmp_path / "run", epochs=1, latent_dim=2)
        (tmp_path / "usual").write_text("")
    finally:
        os.umask(before)
    usual = (tmp_path / "usual").stat().st_mode
    assert {p.name for p in (tmp_path / "run").iterdir() if p.stat().st_mode != usual} == set()


def test_a_name_as_long_as_there_can_be(tmp_path):
    path = tmp_path / ("é" * 125 + ".npy")
    files.write_text(path, "whole")
    assert path.read_text() == "whole"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["state.safetensors", "model.safetensors", "results.json", "config.json"])
@pytest.mark.parametrize("kind", ["folder", "link to nothing"])
def test_a_file_of_a_run_that_is_no_file(name, kind, train, cli, tmp_path):
    assert train("--epochs", "1").status == 0
    path = tmp_path / "run" / name
    path.unlink()
    path.mkdir() if kind == "folder" else path.symlink_to(tmp_path / "gone" / name)
    before = contents(tmp_path / "run")
    for command in (("train", "--out", "run", "--overwrite"), ("resume", "run")):
        result = cli(*command)
        assert result.status in (1, 2), result.out
        assert_one_line(result, "run", status=result.status)
        if kind == "folder" or name != "config.json":
            assert f"run/{name} is" in result.err
    assert contents(tmp_path / "run") == before


def test_links_to_elsewhere_are_replaced_and_never_written_through(train, cli, tmp_path):
    assert train("--epochs", "1").status == 0
    for name in ("state.safetensors", "model.safetensors"):
        (tmp_path / "run" / name).rename(tmp_path / name)
        (tmp_path / "run" / name).symlink_to(tmp_path / name)
    before = (tmp_path / "state.safetensors").read_bytes()
    (tmp_path / "run" / "state.safetensors").chmod(0o444)
    assert cli("resume", "run", "--epochs", "2").status == 0
    assert (tmp_path / "state.safetensors").read_bytes() == before
    assert not (tmp_path / "run" / "state.safetensors").is_symlink()
    assert State.load(tmp_path / "run").position.epoch == 2


@pytest.mark.parametrize("kind", ["folder", "link", "link to nothing", "pipe"])
def test_a_lock_that_is_no_file(kind, train, cli, tmp_path):
    assert train("--epochs", "1").status == 0
    lock, elsewhere = tmp_path / "run" / ".lock", tmp_path / "elsewhere"
    if kind == "folder":
        lock.mkdir()
    elif kind == "pipe":
        os.mkfifo(lock)
        # it can be locked as well as a file
        assert cli("resume", "run").status == 0
        return
    else:
        lock.symlink_to(elsewhere)
    if kind == "link":
        elsewhere.write_text("mine")
    assert_one_line(cli("resume", "run"), "run/.lock cannot be written")
    assert elsewhere.exists() == (kind == "link")
    assert aezoo.load(tmp_path / "run") is not None


# ------------------------------------------------------------------ folders that vanish


@pytest.fixture
def after_epoch(monkeypatch):
    """Does something once an epoch is over."""
    from aezoo.runs.recorder import Recorder

    note = Recorder._on_epoch

    def arm(epoch, act):
        def noted(self, metrics, keep):
            note(self, metrics, keep)
            if metrics["epoch"] == epoch:
                act()

        monkeypatch.setattr(Recorder, "_on_epoch", noted)

    return arm


def test_a_folder_that_is_removed_while_a_run_trains(train, after_epoch, tmp_path):
    after_epoch(1, lambda: shutil.rmtree(tmp_path / "run"))
    assert_one_line(train(), "run was removed, moved or replaced")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_moved_while_a_run_trains(train, cli, after_epoch, tmp_path, whole):
    def move():
        (tmp_path / "run").rename(tmp_path / "moved")
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "config.json").write_text("of another run")

    after_epoch(1, move)
    assert_one_line(train(), "run was removed, moved or replaced")
    assert contents(tmp_path / "run") == {"config.json": b"of another run"}
    assert cli("resume", "moved").status == 0
    assert {file: contents(tmp_path / "moved")[file] for file in SAME} == {file: whole[file] for file in SAME}
    assert_tidy(tmp_path / "moved")


# ------------------------------------------------------------------ what an earlier training left


def test_figures_of_earlier_weights_go_once_there_are_others(train, cli, after_epoch, tmp_path):
    run = tmp_path / "run"
    assert train("--epochs", "1").status == 0

    def stop():
        raise KeyboardInterrupt

    after_epoch(2, stop)
    assert cli("resume", "run", "--epochs", "3").status == 130
    assert State.load(run).position.epoch >= 2
    assert not (run / "results.json").exists()
    assert not (run / "loss.png").exists()


def test_figures_stay_as_long_as_the_weights_are_theirs(train, cli, tmp_path):
    assert train("--epochs", "1").status == 0
    before = contents(tmp_path / "run")
    result = cli("resume", "run")
    assert result.status == 0
    assert "nothing was left to train" in result.err
    assert contents(tmp_path / "run") == before


def test_weights_that_are_missing_or_later_than_the_state_are_written_again(train, cli, tmp_path):
    run = tmp_path / "run"
    assert train("--epochs", "1").status == 0
    before = contents(run)
    assert train("--epochs", "2", out="later").status == 0
    shutil.copy(tmp_path / "later" / "model.safetensors", run)
    assert cli("resume", "run").status == 0
    assert contents(run) == before
    (run / "model.safetensors").unlink()
    assert cli("resume", "run").status == 0
    assert contents(run) == before


def test_pictures_that_fail_cost_neither_weights_nor_figures(train, tmp_path, monkeypatch):
    from aezoo import plots

    def broken(*arguments):
        raise ValueError("no such font")

    monkeypatch.setattr(plots, "draw_run", broken)
    result = train("--json")
    assert result.status == 0
    assert json.loads(result.out)["squared_error"] > 0
    assert "pictures could not be drawn (ValueError: no such font)" in result.err
    assert {"results.json", "model.safetensors", "state.safetensors"} <= contents(tmp_path / "run").keys()


@pytest.mark.parametrize("error", [SystemExit(3), ValueError("no")])
def test_a_tracker_that_would_leave_is_left(error, rows, tmp_path):
    class Tracker:
        def aezoo_epoch_end(self, run):
            raise error

    run = aezoo.train("undercomplete", rows, out=tmp_path / "run", epochs=2, latent_dim=2, trackers=[Tracker()])
    assert len(run.history) == 2
    assert sum("Tracker" in note for note in run.notes) == 1
