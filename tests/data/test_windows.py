"""Series: windows that lie across no gap and no split, files of series, and scores of steps."""

import datetime as dt
import json

import numpy as np
import pytest

import aezoo
from aezoo.data import open_data
from aezoo.data.windows import by_step
from aezoo.errors import DataError, UsageError

S = 200
STEPS = np.stack([np.sin(np.arange(S) / 5), 1000 * np.cos(np.arange(S) / 7)], axis=1)


def written(path, steps, times, order=None):
    lines = [f"{t},{a:.17g},{b:.17g}" for t, (a, b) in zip(times, steps, strict=True)]
    lines = lines if order is None else [lines[i] for i in order]
    path.write_text("\n".join(["when,a,b", *lines]))
    return path


def hours(count=S, skip=()):
    start, now = dt.datetime(2024, 1, 1), 0
    for i in range(count):
        now += 10 if i in skip else 1
        yield (start + dt.timedelta(hours=now)).isoformat()


@pytest.mark.parametrize(("window", "stride"), [(10, 1), (10, 3), (24, 24), (2, 1)])
def test_windows_hold_the_steps_and_share_none_across_splits(window, stride):
    data = open_data(STEPS, window=window, stride=stride)
    assert data.spec.shape == (window, 2)
    assert data.spec.series
    for row, start in zip(data.x, data.starts, strict=True):
        assert np.array_equal(row, STEPS[start : start + window])
    splits = data.split(validation=0.2)
    held = [{step for start in data.starts[split.index] for step in range(start, start + window)} for split in splits]
    assert all(len(split) for split in splits)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not held[a] & held[b]
    assert min(held[2]) >= 160
    assert max(held[0]) < min(held[1]) < max(held[1]) < 160


def test_no_window_lies_across_a_gap_and_steps_are_put_in_order(tmp_path):
    order = np.random.default_rng(0).permutation(S)
    path = written(tmp_path / "s.csv", STEPS, hours(skip=(50, 120)), order)
    data = open_data(path, window=12, time="when")
    assert [column.name for column in data.spec.columns] == ["a", "b"]
    assert "put in the order of time" in data.notes[0]
    assert "2 gaps in time" in data.notes[1]
    for row, start in zip(data.x, data.starts, strict=True):
        assert np.array_equal(row, STEPS[start : start + 12])
        assert not any(start < gap < start + 12 for gap in (50, 120, 160))
    assert len(data) == (50 - 11) + (70 - 11) + (40 - 11) + (40 - 11)
    again = aezoo.data.reopen(data.source)
    assert np.array_equal(again.x, data.x)
    assert np.array_equal(again.test, data.test)


def test_each_channel_is_scaled_by_itself_and_matched_by_name(tmp_path):
    path = written(tmp_path / "s.csv", STEPS, hours())
    options = {"network": "conv1d", "hidden": "8", "epochs": 3, "latent_dim": 4, "progress": False}
    run = aezoo.train("undercomplete", f"{path},window=16,time=when", out=tmp_path / "run", **options)
    assert run.model.preprocess.scale.shape == (1, 2)
    scales = run.splits.train.rows().std((0, 1), correction=0)
    assert np.allclose(1 / run.model.preprocess.scale[0], scales)
    moved = tmp_path / "m.csv"
    moved.write_text(
        "\n".join(["b,when,a", *(f"{b:.17g},{t},{a:.17g}" for t, (a, b) in zip(hours(), STEPS, strict=True))])
    )
    data = open_data(moved, like=run.model.spec, time="when")
    assert np.array_equal(data.x, run.dataset.x)
    assert np.array_equal(open_data(STEPS, like=run.model.spec).x, run.dataset.x)
    with pytest.raises(DataError, match="lacks column 'b'"):
        open_data(written(tmp_path / "c.csv", STEPS, hours()), like=run.model.spec, time="when", drop="b")


def test_scores_go_back_to_the_steps(tmp_path, cli):
    steps = STEPS.copy()
    np.save(tmp_path / "clean.npy", steps)
    steps[77] = [30.0, 0.0]
    np.save(tmp_path / "odd.npy", steps)
    aezoo.train("undercomplete", f"{tmp_path}/clean.npy,window=8", out=tmp_path / "run", epochs=30, progress=False)
    result = cli("score", tmp_path / "run", "--data", tmp_path / "odd.npy", "--by", "step", "--json")
    found = json.loads(result.out)
    scores = dict(zip(found["step"], found["score"], strict=True))
    assert len(scores) == S
    assert max(scores, key=scores.get) == 77
    assert cli("score", tmp_path / "run", "--by", "step").status == 0
    aezoo.train("undercomplete", "moons", out=tmp_path / "moons", epochs=1, progress=False)
    assert "cut them with window" in cli("score", tmp_path / "moons", "--by", "step").err


