import dataclasses
import json
import math
import re
from pathlib import Path

import pytest

from aezoo.errors import DataError
from reproductions import __main__ as command
from reproductions import card as cards
from reproductions.card import Card, Context, Figure, Tolerance, at_least, at_most, positive, within, within_percent

RESULTS = sorted((Path(command.HERE) / "results").glob("*.json"))
KEYS = [
    *("card", "title", "source", "recipe", "models", "form", "difference", "seeds", "rows", "accept", "notes"),
    *("versions", "machine", "seconds"),
]


def made(measure, figures, **options):
    return Card("x1", "a title", "a source", "a recipe", ("vae",), figures, measure, **options)


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_written_results_are_those_of_their_cards(path):
    result = json.loads(path.read_text())
    assert list(result) == KEYS
    card = command.card(path.stem)
    full = result["form"] == "full"
    assert result["form"] in ("full", "short")
    assert full == (result["difference"] is None)
    assert full or result["difference"] == card.short
    for key in ("title", "source", "recipe", "models", "notes"):
        kept = getattr(card, key)
        assert result[key] == (kept if isinstance(kept, str) else list(kept)), f"{key} has changed: run it again"
    figures = card.compared(full)
    assert [row["name"] for row in result["rows"]] == [figure.name for figure in figures]
    for row, figure in zip(result["rows"], figures, strict=True):
        assert len(row["per_seed"]) == len(result["seeds"])
        values = [math.nan if value is None else value for value in row["per_seed"]]
        # the verdict, and the tolerance, are the card's and not the file's
        assert row == cards.row(figure, values)
    assert result["accept"] == all(row["accept"] is not False for row in result["rows"])
    assert result["seconds"] > 0
    assert set(result["versions"]) >= {"python", "torch", "aezoo"}


@pytest.mark.parametrize("name", command.names())
def test_every_card_can_be_listed_and_is_well_formed(name):
    card = command.card(name)
    assert card.name == name
    assert card.title
    assert card.source
    assert card.recipe
    for full in (False, True):
        names = [figure.name for figure in card.compared(full)]
        assert len(set(names)) == len(names) > 0
        assert any(figure.tolerance for figure in card.compared(full)), "a card that judges nothing reproduces nothing"
    assert card.short or card.full_figures is None
    assert len(set(card.seeds)) == len(card.seeds) > 0


@pytest.mark.parametrize(
    ("tolerance", "inside", "outside"),
    [
        (within(105.6, 0.4), [105.2, 105.6, 106.0], [105.19, 106.01]),
        (within(-831, 15), [-846, -816], [-847, 831]),
        (within_percent(-200, 0.1), [-200.2, -199.8], [-200.21, -199.79]),
        (at_most(3.3), [3.3, -5], [3.301]),
        (at_least(0.9), [0.9, 2], [0.899]),
        (positive(), [1e-300, 3], [0.0, -1e-300]),
        (Tolerance(1.0, 2.0, "1 to 2"), [1.0, 2.0], [0.99, 2.01]),
    ],
)
def test_tolerances(tolerance, inside, outside):
    assert all(map(tolerance.accepts, inside))
    assert not any(map(tolerance.accepts, [*outside, math.nan, math.inf, -math.inf]))


def test_every_seed_is_judged_and_the_mean_is_shown():
    figure = Figure("error", 1.0, within(1, 0.5))
    assert cards.row(figure, [0.6, 1.4])["accept"] is True
    # a mean of 1 hides two seeds that are far off
    far = cards.row(figure, [0.0, 2.0])
    assert (far["obtained"], far["per_seed"], far["accept"]) == (1.0, [0.0, 2.0], False)
    lost = cards.row(figure, [1.0, math.nan])
    assert (lost["obtained"], lost["per_seed"], lost["accept"]) == (None, [1.0, None], False)
    assert cards.row(Figure("shown", 1.0), [7.0])["accept"] is None


def test_a_result_says_how_it_came_about():
    calls = []

    def measure(context, seed):
        calls.append((seed, context.out, context.full))
        return {"a": float(seed), "b": 0.0}

    figures = [Figure("a", 1.0, at_most(1.5)), Figure("b")]
    short = made(measure, figures, short="fewer epochs", seeds=(0, 1), notes=["a note"])
    result = cards.run(short, Context(out=Path("pictures")))
    assert (result["form"], result["difference"], result["seeds"]) == ("short", "fewer epochs", [0, 1])
    assert result["accept"] is True
    assert [row["obtained"] for row in result["rows"]] == [0.5, 0.0]
    # one seed's pictures, not the last seed's over the first's
    assert calls == [(0, Path("pictures"), False), (1, None, False)]
    whole = cards.run(short, Context(full=True), seeds=[2])
    assert (whole["form"], whole["difference"], whole["seeds"], whole["accept"]) == ("full", None, [2], False)
    no_shorter = made(measure, figures)
    assert cards.run(no_shorter, Context())["form"] == "full"


