"""The generated tables of the README."""

from aezoo.registry import tables


def figure(name, obtained, accept, judged=True):
    tolerance = {"low": 0, "high": 1, "text": "0 to 1"} if judged else None
    return {"name": name, "published": 1, "obtained": obtained, "tolerance": tolerance, "accept": accept}


def card(rows, **fields):
    accept = all(row["accept"] is not False for row in rows)
    plain = {"card": "x1", "title": "A title", "models": ["vae"], "form": "full", "difference": None, "seeds": [0]}
    return {**plain, "rows": rows, "accept": accept, **fields}


def test_a_card_shows_what_it_judges_and_where_its_result_is():
    rows = [figure("good", 0.5, True), figure("bad", 2.0, False), figure("shown", 3.0, None, judged=False)]
    lines = tables.cards_table({}, [card(rows, form="short", difference="less", seeds=[3, 4])]).splitlines()[2:]
    assert lines[0] == (
        "| X1: A title (`reproductions/results/x1.json`) | good | 1 | 0.5 | 0 to 1 | ✓ | short: less; seeds 3, 4 |"
    )
    assert lines[1:] == ["|  | bad | 1 | 2 | 0 to 1 | ✗ |  |"]


def test_of_many_figures_the_first_are_shown_and_all_that_did_not_come_out():
    rows = [figure(f"f{index}", 0.5, index != 19) for index in range(20)]
    lines = tables.cards_table({}, [card(rows)]).splitlines()[2:]
    assert len(lines) == tables.MOST_FIGURES + 2
    assert "f19" in lines[-2]
    assert "✗" in lines[-2]
    assert "| and 7 more |" in lines[-1]


def test_a_model_names_the_cards_that_it_was_held_to():
    results = {"squared_error": 0.5, "probe_accuracy": 0.9}
    model = {"name": "vae", "family": "variational", "summary": "It is.", "results": results}
    cards = [card([figure("a", 0, True)]), card([figure("a", 2, False)], card="y2"), card([], card="z3", models=[])]
    line = tables.models_table({"models": [model]}, cards).splitlines()[2]
    assert line == "| `vae` | variational | It is. | 0.50 |  |  | 90.0 % | X1 ✓, Y2 ✗ |"


def test_defaults_that_are_mappings_are_shown_as_they_are_written():
    from aezoo.registry.tables import _shown

    assert _shown({}) == "none"
    assert _shown({"age": 2.0, "city": 0.5}) == "age:2.0;city:0.5"
    assert _shown({"name": "topk", "value": 8, "options": {}}) == "topk=8"
