"""Benchmarks say what they are at, and leave what was measured when they are stopped."""

import json
import subprocess
import types

import pytest

from benchmarks import harness
from benchmarks.harness import Benchmark, Ratio

BENCHMARK = Benchmark(
    "twice",
    "One against another",
    {"one": lambda arguments: {"samples/s": 2.0}, "other": lambda arguments: {"samples/s": 1.0}},
    [Ratio("one / other", "one", "other", at_least=1)],
    rounds=2,
)


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Has each contender measured at once, up to the ``stop``-th, at which Ctrl-C comes."""
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(harness.signal, "signal", lambda *given: None)

    def run(stop=None):
        calls = []
        real = subprocess.run

        def done(command, **options):
            if "--once" not in command:
                return real(command, **options)
            calls.append(command[-1])
            if len(calls) == stop:
                raise KeyboardInterrupt
            figures = BENCHMARK.contenders[command[-1]](None)
            return types.SimpleNamespace(returncode=0, stdout=json.dumps(figures), stderr="")

        monkeypatch.setattr(subprocess, "run", done)
        harness.main(BENCHMARK, ["--write"])
        return calls

    return run


def test_a_line_says_each_contender_and_round_before_and_after_it(measured, capsys, tmp_path):
    assert measured() == ["one", "other", "other", "one"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "twice: round 1 of 2: one …"
    assert lines[1] == "twice: round 1 of 2: one: samples/s 2"
    assert lines[-1] == "twice: round 2 of 2: one: samples/s 2"
    assert len(lines) == 8
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["twice.json"]
    assert json.loads((tmp_path / "results" / "twice.json").read_text())["ratios"][0]["median"] == 2


def test_one_that_is_stopped_leaves_what_it_measured_and_says_where(measured, capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        measured(stop=4)
    assert stopped.value.code == 130
    said = capsys.readouterr()
    assert "stopped before the last round; what was measured is in" in said.err
    assert "one / other" in said.out
    kept = json.loads((tmp_path / "results" / "twice.partial.json").read_text())
    assert kept["rounds"] == {"one": 1, "other": 2}
    assert kept["ratios"][0]["median"] == 2
    assert not (tmp_path / "results" / "twice.json").exists()
