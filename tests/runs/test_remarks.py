"""What a run says of itself without being asked: each trouble provoked, and silence where all is well."""

import json

import numpy as np
import pytest
import torch

import aezoo
from aezoo.data import open_data
from aezoo.errors import DivergenceError
from aezoo.runs import notes

DRAW = np.random.default_rng(0)
ROWS = (DRAW.normal(size=(400, 2)) @ DRAW.normal(size=(2, 5)) + 0.1 * DRAW.normal(size=(400, 5))).astype("float32")


def said(model, data, **options):
    options = {"epochs": 3, "latent_dim": 2, "progress": False, **options}
    return aezoo.train(model, data, **options).notes


def one(found, *words):
    """The one note with these words."""
    (note,) = [note for note in found if all(word in note for word in words)]
    return note


def with_column(values, place=3):
    rows = ROWS.copy()
    rows[:, place] = values
    return rows


# ------------------------------------------------------------------ the data


def test_a_constant_column_is_named():
    assert one(said("undercomplete", with_column(5.0)), "column 3 (counted from 0) is the same in all training rows")


def test_constant_columns_are_named_together():
    rows = ROWS.copy()
    rows[:, [0, 4]] = 1.0
    assert one(said("undercomplete", rows), "columns 0 and 4 (counted from 0) are the same", "leave them out")


def test_a_heavy_tail_is_named_with_how_far_it_reaches():
    values = DRAW.normal(size=400)
    # in the training rows, and so far out that 400 rows leave it 19 deviations or less
    values[np.setdiff1d(np.arange(400), open_data(ROWS).test)[:2]] = [1e4, 2.0]
    assert not [note for note in said("undercomplete", with_column(values)) if "tails" in note]
    rows = np.concatenate([with_column(values)] + [ROWS] * 5)
    assert one(said("undercomplete", rows), "column 3 (counted from 0) is heavy in the tails", "deviations")


@pytest.mark.parametrize("kind", ["normal", "uniform", "exponential", "rare"])
def test_usual_columns_have_no_heavy_tails(kind):
    values = {
        "normal": DRAW.normal(size=400),
        "uniform": DRAW.random(400),
        "exponential": DRAW.exponential(size=400),
        # one row in 400 has it
        "rare": np.arange(400) == 7,
    }[kind]
    assert not [note for note in said("undercomplete", with_column(values)) if "tails" in note]


def test_fewer_rows_than_values():
    assert one(said("undercomplete", DRAW.normal(size=(40, 60)).astype("float32")), "fewer training rows", "(60)")


def test_rows_that_nothing_scales():
    assert one(said("undercomplete", 1e3 * ROWS, preprocess="none", lr=1e-5), "root mean square", "standardize")


# ------------------------------------------------------------------ the fit


def test_a_test_split_far_from_the_training_rows_names_the_column():
    rows = ROWS.copy()
    rows[open_data(rows).test, 2] += 30
    note = one(said("undercomplete", rows, epochs=30), "squared error of the test rows")
    assert "Column 2 (counted from 0) is most of that." in note


def test_a_learned_scale_at_its_bound():
    found = said("vae", ROWS, likelihood="gaussian,scale=shared,min_log_scale=-0.5", epochs=100, lr=1e-2)
    assert one(found, "at its bound, exp(-0.5), in 100 % of all values", "min_log_scale")
    free = said("vae", ROWS, likelihood="gaussian,scale=shared", epochs=100, lr=1e-2)
    assert not [note for note in free if "bound" in note]


# ------------------------------------------------------------------ the code


def test_a_posterior_that_has_collapsed_is_told_with_what_helps():
    run = aezoo.train("beta-vae", "digits", beta=1000, epochs=20, latent_dim=4)
    assert run.results["penalty_kl"] < 0.1
    assert one(run.notes, "collapsed", "kl_warmup", "free_bits")


def test_dead_units():
    assert one(said("sparse-l1", "digits", l1=3.0, latent_dim=32, epochs=30), "of 32 units are dead")


# ------------------------------------------------------------------ the training


def test_a_loss_that_still_falls():
    assert one(said("undercomplete", "digits", epochs=20, lr=2e-5), "the loss was still falling after 20 epochs")


def test_bfloat16_without_units_for_it(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert one(said("undercomplete", ROWS, precision="bf16", epochs=1, device="cpu"), "bfloat16", "fp32")
    assert not [note for note in said("undercomplete", ROWS, epochs=1) if "bfloat16" in note]
    monkeypatch.setattr(notes, "has_bf16", lambda: True)
    assert not [note for note in said("undercomplete", ROWS, precision="bf16", epochs=1) if "bfloat16" in note]


@pytest.mark.parametrize("together", [False, True])
def test_a_loss_that_is_not_finite_for_the_scale_of_its_rows_says_so(together):
    rows, options = 1e30 * ROWS, {"preprocess": "none", "latent_dim": 2, "epochs": 2}
    with pytest.raises(DivergenceError, match=r"rows are .*e\+29 in the root mean square, .*preprocess standardize"):
        if together:
            aezoo.train_many("undercomplete", rows, seeds=2, together=True, **options)
        else:
            aezoo.train("undercomplete", rows, **options)


def test_a_loss_that_is_not_finite_for_its_rate_says_that():
    with pytest.raises(DivergenceError, match="try a lower lr"):
        aezoo.train("undercomplete", ROWS, optimizer="sgd", lr=1e6, epochs=50, latent_dim=2)


# ------------------------------------------------------------------ where they stand


def test_notes_are_in_the_results(tmp_path):
    run = aezoo.train("undercomplete", with_column(5.0), latent_dim=2, epochs=1, out=tmp_path / "run")
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert written.pop("notes") == run.notes != []
    assert written == run.results


def test_notes_are_in_the_json_of_a_run(tmp_path, cli):
    np.save(tmp_path / "x.npy", with_column(5.0))
    told = cli("train", "--model", "linear", "--latent-dim", 2, "--data", tmp_path / "x.npy", "--epochs", 1, "--json")
    assert one(json.loads(told.out)["notes"], "column 3")


@pytest.mark.parametrize("model", sorted(aezoo.registry.models))
def test_nothing_is_said_of_a_healthy_run(model):
    found = aezoo.train(model, "digits", progress=False).notes
    # of a code that is meant to be larger
    assert [note for note in found if "as large as the data" not in note] == []