def test_scores_by_step_draw_as_told(tmp_path, cli):
    np.save(tmp_path / "s.npy", STEPS)
    run = aezoo.train("vae", f"{tmp_path}/s.npy,window=8", out=tmp_path / "run", epochs=2, progress=False)
    drawn = json.loads(
        cli("score", tmp_path / "run", "--split", "all", "--by", "step", "--draws", 3, "--seed", 5, "--json").out
    )
    x = run.dataset.x
    values = run.model.score_by_value(x, draws=3, seed=5)[:, :-1].reshape(len(x), 8, 2).sum(2)
    # the last step stands in the last window alone, the second in two
    assert np.isclose(drawn["score"][-1], values[-1, -1])
    assert np.isclose(drawn["score"][1], (values[0, 1] + values[1, 0]) / 2)
    for other in (["--alarms"], ["--explain", "2"]):
        result = cli("score", tmp_path / "run", "--by", "step", *other)
        assert result.status == 2
        assert "leave --alarms and --explain out" in result.err


def test_means_over_the_windows_of_a_step():
    steps, means = by_step([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [0, 1])
    assert steps.tolist() == [0, 1, 2, 3]
    assert means.tolist() == [1.0, 3.0, 4.0, 6.0]
    assert by_step([[1.0, 1.0]], [5])[0].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        (STEPS, {"window": 300}, DataError, "none of its stretches holds a window of 300"),
        (STEPS, {"layout": "series"}, DataError, "one series of 200 steps: say how long the windows are"),
        (np.zeros((5, 3, 3)), {"window": 2, "layout": "series"}, DataError, "windows are of a series of numbers"),
        (STEPS, {"window": 1}, UsageError, "greater than or equal to 2"),
    ],
)
def test_series_that_cannot_be_cut(data, options, error, message):
    with pytest.raises(error, match=message):
        open_data(data, **options)


def test_tables_that_cannot_be_cut(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("t,a,w\n1,1,x\n2,2,y\n3,3,x\n3,4,y\n")
    with pytest.raises(DataError, match="column 'w' is none, or has holes: drop it"):
        open_data(path, window=2, time="t")
    with pytest.raises(DataError, match="two steps at one time"):
        open_data(path, window=2, time="t", drop="w")
    with pytest.raises(UsageError, match="has no column 'when'"):
        open_data(path, window=2, time="when")


TS = "#a remark\n@problemName T\n@timestamps false\n@univariate false\n@classLabel true a b\n@data\n"


def test_ts_files(tmp_path):
    path = tmp_path / "t.ts"
    path.write_text(TS + "1,2,3:4,5,6:a\n7,8,9:1,1,1:b\n")
    data = open_data(path)
    assert np.array_equal(data.x, [[[1, 4], [2, 5], [3, 6]], [[7, 1], [8, 1], [9, 1]]])
    assert data.spec.series
    assert data.label_names == ("a", "b")
    path.write_text(TS + "1,2,3:4,5,6:a\n7,8:1,?:b\n")
    holed = open_data(path)
    nan = np.nan
    assert np.array_equal(holed.x, [[1, 4, 2, 5, 3, 6], [7, 1, 8, nan, nan, nan]], equal_nan=True)
    assert holed.spec.columns[3].name == "step 1, channel 1"
    assert "unlike length or with holes" in holed.notes[0]
    path.write_text(TS + "1,2:1,1:b\n")
    again = open_data(path, like=holed.spec)
    assert np.array_equal(again.x, [[1, 1, 2, 1, nan, nan]], equal_nan=True)
    for bad, message in (
        ("1,2:1:a\n", "line 7: its channels are not as many"),
        ("1,x:1,2:a\n", "line 7: could not convert"),
        ("", "no series after @data"),
    ):
        path.write_text(TS + bad)
        with pytest.raises(DataError, match=message):
            open_data(path)
    path.write_text(TS.replace("@timestamps false", "@timestamps true") + "(1,2)\n")
    with pytest.raises(DataError, match="time stamps"):
        open_data(path)
