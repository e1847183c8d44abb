"""Figures that inspections show, beside closed forms: completeness of the prior, likelihood by its draws, posteriors of
each row, contraction by distance, jumps on a way, and log p(x, z) of sparse codes."""

import math

import numpy as np
import pytest
import torch
from linear_gaussian import LinearGaussian
from scipy.integrate import quad
from torch import distributions as td
from torch import nn

import aezoo
from aezoo.data import Dataset
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation import (
    code_dependence,
    contraction_ratios,
    inference_gap,
    jacobian_norm,
    latent_interpolation,
    log_joint,
    prior_sampling,
)
from aezoo.parts import (
    KL,
    Decoder,
    Gaussian,
    GaussianEncoder,
    PointEncoder,
    Regularizer,
    StandardNormal,
    Weighted,
)

SPEC = aezoo.DataSpec(shape=(4,), scaling="none")
X = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
ALL = Dataset(X, spec=SPEC).all()


# ------------------------------------------------------------------ how complete the prior is


def test_completeness_is_the_divergence_of_the_whole_mixture_from_the_prior():
    torch.manual_seed(0)
    spec = aezoo.DataSpec(shape=(2,), scaling="none")
    encoder = GaussianEncoder(nn.Linear(2, 2))
    model = aezoo.Autoencoder(
        encoder, Decoder(nn.Linear(1, 2), Gaussian(spec)), spec=spec, prior=StandardNormal((1,)),
        regularizers=[Weighted("kl", KL())],
    ).double()  # fmt: skip
    rows = 2 * np.random.default_rng(1).normal(size=(12, 2))
    found = code_dependence(model, Dataset(rows, spec=spec).all(), draws=4000)
    q = encoder(torch.from_numpy(rows))
    loc, scale = q.loc.detach().numpy()[:, 0], q.scale.detach().numpy()[:, 0]

    def term(z):
        density = np.mean(np.exp(-0.5 * ((z - loc) / scale) ** 2) / (scale * math.sqrt(2 * math.pi)))
        return density * (math.log(density) + 0.5 * z**2 + 0.5 * math.log(2 * math.pi)) if density > 0 else 0.0

    exact = quad(term, -25, 25, points=sorted(loc), limit=500)[0]
    assert found.aggregate_kl.mean == pytest.approx(exact, abs=4 * found.aggregate_kl.error)
    # of one value there is no correlation, so that it is the margin's own
    assert found.aggregate_kl.mean == pytest.approx(found.dimension_wise_kl.mean)


def test_completeness_is_the_sum_of_correlation_and_margins_and_codes_stand_beside_the_prior():
    truth = LinearGaussian(rows=50)
    found = code_dependence(truth.model, truth.split, draws=20)
    parts = found.total_correlation.mean + found.dimension_wise_kl.mean
    assert found.aggregate_kl.mean == pytest.approx(parts)
    codes, prior = found.drawn
    assert codes.shape == prior.shape == (1000, 3)
    assert abs(prior.mean()) < 0.1
    assert abs(prior.std() - 1) < 0.1


# ------------------------------------------------------------------ the likelihood by draws of the prior


def test_draws_of_the_prior_estimate_the_evidence_without_bias():
    truth = LinearGaussian(rows=8)
    found = prior_sampling(truth.model, truth.split, draws=400_000)
    errors = np.sqrt(1 / found.effective)
    assert (np.abs(found.log_likelihood - truth.log_evidence.numpy()) < 5 * errors).all()
    assert (found.effective < 400_000).all()


def test_of_one_draw_it_is_the_density_at_that_code():
    truth = LinearGaussian(rows=4)
    found = prior_sampling(truth.model, truth.split, draws=1, seed=3)
    with aezoo.core.rng.random_stream(3):
        z = truth.model.prior_distribution().sample((1,))
    wanted = truth.model.decoder(z[:, None].expand(1, 4, -1)).log_prob(truth.x)[0].detach().numpy()
    np.testing.assert_allclose(found.log_likelihood, wanted, rtol=1e-12)
    assert found.effective.tolist() == [1.0] * 4
    with pytest.raises(UsageError, match="at least 1 draw"):
        prior_sampling(truth.model, truth.split, draws=0)


# ------------------------------------------------------------------ posteriors of each row


def test_posteriors_that_start_at_the_prior_end_at_the_exact_one():
    truth = LinearGaussian(shift=0.5, stretch=0.4)
    gap = inference_gap(truth.model, truth.split, draws=2000, start="prior", steps=600)
    np.testing.assert_allclose(gap.optimised, truth.log_evidence.numpy(), atol=1e-3)
    with pytest.raises(UsageError, match="no start 'zero'"):
        inference_gap(truth.model, truth.split, start="zero")


def test_one_step_shows_where_it_started():
    truth = LinearGaussian()
    near, far = (inference_gap(truth.model, truth.split, draws=500, steps=1, start=s) for s in ("encoder", "prior"))
    assert (far.optimised < near.optimised - 0.5).all()


