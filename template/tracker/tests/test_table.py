"""The table, against what aezoo itself wrote down."""

import csv
import json
from pathlib import Path

import aezoo

from aezoo_my_model.table import NAME, add


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / NAME).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_has_a_line_an_epoch_with_the_figures_of_its_metrics(tmp_path: Path) -> None:
    aezoo.train("undercomplete", "digits", epochs=3, out=tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text("utf-8").splitlines()]
    found = rows(tmp_path / "run")
    assert [float(row["epoch"]) for row in found] == [1, 2, 3]
    assert [float(row["loss"]) for row in found] == [line["loss"] for line in lines]


def test_a_run_without_a_folder_is_left_alone(tmp_path: Path) -> None:
    assert aezoo.train("undercomplete", "digits", epochs=1).folder is None
    assert not list(tmp_path.iterdir())


def test_an_epoch_that_is_told_of_again_is_written_anew(tmp_path: Path) -> None:
    for epoch, loss in ((1, 5.0), (2, 4.0), (3, 3.5), (2, 3.0)):
        add(tmp_path, {"epoch": epoch, "loss": loss})
    assert [(row["epoch"], row["loss"]) for row in rows(tmp_path)] == [("1", "5.0"), ("2", "3.0")]


def test_a_figure_that_comes_later_leaves_a_gap_before(tmp_path: Path) -> None:
    add(tmp_path, {"epoch": 1, "loss": 5.0})
    add(tmp_path, {"epoch": 2, "loss": 4.0, "validation_loss": 4.5})
    assert [row["validation_loss"] for row in rows(tmp_path)] == ["", "4.5"]
