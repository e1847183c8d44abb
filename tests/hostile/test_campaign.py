"""A quick campaign over every reader, and whether a campaign sees what it is there to see."""

import json
import os
import time
from random import Random

import pytest

from aezoo.errors import DataError
from campaigns import fuzz, worker
from campaigns.mutations import BYTES, altered, damaged, written
from campaigns.subjects import SUBJECTS, RefusedError, Subject, command

INPUTS = {"toml": 20, "config.json": 20, "arguments": 40, "npz": 50, "idx.gz": 60, "mnist": 60, "idx-folder": 60}
INPUTS |= {"load": 100, "resume": 40, "use": 25}


@pytest.mark.parametrize("name", SUBJECTS)
def test_damaged_inputs_are_read_or_refused_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verdicts = []
    for seed in range(10**6, 10**6 + INPUTS.get(name, 120)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        outcome = worker.attempt(SUBJECTS[name], seed, folder)
        assert outcome.verdict != worker.FOUND, f"--subject {name} --seed {seed}: {outcome.said}"
        verdicts.append(outcome.verdict)
    # inputs that are all refused at the door show nothing of what lies behind it
    assert {worker.READ, worker.REFUSED} == set(verdicts)


def fed(read, tmp_path, **limits):
    return worker.attempt(Subject("x", "", lambda draw, folder: draw.random(), read, **limits), 1, tmp_path)


def raising(error):
    def read(given):
        raise error

    return read


def warning(given):
    import warnings

    warnings.warn("odd", stacklevel=1)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (raising(KeyError("x")), "KeyError: 'x'"),
        (raising(SystemExit(1)), "SystemExit: 1"),
        (raising(RecursionError()), "RecursionError"),
        (raising(MemoryError()), "MemoryError"),
        (raising(DataError("x does not fit in memory.")), "memory ran out"),
        (raising(DataError("")), "an empty message"),
        (raising(RefusedError("a\x1b[31m")), "characters that cannot be printed"),
        (raising(RefusedError("a\nb")), "characters that cannot be printed"),
        (raising(RefusedError("a" * 2000)), "a message of 2000 characters"),
        (warning, "UserWarning: odd"),
    ],
)
def test_what_is_no_refusal_in_one_line_is_found(read, said, tmp_path):
    outcome = fed(read, tmp_path)
    assert outcome.verdict == worker.FOUND
    assert said in outcome.said


def test_reading_and_refusing_are_told_apart(tmp_path):
    assert fed(lambda given: None, tmp_path).verdict == worker.READ
    assert fed(raising(DataError("no.")), tmp_path).verdict == worker.REFUSED


def test_time_and_memory_are_measured(tmp_path):
    def busy(given):
        begun = time.process_time()
        while time.process_time() < begun + 0.05:
            pass

    assert "seconds" in fed(busy, tmp_path, seconds=0.02).said
    assert fed(busy, tmp_path, seconds=5.0).verdict == worker.READ
    if not worker._status("VmHWM"):
        pytest.skip("this system does not say how much memory was held")
    # far more than what the process may give back meanwhile
    assert " MiB" in fed(lambda given: bytes(b"x" * (300 << 20)), tmp_path, memory=30 << 20).said
    assert fed(lambda given: None, tmp_path, memory=30 << 20).verdict == worker.READ


def test_a_process_that_dies_or_hangs_is_found_and_another_goes_on(tmp_path, monkeypatch):
    script = tmp_path / "dies.py"
    script.write_text(
        "import os, sys, time\n"
        "for line in sys.stdin:\n"
        "    if int(line) == 1: os._exit(9)\n"
        "    if int(line) == 2: time.sleep(60)\n"
        '    print(\'{"verdict": "read"}\', flush=True)\n'
    )
    monkeypatch.setattr(fuzz, "PATIENCE", 1.5)
    monkeypatch.setattr(fuzz, "COMMAND", ("-S", str(script)))
    feeding = fuzz.Worker("npy")
    try:
        said = [feeding.feed(seed).get("said", "read") for seed in (0, 1, 2, 3)]
    finally:
        feeding.end()
    assert said == ["read", "the process ended with status 9", "no answer within 2 seconds", "read"]


def test_a_seed_makes_the_same_input_again(tmp_path):
    for name, subject in SUBJECTS.items():
        for seed in range(3):
            made = []
            for turn in ("a", "b"):
                folder = tmp_path / turn / name / str(seed) / "input"
                folder.mkdir(parents=True)
                given = subject.make(Random(f"{name} {seed}"), folder)
                # one in a folder may be a pipe, or as large as no memory
                found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size < 1 << 24]
                files = {path.name: path.read_bytes() for path in found}
                made.append((repr(given).replace(f"/{turn}/", "/"), files))
            assert made[0] == made[1], (name, seed)


def test_every_way_of_damage_changes_something():
    content = json.dumps({"a": [1, 2.5, "text"], "b": {"c": None}}).encode() * 3
    for way in BYTES:
        assert any(way(Random(seed), content) != content for seed in range(5)), way
    assert len({damaged(Random(seed), content) for seed in range(200)}) > 190
    value = {"a": [1, 2, {"b": 3}], "c": "d"}
    assert len({written(altered(Random(seed), value)) for seed in range(200)}) > 100
    assert value == {"a": [1, 2, {"b": 3}], "c": "d"}


def test_what_is_written_is_json_and_may_be_deep():
    value = {"a": [1, 2.5, None, True, "x"], "b": {}, "c": [], "d": {"e": [[]]}}
    assert json.loads(written(value)) == value
    deep = [1]
    for _ in range(20_000):
        deep = [deep]
    assert written(deep).count("[") == 20_001


def test_a_command_that_says_more_than_one_line_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedError, match="no model 'nothing'"):
        command("train", "--model", "nothing")
    command("list")


def test_written_results_are_of_a_hundred_thousand_inputs_without_findings():
    rows = [json.loads(path.read_text("utf-8")) for path in fuzz.RESULTS.glob("*.json")]
    assert {row["subject"] for row in rows} >= set(SUBJECTS)
    assert sum(row["inputs"] for row in rows) >= 100_000
    assert not [row["findings"] for row in rows if row["found"]]
    assert fuzz.table(fuzz.RESULTS) in (fuzz.HERE / "README.md").read_text("utf-8")


@pytest.mark.skipif(os.name == "nt", reason="there are no limits of this kind")
def test_the_room_of_a_worker_is_bounded(tmp_path):
    import subprocess
    import sys

    program = "from campaigns import worker; worker.limit(64 << 20); bytearray(512 << 20)"
    found = subprocess.run([sys.executable, "-c", program], cwd=fuzz.HERE.parent, capture_output=True, text=True)
    assert "MemoryError" in found.stderr