# ------------------------------------------------------------------ contraction by distance


def point(layer, *more):
    model = aezoo.Autoencoder(
        PointEncoder(nn.Sequential(layer, *more)), Decoder(nn.Linear(layer.out_features, 4), Gaussian(SPEC)), spec=SPEC
    )
    return model.double()


def test_a_linear_map_contracts_alike_at_every_distance():
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    layer.weight.data = 0.3 * torch.linalg.qr(torch.randn(4, 4)).Q
    found = contraction_ratios(point(layer), ALL, distances=5)
    np.testing.assert_allclose(found.ratios, 0.3, rtol=1e-6)
    assert found.between == pytest.approx(0.3)
    # of Gaussian rows the mean distance is √2 times that of one from the origin
    assert found.apart == pytest.approx(math.sqrt(2) * np.linalg.norm(X, axis=1).mean(), rel=0.05)


def test_close_by_it_is_the_norm_of_the_jacobian():
    torch.manual_seed(0)
    model = point(nn.Linear(4, 1), nn.Sigmoid())
    found = contraction_ratios(model, ALL, distances=1, directions=400)
    # of one value |J·d|/|d|; its mean over directions in four dimensions is |J|·Γ(2)/(√π·Γ(2.5))
    share = math.gamma(2) / (math.sqrt(math.pi) * math.gamma(2.5))
    assert found.ratios[0] == pytest.approx(share * jacobian_norm(model, X).mean(), rel=0.02)


def test_a_code_that_saturates_contracts_more_far_off():
    layer = nn.Linear(4, 4)
    layer.weight.data, layer.bias.data = torch.eye(4), torch.zeros(4)
    found = contraction_ratios(point(layer, nn.Tanh()), ALL)
    assert (np.diff(found.ratios[-5:]) < 0).all()
    np.testing.assert_allclose(found.ratios[:4], found.ratios[0], rtol=0.02)


def test_what_has_no_contraction_is_one_line():
    with pytest.raises(DataError, match="needs two of them"):
        contraction_ratios(point(nn.Linear(4, 2)), ALL.part([0]))
    with pytest.raises(UsageError, match="at least 1"):
        contraction_ratios(point(nn.Linear(4, 2)), ALL, directions=0)
    codebook = aezoo.train("vq-vae", "digits", epochs=1)
    with pytest.raises(CapabilityError, match="jumps between a few values"):
        contraction_ratios(codebook.model, codebook.splits.test)


# ------------------------------------------------------------------ jumps on a way


class Step(nn.Module):
    """A decoder that leaps where its first value passes the middle."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def forward(self, z):
        return (z[:, :1] > self.at).to(z.dtype).expand(-1, 4)


def test_a_line_has_no_jump_and_a_step_is_one():
    straight = point(nn.Linear(4, 2))
    way = latent_interpolation(straight, ALL, between=(0, 1), steps=9)
    assert way.jumps["straight"] == pytest.approx(1, abs=1e-4)
    encoder = PointEncoder(nn.Linear(4, 2)).double()
    first = encoder(torch.from_numpy(X[:2]).double()).mean[:, 0].detach()
    leaping = aezoo.Autoencoder(encoder, Decoder(Step(float(first.mean())), Gaussian(SPEC)), spec=SPEC).double()
    assert latent_interpolation(leaping, ALL, between=(0, 1), steps=9).jumps["straight"] == pytest.approx(8)


# ------------------------------------------------------------------ log p(x, z) of sparse codes


@pytest.mark.parametrize("rectified", [False, True])
def test_log_joint_is_that_of_torchs_distributions(rectified):
    from aezoo_sparse.penalties import L1

    torch.manual_seed(0)
    layer = nn.Linear(4, 3)
    encoder = PointEncoder(layer, nn.ReLU() if rectified else nn.Identity())
    decoder = Decoder(nn.Linear(3, 4), Gaussian(SPEC))
    model = aezoo.Autoencoder(encoder, decoder, spec=SPEC, regularizers=[Weighted("l1", L1(), 0.25)])
    rows = torch.from_numpy(X)
    with torch.no_grad():
        z = encoder(rows).mean
        px = td.Independent(td.Normal(decoder.network(z), 1.0), 1).log_prob(rows)
        pz = td.Laplace(0.0, 4.0).log_prob(z).sum(1) + (3 * math.log(2) if rectified else 0)
    assert log_joint(model, ALL, z.numpy()) == pytest.approx(float((px + pz).mean()), rel=1e-5)


def test_log_joint_needs_a_prior():
    class Nothing(Regularizer):
        def forward(self, z):
            return z.square().flatten(2).sum(-1)

    model = point(nn.Linear(4, 2))
    with pytest.raises(CapabilityError, match="needs a prior"):
        log_joint(model, ALL, np.zeros((300, 2)))
