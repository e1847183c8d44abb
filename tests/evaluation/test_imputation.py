"""Imputation, calibration and scores by value."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import aezoo
from aezoo.core.spec import Column, DataSpec
from aezoo.errors import CapabilityError, CheckpointError, DataError, UsageError
from aezoo.evaluation import Calibration, calibrate, imputation_figures, impute

ROWS = 600


@pytest.fixture(scope="module")
def run():
    """A table whose columns all follow from one hidden number, with a tenth of the cells missing."""
    rng = np.random.default_rng(0)
    hidden = rng.uniform(-1, 1, ROWS)
    x = np.stack([hidden, 3 * hidden + 1, np.exp(hidden), np.digitize(hidden, [-0.4, 0.4]), hidden > 0], axis=1)
    x[:, :3] += 0.02 * rng.normal(size=(ROWS, 3))
    whole = x.copy()
    x[rng.random(x.shape) < 0.1] = np.nan
    columns = (
        *(Column(name=name, holes=True) for name in "abc"),
        Column(name="d", kind="category", levels=("low", "middle", "high"), holes=True),
        Column(name="e", kind="binary", levels=("no", "yes"), holes=True),
    )
    data = aezoo.Dataset(x, spec=DataSpec(shape=(5,), columns=columns))
    options = {"corruption": "masking=0.3,missing=channel", "latent_dim": 2, "hidden": "64,64", "lr": 3e-3}
    found = aezoo.train("denoising", data, epochs=200, progress=False, **options)
    found.whole = whole
    return found


def test_what_is_there_stays_and_holes_come_back(run):
    x = run.dataset.x
    filled = impute(run.model, x)
    there = ~np.isnan(x)
    assert np.array_equal(filled[there], x[there])
    assert np.isfinite(filled).all()
    spread = run.whole[:, :3].std(0)
    error = np.abs(filled - run.whole)[:, :3] / spread
    assert np.median(error[~there[:, :3]]) < 0.15
    assert (filled == run.whole)[:, 3:][~there[:, 3:]].mean() > 0.8
    assert set(np.unique(filled[:, 3])) == {0, 1, 2}
    assert torch.equal(impute(run.model, torch.from_numpy(x)), torch.from_numpy(filled))
    assert np.array_equal(impute(run.model, x[7]), filled[7])


def test_draws_are_spread_and_those_of_the_seed(run):
    x = np.full((400, 5), np.nan)
    x[:, 0] = 0.4
    drawn = impute(run.model, x, draws=True, seed=1)
    assert np.array_equal(drawn, impute(run.model, x, draws=True, seed=1))
    assert not np.array_equal(drawn, impute(run.model, x, draws=True, seed=2))
    assert drawn[:, 1].std() > 0.01
    assert impute(run.model, x)[:, 1].std() < 1e-9
    assert abs(drawn[:, 1].mean() - 2.2) < 0.5


def test_hidden_cells_come_back_better_than_by_means(run):
    found = imputation_figures(run.model, run.splits.train, run.splits.test, share=0.2)
    assert set(found) == {"model", "mean", "nearest", "iterative"}
    assert found["model"]["error"] < 0.5 * found["mean"]["error"]
    assert found["model"]["accuracy"] > found["mean"]["accuracy"] + 0.2
    # the mean of standardised numbers is off by a deviation
    assert found["mean"]["error"] == pytest.approx(1.0, abs=0.15)


def test_other_models_do_not_impute():
    model = aezoo.train("vae", "moons", epochs=1, progress=False).model
    with pytest.raises(CapabilityError, match="needs likelihood table, and this model has Gaussian"):
        impute(model, np.zeros((2, 2)))


def test_steps_are_at_least_one(run):
    with pytest.raises(UsageError, match="at least 1"):
        impute(run.model, run.dataset.x, steps=0)


def test_scores_by_value_sum_to_the_score(run):
    x = run.dataset.x
    parts = run.model.score_by_value(x)
    assert parts.shape == (ROWS, 6)
    assert np.allclose(parts.sum(1), run.model.score(x), rtol=1e-4, atol=1e-4)
    assert not parts[:, :5][np.isnan(x)].any()
    assert not parts[:, 5].any()


@pytest.mark.parametrize("likelihood", ["gaussian", "laplace,scale=per-value", "bernoulli", "categorical"])
def test_scores_of_a_variational_model_by_pixel_and_code(likelihood):
    run = aezoo.train("vae", "digits", epochs=1, progress=False, likelihood=likelihood)
    x = run.splits.test.rows()[:20]
    parts, score = run.model.score_by_value(x), run.model.score(x)
    assert torch.allclose(parts.sum(1), score, rtol=1e-4)
    q = run.model.encoder(run.model.prepare(x))
    kl = (0.5 * (q.mean**2 + q.scale**2 - 1) - q.scale.log()).sum(-1)
    at_mean = run.model.score(x, of="reconstruction")
    assert torch.allclose(parts[:, -1], score - at_mean, rtol=1e-3, atol=1e-3)
    assert torch.allclose(at_mean, parts[:, :-1].sum(1), rtol=1e-4)
    assert kl.shape == at_mean.shape
    drawn = run.model.score_by_value(x, draws=3, seed=1)
    assert torch.allclose(drawn.sum(1), run.model.score(x, draws=3, seed=1), rtol=1e-4)
    with pytest.raises(UsageError, match="no score 'typicality': use bound or reconstruction"):
        run.model.score(x, of="typicality")


def test_p_values_are_ranks_among_the_held_out_rows(run):
    calibration = calibrate(run.model, run.splits.test)
    held = run.model.score(run.splits.test.rows()).numpy()
    new = run.model.score(run.splits.validation.rows()).numpy()
    wanted = [(1 + (held >= score).sum()) / (len(held) + 1) for score in new]
    assert np.allclose(calibration.p_values(new), wanted)
    assert calibration.p_values([np.inf]) == 1 / (len(held) + 1)
    assert calibration.p_values([-np.inf]) == 1


def test_p_values_of_clean_rows_are_no_smaller_than_they_should_be():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(400):
        scores = rng.standard_t(2, size=200)
        found = Calibration(np.sort(scores[:99])).at(0.05)
        p = found.p_values(scores[99:])
        rates.append((np.mean(p <= 0.05), np.mean(scores[99:] > found.threshold)))
    # p-values and alarms agree where scores are equal too
    tied = Calibration(np.sort(rng.integers(0, 5, 99)).astype(float)).at(0.3)
    assert np.array_equal(tied.p_values(np.arange(5)) <= 0.3, np.arange(5) > tied.threshold)
    # conformal p-values are exact, whatever the scores are distributed as
    assert np.mean(rates, axis=0) == pytest.approx([0.05, 0.05], abs=0.01)
    assert np.array_equal(*np.array(rates).T)


def test_thresholds_by_contamination_flag_that_share():
    scores = np.arange(200.0)
    assert (scores > Calibration(scores).at(0.1, "contamination").threshold).sum() == 20
    for rate, message in ((0.0, "a share between"), (1.0, "a share between"), (0.001, "200 held-out rows cannot tell")):
        with pytest.raises(UsageError, match=message):
            Calibration(scores).at(rate)


def test_a_calibration_is_saved_and_broken_ones_are_told(tmp_path, run):
    calibration = calibrate(run.model, run.splits.test).at(0.05)
    calibration.save(tmp_path)
    again = Calibration.load(tmp_path)
    assert np.array_equal(again.scores, calibration.scores)
    assert again[1:] == calibration[1:]
    both = calibrate(run.model, run.splits.test, of="both", train=run.splits.train)
    both.save(tmp_path)
    x = run.splits.validation.rows()
    assert np.array_equal(Calibration.load(tmp_path).score(run.model, x), both.score(run.model, x))
    assert Calibration.load(tmp_path / "other") is None
    rising = np.array([1.0, 2.0])
    said = {"of": "bound", "threshold": None, "rate": None, "how": None, "middle": [0, 0], "width": [1, 1]}
    for arrays, told in (
        ({"scores": rising[::-1].copy()}, said),
        ({"scores": rising * np.nan}, said),
        ({"scores": rising, "more": rising}, said),
        ({"scores": rising}, {**said, "more": 1}),
        ({"scores": rising}, {**said, "of": "nearest"}),
        ({"scores": rising}, {**said, "width": [0, 1]}),
        ({"scores": rising}, {}),
        ({"codes": rising}, said),
    ):
        save_file(arrays, tmp_path / "calibration.safetensors", {"aezoo": json.dumps(told)})
        with pytest.raises(CheckpointError, match="calibrate the run again"):
            Calibration.load(tmp_path)
    (tmp_path / "calibration.safetensors").write_bytes(b"{")
    with pytest.raises(CheckpointError, match="calibrate the run again"):
        Calibration.load(tmp_path)


def test_scores_by_the_nearest_codes(run):
    train, held = run.splits.train, run.splits.test
    codes = run.model.encode(train.rows()).numpy()
    x = run.splits.validation.rows()
    distances = np.linalg.norm(run.model.encode(x).numpy()[:, None] - codes[None], axis=2)
    nearest = calibrate(run.model, held, of="nearest", train=train)
    fifth = np.sort(distances, axis=1)[:, 4]
    assert np.allclose(nearest.score(run.model, x), fifth, atol=1e-5)
    both = calibrate(run.model, held, of="both", train=train)
    known = [run.model.score(part).numpy() for part in (held.rows(), x)]
    far = [np.log(nearest.score(run.model, part)) for part in (held.rows(), x)]
    wanted = [(b - np.median(a)) / np.subtract(*np.percentile(a, [75, 25])) for a, b in (known, far)]
    assert np.allclose(both.score(run.model, x), np.mean(wanted, axis=0), rtol=1e-3, atol=1e-3)
    assert np.median(both.scores) == pytest.approx(0, abs=0.3)
    typical = calibrate(run.model, held, of="typicality")
    assert np.allclose(typical.score(run.model, x), np.abs(known[1] - np.median(known[0])), rtol=1e-4, atol=1e-4)
    with pytest.raises(UsageError, match="give train"):
        calibrate(run.model, held, of="nearest")
    with pytest.raises(UsageError, match="no score 'best'"):
        calibrate(run.model, held, of="best")


def test_rows_without_a_finite_score_are_named():
    broken = aezoo.train("undercomplete", "moons", epochs=1, progress=False)
    with torch.no_grad():
        next(broken.model.decoder.parameters()).fill_(torch.inf)
    with pytest.raises(DataError, match=r"the score of row \d+ is not finite"):
        calibrate(broken.model, broken.splits.test)
