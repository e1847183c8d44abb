"""Tables on the command line: what was understood, scores by column, alarms, imputation."""

import csv
import json
import shutil

import numpy as np
import pytest

import aezoo
from aezoo.data import open_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    with (folder / "t.csv").open("w", encoding="utf-8") as file:
        file.write("age,city,visits,day,id\n")
        for i in range(400):
            age = "" if i % 10 == 3 else f"{rng.normal(40, 10):.1f}"
            city = "" if i % 10 == 4 else ["Köln", "Oslo", "Rome"][i % 3]
            file.write(f"{age},{city},{rng.poisson(3)},2024-01-{1 + i % 28:02d},n{i}\n")
    data = str(folder / "t.csv,kinds=visits:count")
    aezoo.train("denoising", data, out=folder / "run", epochs=3, progress=False)
    return folder


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_understood_is_shown_before_training(folder, cli):
    result = cli("data", f"{folder}/t.csv,kinds=visits:count")
    assert result.status == 0
    for wanted in (
        "400 rows of 4 values",
        "set aside: 'id'",
        "category",
        "Köln 1",
        "2024-01-01 to 2024-01-28",
        "10 %",
        "--likelihood table",
    ):
        assert wanted in result.out
    assert "column 'id' holds 400 texts in 400 rows: set aside" in result.err
    found = json.loads(cli("data", f"{folder}/t.csv,kinds=visits:count", "--json").out)
    assert [column["kind"] for column in found["columns"]] == ["number", "category", "count", "date"]
    assert found["columns"][0]["missing"] == pytest.approx(0.1)
    digits = cli("data", "digits")
    assert "1,797 rows of 1×8×8 values, values 0 to 16; 359" in digits.out
    assert "labels: 0 178, 1 182" in digits.out


def test_scores_by_column_sum_to_those_by_row(folder, cli):
    run = str(folder / "run")
    plain = [float(line) for line in cli("score", run).out.split()]
    out = folder / "by.csv"
    assert cli("score", run, "--by", "column", "--out", str(out)).status == 0
    found = rows(out)
    assert list(found[0]) == ["row", "score", "age", "city", "visits", "day", "code"]
    sums = [sum(float(row[name]) for name in ("age", "city", "visits", "day", "code")) for row in found]
    assert sums == pytest.approx(plain, rel=1e-3, abs=1e-3)
    assert [float(row["score"]) for row in found] == pytest.approx(plain, rel=1e-3, abs=1e-3)
    assert [int(row["row"]) for row in found] == list(range(400))
    test = json.loads(cli("score", run, "--by", "column", "--split", "test", "--json").out)
    assert test["row"] == sorted(int(i) for i in open_data(folder / "t.csv").test)


def test_alarms_are_told_by_a_calibration(folder, cli):
    run = str(folder / "run")
    assert "aezoo calibrate" in cli("score", run, "--alarms").err
    told = json.loads(cli("calibrate", run, "--split", "test", "--false-alarms", "0.1", "--json").out)
    assert (told["rows"], told["rate"], told["of"]) == (80, 0.1, "bound")
    found = json.loads(cli("score", run, "--alarms", "--json").out)
    assert set(found) == {"row", "score", "p_value", "alarm"}
    for p, alarm, score in zip(found["p_value"], found["alarm"], found["score"], strict=True):
        assert (p <= 0.1) == bool(alarm) == (score > told["threshold"])
    assert "the calibration is of the score 'bound'" in cli("score", run, "--alarms", "--of", "reconstruction").err
    assert "cannot tell a rate of 0.001" in cli("calibrate", run, "--false-alarms", "0.001").err
    both = cli("calibrate", run, "--false-alarms", "0.1", "--contamination", "0.1")
    assert both.status == 2
    assert "give one of them" in both.err
    assert "were learned from" in cli("calibrate", run, "--split", "train").err


def test_the_worst_rows_are_explained(folder, cli):
    run = str(folder / "run")
    with (folder / "odd.csv").open("w", encoding="utf-8") as file:
        file.write("id,visits,city,age,day\na,3,Köln,40,2024-01-05\nb,3,Oslo,900,2024-01-05\nc,2,Rome,41,2024-01-09\n")
    result = cli("score", run, "--data", str(folder / "odd.csv"), "--explain", "2", "--json")
    found = json.loads(result.out)
    assert found["rows"][0]["row"] == 1
    cause = found["rows"][0]["columns"][0]
    assert (cause["column"], cause["value"]) == ("age", 900.0)
    assert cause["nats"] > 100
    assert (folder / "run" / "explained.png").stat().st_size > 1000
    text = cli("score", run, "--data", str(folder / "odd.csv"), "--explain", "2", "--out", str(folder / "why.png")).out
    assert "age 900 (expected" in text
    assert (folder / "why.png").is_file()


