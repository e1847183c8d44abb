"""Estimates of the evidence and their errors against closed forms, bits, and what they refuse."""

import math

import numpy as np
import pytest
import torch
from linear_gaussian import LinearGaussian

import aezoo
from aezoo.data import Dataset
from aezoo.errors import CapabilityError, CompositionError, DataError, UsageError
from aezoo.evaluation import (
    dataset_bound,
    decoder_variance,
    evidence_bound,
    gradient_spreads,
    importance_sampling,
    inference_gap,
    standard_error,
)
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import MixtureOfGaussians

WRONG = {"shift": 0.5, "stretch": 0.3}


def test_the_error_of_a_likelihood_over_draws_is_its_spread_over_seeds():
    truth = LinearGaussian(**WRONG)
    found = [importance_sampling(truth.model, truth.split, draws=400, seed=seed) for seed in range(200)]
    spread = np.std([one.log_likelihood for one in found], axis=0, ddof=1)
    claimed = np.mean([one.errors for one in found], axis=0)
    np.testing.assert_allclose(claimed, spread, rtol=0.25)
    error = np.array([one.log_likelihood - truth.log_evidence.numpy() for one in found])
    assert np.abs(error.mean(0)).max() < 4 * spread.max() / math.sqrt(200) + claimed.max() ** 2


def test_the_effective_sample_size_counts_equal_weights_and_a_lone_one():
    exact = LinearGaussian()
    found = importance_sampling(exact.model, exact.split, draws=50)
    np.testing.assert_allclose(found.effective, 50)
    np.testing.assert_allclose(found.errors, 0, atol=1e-6)
    wrong = LinearGaussian(shift=8.0)
    assert importance_sampling(wrong.model, wrong.split, draws=50).effective.max() < 10


def test_it_is_the_estimate_that_the_model_gives():
    truth = LinearGaussian(**WRONG)
    found = importance_sampling(truth.model, truth.split, draws=30, seed=3)
    np.testing.assert_allclose(found.log_likelihood, truth.model.log_likelihood(truth.x.numpy(), draws=30, seed=3))


def test_the_same_seed_gives_the_same_bits_and_nothing_is_disturbed():
    truth = LinearGaussian(**WRONG)
    truth.model.train()
    before = torch.get_rng_state()
    for measure, field in ((evidence_bound, "values"), (importance_sampling, "errors"), (decoder_variance, "nll")):
        first, again, other = (
            getattr(measure(truth.model, truth.split, draws=9, seed=seed), field) for seed in (4, 4, 5)
        )
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert truth.model.training
    assert all(parameter.grad is None for parameter in truth.model.parameters())


def test_memory_is_bounded_whatever_the_draws_and_the_values_stay_the_same(monkeypatch):
    truth = LinearGaussian(**WRONG)
    whole = evidence_bound(truth.model, truth.split, draws=3000, estimator="sampled")
    seen = []
    decode = truth.model.decoder.forward
    monkeypatch.setattr(truth.model.decoder, "forward", lambda z: seen.append(z.shape[0] * z.shape[1]) or decode(z))
    monkeypatch.setattr("aezoo.model.passes.PASS_VALUES", 6 * 500)
    pieces = evidence_bound(truth.model, truth.split, draws=3000, estimator="sampled")
    assert max(seen) <= 500
    error = np.sqrt((whole.variances + pieces.variances) / 3000)
    assert (np.abs(whole.values - pieces.values) < 4 * error).all()


def test_a_minibatch_estimates_the_whole_data_set():
    values = np.random.default_rng(0).normal(3, 2, 500)
    total, error = dataset_bound(values, 500)
    assert (total, error) == (pytest.approx(values.sum()), 0)
    rng = np.random.default_rng(1)
    estimates = [dataset_bound(rng.choice(values, 100, replace=False), 500) for _ in range(2000)]
    totals, errors = np.array(estimates).T
    assert abs(totals.mean() - values.sum()) < 4 * totals.std() / math.sqrt(2000)
    assert np.sqrt(np.square(errors).mean()) == pytest.approx(totals.std(), rel=0.06)
    for total in (0, 99):
        with pytest.raises(UsageError, match="no part of a data set"):
            dataset_bound(values[:100], total)
    assert math.isnan(standard_error(np.ones(1)))
    assert dataset_bound(np.ones(1), 1) == (1, 0)


@pytest.fixture(scope="module")
def point() -> Autoencoder:
    return aezoo.train("undercomplete", np.random.default_rng(0).normal(size=(40, 6)), epochs=1).model


MEASURES = [evidence_bound, importance_sampling, inference_gap, gradient_spreads]


@pytest.mark.parametrize("measure", MEASURES)
def test_a_deterministic_model_has_no_evidence(measure, point):
    split = Dataset(np.zeros((5, 6)), spec=point.spec).all()
    with pytest.raises(CapabilityError, match=r"needs a model with 'bound' .*: use a variational model") as caught:
        measure(point, split)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("measure", [*MEASURES, decoder_variance])
def test_too_few_draws_and_no_rows_are_refused(measure):
    truth = LinearGaussian()
    with pytest.raises(UsageError, match="raise"):
        measure(truth.model, truth.split, draws=0)
    none = truth.split.dataset.split(0).validation
    with pytest.raises(DataError, match="no rows"):
        measure(truth.model, none)


def test_a_closed_form_that_there_is_not_is_refused():
    truth = LinearGaussian(prior=MixtureOfGaussians((3,)))
    with pytest.raises(CompositionError, match=r"no closed form .* use estimator=sampled"):
        evidence_bound(truth.model, truth.split, estimator="analytic")
    sampled, auto = (evidence_bound(truth.model, truth.split, estimator=name) for name in ("sampled", "auto"))
    assert np.array_equal(sampled.values, auto.values)


def test_a_likelihood_without_a_scale_has_no_variance():
    digits = aezoo.data.open_data("digits")
    model = aezoo.training.build_model("vae", {"likelihood": "bernoulli"}, digits.spec)
    with pytest.raises(CapabilityError, match="Bernoulli gives no variance of its values: train with"):
        decoder_variance(model, digits.all())


def test_one_draw_has_a_value_and_no_variance():
    truth = LinearGaussian()
    found = evidence_bound(truth.model, truth.split, draws=1)
    assert np.isfinite(found.values).all()
    assert np.isnan(found.variances).all()
