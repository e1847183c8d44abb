"""I15: the mean KL to the prior is mutual information + total correlation + dimension-wise KL. Chen et al. 2018."""

import math

import numpy as np
import pytest
import torch
from linear_gaussian import LinearGaussian
from torch import distributions as td
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import CapabilityError, UsageError
from aezoo.evaluation import code_dependence
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import (
    KL,
    Decoder,
    Gaussian,
    GaussianEncoder,
    LaplacePrior,
    MixtureOfGaussians,
    StandardNormal,
    Weighted,
    divergence,
)

PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl")
MEANS = np.array([[1.2, 0.8], [-1.2, -0.8], [-1.0, 1.1]])
SCALE = 0.6


def coded(means, scale, prior=None, kind=GaussianEncoder):
    """Rows whose posteriors are Gaussians of one scale at ``means`` (n, 2)."""
    spec = DataSpec(shape=(2,), scaling="none")
    network = nn.Linear(2, 4)
    model = Autoencoder(
        kind(network),
        Decoder(nn.Linear(2, 2), Gaussian(spec)),
        spec=spec,
        prior=prior or StandardNormal((2,)),
        regularizers=[Weighted("kl", KL())],
    ).double()
    network.weight.data = torch.cat([torch.eye(2), torch.zeros(2, 2)]).double()
    network.bias.data = torch.tensor([0, 0, 2 * math.log(scale), 2 * math.log(scale)], dtype=torch.float64)
    return model, Dataset(np.asarray(means, dtype=np.float64), spec=spec).all()


def by_quadrature():
    """The three parts for MEANS, SCALE and a standard normal prior, by sums over a fine grid."""
    axis, step = np.linspace(-7, 7, 1401, retstep=True)

    def normal(x, mean, scale):
        return np.exp(-0.5 * ((x - mean) / scale) ** 2) / (scale * math.sqrt(2 * math.pi))

    each = [normal(axis, a, SCALE)[:, None] * normal(axis, b, SCALE)[None] for a, b in MEANS]
    joint = np.mean(each, axis=0)
    margins = joint.sum(1) * step, joint.sum(0) * step
    prior = normal(axis, 0, 1)

    def entropy(density, cell):
        return -(density * np.log(np.where(density > 0, density, 1.0))).sum() * cell

    noise = 2 * (0.5 * math.log(2 * math.pi * math.e) + math.log(SCALE))
    mutual = entropy(joint, step**2) - noise
    correlation = sum(entropy(margin, step) for margin in margins) - entropy(joint, step**2)
    by_margin = [-entropy(margin, step) - (margin * np.log(prior)).sum() * step for margin in margins]
    return mutual, correlation, by_margin


def test_each_part_is_the_one_found_by_quadrature():
    found = code_dependence(*coded(MEANS, SCALE), draws=20_000)
    mutual, correlation, by_margin = by_quadrature()
    for part, truth in zip(PARTS, (mutual, correlation, sum(by_margin)), strict=True):
        estimate = getattr(found, part)
        assert 0 < estimate.error < 0.01
        assert abs(estimate.mean - truth) < 4 * estimate.error, part
    np.testing.assert_allclose(found.margins, by_margin, atol=0.02)


@pytest.mark.parametrize("prior", [StandardNormal((3,)), LaplacePrior((3,), 0.8)])
def test_the_three_add_up_to_the_mean_divergence_from_the_prior(prior):
    truth = LinearGaussian(rows=200, prior=prior)
    found = code_dependence(truth.model, truth.split, draws=50)
    with torch.no_grad():
        closed = divergence(truth.model.encoder(truth.x), truth.model.prior_distribution(), estimator="analytic").mean()
    assert 0 < found.kl.error < 0.05
    assert abs(sum(getattr(found, part).mean for part in PARTS) - closed) < 4 * found.kl.error
    assert found.kl.mean == pytest.approx(sum(getattr(found, part).mean for part in PARTS), abs=1e-10)
    assert found.margins.sum() == pytest.approx(found.dimension_wise_kl.mean, abs=1e-10)


def test_the_errors_are_the_spread_over_seeds():
    # rows of very different divergence, which no error over the draws may count
    model, split = coded([[4.0, 0.0], [0.1, 0.2], [1.0, 1.0]], SCALE)
    found = [code_dependence(model, split, draws=20, seed=seed) for seed in range(200)]
    for part in ("kl", *PARTS):
        estimates = [getattr(one, part) for one in found]
        spread = np.std([estimate.mean for estimate in estimates], ddof=1)
        assert np.sqrt(np.mean([estimate.error**2 for estimate in estimates])) == pytest.approx(spread, rel=0.2), part


def test_codes_that_say_nothing_of_their_rows_hold_no_information():
    found = code_dependence(*coded(np.full((4, 2), 0.5), SCALE))
    for part in PARTS[:2]:
        assert getattr(found, part) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))
    # all that is left is in the margins, which are the posterior's own
    one = td.kl_divergence(td.Normal(0.5, SCALE), td.Normal(0.0, 1.0)).item()
    assert abs(found.dimension_wise_kl.mean - 2 * one) < 4 * found.dimension_wise_kl.error


def test_rows_told_apart_for_certain_hold_the_log_of_their_number():
    grid = 100 * np.stack(np.meshgrid(np.arange(2), np.arange(3)), -1).reshape(6, 2)
    found = code_dependence(*coded(grid, 0.1))
    assert found.mutual_information.mean == pytest.approx(math.log(6), abs=1e-9)
    # on a grid one value of the code says nothing of the other
    assert found.total_correlation.mean == pytest.approx(0, abs=1e-9)


def test_torchs_own_gaussian_is_as_good():
    class Theirs(GaussianEncoder):
        def forward(self, x):
            q = super().forward(x)
            return td.Independent(td.Normal(q.loc, q.scale), 1)

    ours, theirs = (code_dependence(*coded(MEANS, SCALE, kind=kind), draws=5) for kind in (GaussianEncoder, Theirs))
    assert theirs.total_correlation.mean == pytest.approx(ours.total_correlation.mean, abs=1e-10)


def test_what_it_cannot_split_is_refused():
    model, split = coded(MEANS, SCALE, prior=MixtureOfGaussians((2,)))
    with pytest.raises(CapabilityError, match=r"needs a prior of independent .* use the prior normal") as caught:
        code_dependence(model, split)
    assert "\n" not in str(caught.value)
    model, split = coded(MEANS, SCALE)
    with pytest.raises(UsageError, match="at least 2"):
        code_dependence(model, split, draws=1)
