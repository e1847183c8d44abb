"""What the inspections of variational models say, and the pictures they draw."""

import json
import math

import numpy as np
import pytest
from linear_gaussian import LinearGaussian, drawn

import aezoo
from aezoo.data import Dataset, Splits
from aezoo.errors import CapabilityError, UsageError
from aezoo.inspection import Subject, look
from aezoo.parts import MixtureOfGaussians

SMALL = {
    "estimators": {"rows": 15, "draws": 50},
    "gradients": {"rows": 10, "repeats": 20},
    "likelihood": {"rows": 15, "draws": 50},
    "gap": {"rows": 5, "draws": 50, "steps": 20},
    "variance": {"rows": 15},
    "dependence": {"rows": 15},
}


def subject(truth):
    return Subject(truth.model, Splits(truth.split, truth.split, truth.split), truth.split, 0)


@pytest.mark.parametrize("name", SMALL)
def test_it_says_the_same_twice_in_plain_numbers_and_draws_a_picture_with_named_axes(name):
    about = subject(LinearGaussian(shift=0.4, stretch=0.2))
    found, again = (look(about, name, **SMALL[name]) for _ in range(2))
    assert json.loads(json.dumps(found.figures, allow_nan=False)) == found.figures == again.figures
    assert found.figures["examples"] == SMALL[name]["rows"]
    for axes in found.picture.axes:
        assert axes.get_title() or axes.get_title(loc="left")
        assert axes.get_ylabel()
    found.picture.canvas.draw()


@pytest.mark.parametrize("name", SMALL)
def test_one_row_and_two_draws_are_enough(name):
    options = {key: value for key, value in SMALL[name].items() if key in ("steps", "repeats")}
    draws = {} if name == "gradients" else {"draws": 2}
    found = look(subject(LinearGaussian(shift=0.4, rows=1)), name, rows=1, **draws, **options)
    json.dumps(found.figures, allow_nan=False)
    found.picture.canvas.draw()


def test_estimators_agree_within_their_errors_and_with_the_truth():
    truth = LinearGaussian(shift=0.4, stretch=0.2, rows=200)
    found = look(subject(truth), "estimators", rows=100, draws=400).figures
    error = math.hypot(found["sampled_bound_draw_error"], found["analytic_bound_draw_error"])
    assert 0 < abs(found["sampled_bound"] - found["analytic_bound"]) < 4 * error
    q = truth.model.encoder(truth.x)
    bound = (truth.log_evidence - truth.divergence(q.loc, q.log_scale)).detach().numpy()
    assert found["dataset_examples"] == 200
    assert abs(found["dataset_bound"] - bound.sum()) < 4 * found["dataset_bound_error"]
    assert found["dataset_bound_error"] == pytest.approx(200 * bound.std() / math.sqrt(100) * math.sqrt(0.5), rel=0.3)


def test_without_a_closed_form_there_is_one_estimator():
    found = look(subject(LinearGaussian(prior=MixtureOfGaussians((3,)))), "estimators", **SMALL["estimators"])
    assert "sampled_bound" in found.figures
    assert not any(name.startswith("analytic") for name in found.figures)


def test_the_likelihood_is_the_truth_within_its_errors_and_in_bits():
    truth = LinearGaussian(shift=0.3, stretch=0.2, rows=100)
    found = look(subject(truth), "likelihood", draws=2000).figures
    assert abs(found["log_likelihood"] - truth.log_evidence.mean().item()) < 4 * found["log_likelihood_draw_error"]
    assert found["log_likelihood_row_error"] == pytest.approx(truth.log_evidence.std().item() / 10, rel=0.02)
    assert (
        found["elbo"] == found["importance_bounds"]["1"] < found["log_likelihood"] == found["importance_bounds"]["2000"]
    )
    assert found["bits_per_dim"] == pytest.approx(-found["log_likelihood"] / (6 * math.log(2)))
    assert 1 < found["smallest_effective_sample_size"] < found["effective_sample_size"] < 2000


def test_the_gaps_add_up():
    found = look(subject(LinearGaussian(shift=0.4)), "gap", rows=5, draws=500, steps=100).figures
    total = found["elbo"] + found["amortisation_gap"] + found["approximation_gap"]
    assert found["log_likelihood"] == pytest.approx(total)
    assert found["amortisation_gap"] > 0.1 > abs(found["approximation_gap"])


def test_a_gradient_says_how_much_more_the_score_function_varies():
    found = look(subject(LinearGaussian(shift=0.4)), "gradients", repeats=100).figures
    ratio = found["score_function_variance"] / found["reparameterised_variance"]
    assert found["score_function_variance_ratio"] == pytest.approx(ratio)
    assert 1 < ratio < found["score_function_without_baseline_variance_ratio"]


def test_data_that_is_decoded_exactly_has_a_scale_and_no_likeliest_one():
    run = aezoo.train("linear", np.zeros((30, 3)), epochs=1, latent_dim=2, progress=False)
    for parameter in run.model.parameters():
        parameter.data.zero_()
    found = look(Subject(run.model, run.splits, run.splits.test, 0), "variance").figures
    assert (found["scale"], found["optimal_scale"]) == (1, 0)
    assert "optimal_nll" not in found


@pytest.mark.parametrize("name", [name for name in SMALL if name != "variance"])
def test_a_deterministic_model_is_told_what_to_use(name):
    rows = Dataset(drawn(20, 4).numpy(), spec=aezoo.DataSpec(shape=(4,))).split()
    model = aezoo.training.build_model("contractive", {}, rows.test.dataset.spec)
    with pytest.raises(CapabilityError, match=r"use a variational model such as vae\.") as caught:
        look(Subject(model, rows, rows.test, 0), name)
    assert "\n" not in str(caught.value)


def test_variance_looks_at_deterministic_models_too():
    rows = Dataset(drawn(50, 4).numpy(), spec=aezoo.DataSpec(shape=(4,))).split()
    model = aezoo.training.build_model("contractive", {"likelihood": "laplace"}, rows.test.dataset.spec)
    found = look(Subject(model, rows, rows.test, 0), "variance")
    assert found.figures["optimal_nll"] < found.figures["nll"]
    assert [axes.get_ylabel() for axes in found.picture.axes] == ["scale in the model"] * 2


@pytest.mark.parametrize("name", ["likelihood", "dependence"])
def test_an_error_needs_two_draws(name):
    with pytest.raises(UsageError, match="at least 2"):
        look(subject(LinearGaussian()), name, draws=1)
