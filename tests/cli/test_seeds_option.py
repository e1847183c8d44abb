"""``aezoo train --seeds``."""

import json
import re

QUICK = ("--model", "undercomplete", "--epochs", "1", "--hidden", "8", "--latent-dim", "3")


def test_the_table_has_mean_and_deviation(cli, tmp_path):
    result = cli("train", *QUICK, "--seeds", "2", "--seed", "5")
    assert result.status == 0, result.err
    folder = tmp_path / "runs" / "undercomplete-digits"
    assert {path.name for path in folder.iterdir()} == {"config.json", "results.json", "seed-5", "seed-6"}
    figures = json.loads((folder / "results.json").read_text())
    found = re.search(r"^squared_error +([\d.]+) ± ([\d.]+)$", result.out, re.MULTILINE)
    assert float(found[1]) == round(figures["mean"]["squared_error"], 4)
    assert float(found[2]) == round(figures["deviation"]["squared_error"], 4)
    assert "trained as one model" in result.out
    assert cli("evaluate", "runs/undercomplete-digits/seed-6").status == 0


def test_a_config_repeats_all_runs_or_one(cli, tmp_path):
    assert cli("train", *QUICK, "--seeds", "2", "--seed", "5", "--out", "first").status == 0
    again = cli("train", "--config", "first/config.json", "--out", "again", "--json")
    assert again.status == 0, again.err
    found = json.loads(again.out)
    assert found["runs"] == ["seed-5", "seed-6"]
    assert found["mean"] == json.loads((tmp_path / "first" / "results.json").read_text())["mean"]
    one = cli("train", "--config", "first/seed-6/config.json", "--out", "one", "--json")
    results = json.loads((tmp_path / "first" / "seed-6" / "results.json").read_text())
    found = json.loads(one.out)
    assert abs(found["squared_error"] - results["squared_error"]) < 1e-4 * results["squared_error"]


def test_seeds_stand_in_a_config_file_too(cli, tmp_path):
    (tmp_path / "it.toml").write_text("seeds = 1\nepochs = 1\nhidden = [4]\nlatent-dim = 2\n")
    result = cli("train", "--config", "it.toml", "--json")
    assert result.status == 0, result.err
    found = json.loads(result.out)
    assert found["runs"] == ["seed-0"]
    assert found["deviation"]["squared_error"] is None
    (tmp_path / "it.toml").write_text('seeds = "many"\n')
    assert "'seeds' must be a whole number" in cli("train", "--config", "it.toml").err


def test_bad_seeds_are_refused_in_one_line(cli, tmp_path):
    result = cli("train", *QUICK, "--seeds", "0")
    assert result.status == 2
    assert result.err == "aezoo: error: seeds is a number of runs, 1 at least and 100,000 at most (got 0).\n"
    assert not (tmp_path / "runs").exists()


def test_the_config_of_several_settings_is_no_training(cli, tmp_path):
    (tmp_path / "config.json").write_text(
        '{"settings": [{}], "model": "vae", "config": {}, "training": {}, "data": {}}'
    )
    assert "several settings" in cli("train", "--config", "config.json").err