def test_the_full_form_may_compare_more():
    shorter, all_of_it = [Figure("a")], [Figure("a"), Figure("b")]
    card = made(lambda context, seed: {}, shorter, short="less", full_figures=all_of_it)
    assert (card.compared(False), card.compared(True)) == (shorter, all_of_it)
    assert made(lambda context, seed: {}, shorter, short="less").compared(True) == shorter


@pytest.mark.parametrize("found", [{"a": 1.0}, {"a": 1.0, "b": 2.0, "c": 3.0}])
def test_a_card_that_measures_something_else_is_a_bug(found):
    card = made(lambda context, seed: found, [Figure("a"), Figure("b")])
    with pytest.raises(ValueError, match="x1 measured"):
        cards.run(card, Context())


def test_data_is_looked_for_before_anything_is_trained(tmp_path, monkeypatch):
    def measure(context, seed):
        raise AssertionError("trained")

    card = made(measure, [Figure("a")], data=["mnist"])
    with pytest.raises(DataError, match=rf"no folder 'mnist' of data in '{tmp_path}': .*--data-dir or AEZOO_DATA"):
        cards.run(card, Context(data_dir=tmp_path))
    (tmp_path / "mnist").mkdir()
    assert Context(data_dir=tmp_path).folder("mnist") == tmp_path / "mnist"
    monkeypatch.setenv("AEZOO_DATA", str(tmp_path))
    assert Context().folder("mnist") == tmp_path / "mnist"
    with pytest.raises(DataError, match="elsewhere"):
        Context(data_dir=tmp_path / "elsewhere").folder("mnist")


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Two cards that train nothing, in a folder of their own."""
    good = made(lambda context, seed: {"a": 1.0 + seed}, [Figure("a", 1.0, within(1, 0.1))], short="less")
    bad = made(lambda context, seed: {"a": math.nan}, [Figure("a", 1.0, at_most(2))], notes=["tried"])
    found = {"g1": dataclasses.replace(good, name="g1"), "b1": dataclasses.replace(bad, name="b1")}
    monkeypatch.setattr(command, "HERE", tmp_path / "cards")
    monkeypatch.setattr(command, "names", lambda: sorted(found))
    monkeypatch.setattr(command, "card", found.__getitem__)
    return found


def test_the_command_prints_published_against_obtained(quick, capsys):
    assert command.guarded(["g1"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"a +1 +1 +1 ± 0.1 +accepted", out)
    assert "short: less; seeds 0" in out
    assert command.guarded(["g1", "--seeds", "0,5"]) == 1
    assert re.search(r"NOT ACCEPTED 1 6", capsys.readouterr().out)
    assert command.guarded(["all"]) == 1
    out = capsys.readouterr().out
    assert "note: tried" in out
    assert command.guarded([]) == 0
    assert "g1  a title (a source)" in capsys.readouterr().out


def test_all_of_the_data_is_looked_for_before_the_first_card_runs(quick, capsys, tmp_path):
    quick["z1"] = made(lambda context, seed: {"a": 0.0}, [Figure("a")], data=["mnist"])
    assert command.guarded(["g1", "z1", "--data-dir", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "no folder 'mnist'" in err


def test_the_command_writes_results_beside_the_cards_or_where_it_is_told(quick, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.guarded(["all", "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert [result["accept"] for result in printed] == [False, True]
    written = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "cards" / "results").iterdir()}
    assert {name: result["accept"] for name, result in written.items()} == {"b1": False, "g1": True}
    assert command.guarded(["g1", "--json", "--out", "new/folder"]) == 0
    capsys.readouterr()
    (written,) = (tmp_path / "new" / "folder").iterdir()
    assert list(json.loads(written.read_text())) == KEYS


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["v9"], 2, r"no card 'v9'; did you mean .*'v\d'.* The cards: "),
        (["all", "v2"], 2, "no card 'all'"),
        (["v2", "--seeds", "0,zero"], 2, "seeds '0,zero' are not different whole numbers"),
        (["v2", "--seeds", "1,1"], 2, "seeds '1,1'"),
        (["v2", "--seeds", "-1"], 2, "seeds '-1'"),
        (["v2", "--epochs", "3"], 2, "No such option"),
        (["v2", "--data-dir", "nowhere"], 1, "no folder 'mnist' of data in 'nowhere'"),
        (["v2", "--out", __file__], 1, "name another folder with --out"),
    ],
)
def test_a_mistake_gets_one_line(arguments, status, message, capsys):
    assert command.guarded(arguments) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("reproductions: error: ")
    assert re.search(message, err)


def test_an_interrupt_gets_one_line_and_keeps_what_was_written(quick, capsys, tmp_path):
    def interrupted(context, seed):
        raise KeyboardInterrupt

    quick["z1"] = made(interrupted, [Figure("a")])
    assert command.guarded(["g1", "z1", "--out", str(tmp_path)]) == 130
    # click ends the line on which the terminal shows ^C
    said = capsys.readouterr().err
    assert said.endswith("…\n\nreproductions: error: interrupted; the results of finished cards stay\n")
    assert [line.partition(",")[0] for line in said.splitlines()[:2]] == ["card 1 of 2: G1", "card 2 of 2: X1"]
    assert len(list(tmp_path.iterdir())) == 1