def test_missing_values_are_filled_in(folder, cli):
    run = str(folder / "run")
    told = json.loads(cli("impute", run, "--out", str(folder / "full.csv"), "--json").out)
    assert told == {"out": str(folder / "full.csv"), "shape": [400, 4], "filled": 80}
    before, after = rows(folder / "t.csv"), rows(folder / "full.csv")
    assert list(after[0]) == ["age", "city", "visits", "day"]
    for old, new in zip(before, after, strict=True):
        assert new["day"].startswith(old["day"])
        assert new["visits"] == old["visits"]
        assert float(new["age"]) == float(old["age"] or new["age"])
        assert new["city"] == (old["city"] or new["city"])
        assert new["city"] in ("Köln", "Oslo", "Rome")
    found = json.loads(cli("impute", run, "--check", "--json").out)
    assert set(found) == {"model", "mean", "nearest", "iterative"}
    assert set(found["model"]) == {"error", "accuracy"}
    assert cli("impute", run, "--out", str(folder / "full.xls")).status == 2


def test_reconstructions_are_a_table_of_the_same_columns(folder, cli):
    out = folder / "back.csv"
    assert cli("reconstruct", str(folder / "run"), "--out", str(out)).status == 0
    found = rows(out)
    assert list(found[0]) == ["age", "city", "visits", "day"]
    assert {row["city"] for row in found} <= {"Köln", "Oslo", "Rome"}
    assert all(row["visits"].isdigit() for row in found)
    aezoo.train("vae", str(folder / "t.csv"), out=folder / "drawn", epochs=1, progress=False)
    assert cli("sample", folder / "drawn", "-n", "5", "--noise", "--out", str(folder / "drawn.csv")).status == 0
    drawn = rows(folder / "drawn.csv")
    assert list(drawn[0]) == ["age", "city", "visits", "day"]
    assert {row["city"] for row in drawn} <= {"Köln", "Oslo", "Rome"}
    # what was written is read again as what it was
    open_data(out, kinds="visits:count")


def test_columns_that_do_not_fit_get_one_line(folder, cli):
    (folder / "less.csv").write_text("age,city,visits\n1,Oslo,2\n")
    result = cli("score", str(folder / "run"), "--data", str(folder / "less.csv"))
    assert result.status == 1
    assert "less.csv lacks column 'day'" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        (["--train-on", "all"], (400, 0, 0)),
        (["--train-on", "all", "--validation", "40"], (360, 40, 0)),
        (["--test", "0.5"], (180, 20, 200)),
        (["--test", "100"], (270, 30, 100)),
        (["--test", "0"], (360, 40, 0)),
        (["--test", "FILE"], (360, 40, 50)),
    ],
)
def test_which_rows_are_learned_from(folder, cli, tmp_path, options, sizes):
    from aezoo.core.options import TrainConfig
    from aezoo.data import reopen

    lines = (folder / "t.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "more.csv").write_text("\n".join(lines[:51]), encoding="utf-8")
    options = [str(tmp_path / "more.csv") if option == "FILE" else option for option in options]
    run = tmp_path / "run"
    result = cli("train", "--model", "vae", "--data", f"{folder}/t.csv", "--epochs", "1", "--out", str(run), *options)
    assert result.status == 0
    config = json.loads((run / "config.json").read_text())
    splits = reopen(config["data"]).split(TrainConfig(**config["training"]).validation, 0)
    assert tuple(len(split) for split in splits) == sizes
    assert ("every row was learned from" in result.err or "nothing could be measured" in result.err) == (sizes[2] == 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--test", "much"], "no dataset 'much'"),
        (["--test", "1.5"], "neither a share below 1"),
        (["--test", "-1"], "neither a share below 1"),
        (["--test", "400"], "leaves none to train on"),
        (["--test", "0.2", "--train-on", "all"], "give one of them"),
    ],
)
def test_splits_that_cannot_be(folder, cli, tmp_path, options, message):
    result = cli("train", "--data", f"{folder}/t.csv", "--out", str(tmp_path / "run"), *options)
    assert result.status in (1, 2)
    assert message in result.err
    assert not (tmp_path / "run").exists()


def test_scores_by_the_nearest_codes_need_a_calibration(folder, cli, tmp_path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    (run / "calibration.safetensors").unlink(missing_ok=True)
    assert "calibrate" in cli("score", run, "--of", "nearest").err
    assert cli("calibrate", run, "--split", "test", "--of", "both").status == 0
    found = json.loads(cli("score", run, "--alarms", "--json").out)
    assert 0.9 < np.mean(np.array(found["p_value"]) > 0.05) <= 1
    assert "no sum over columns" in cli("score", run, "--by", "column").err
    assert cli("score", run, "--by", "column", "--of", "bound").status == 0
    assert "leave --draws out" in cli("score", run, "--draws", "2").err


def test_the_score_of_several_seeds_is_their_mean(folder, cli, tmp_path):
    aezoo.train_many("vae", str(folder / "t.csv"), seeds=2, out=tmp_path / "many", epochs=1, progress=False)
    mean = json.loads(cli("score", tmp_path / "many", "--json").out)
    each = [json.loads(cli("score", tmp_path / "many" / f"seed-{i}", "--json").out) for i in range(2)]
    assert np.allclose(mean, np.mean(each, axis=0))
    assert "name one of them" in cli("score", tmp_path / "many", "--by", "column").err
