"""I3: a linear variational autoencoder at its optimum is probabilistic PCA.

    p(x | z) = N(Wz + μ, σ²I),  W = U(Λ − σ²I)^½,  σ² = the mean of the discarded eigenvalues
    q(z | x) = N(M⁻¹Wᵀ(x − μ), σ²M⁻¹),  M = WᵀW + σ²I

U, Λ are the leading eigenvectors and eigenvalues of the covariance (with 1/n). There the evidence lower bound is
log p(x) = log N(x; μ, WWᵀ + σ²I) for every x, nothing can be improved, and its mean is the greatest that pPCA reaches,
−½(D·log 2π + Σ_{i≤k} log λ_i + (D − k)·log σ² + D). W's columns are orthogonal, so M is diagonal, as q must be.

Lucas et al. 2019, "Don't blame the ELBO!", arXiv:1911.02469; Tipping & Bishop 1999, "Probabilistic principal component
analysis".

Held to 1e-8 in float64 with the optimum plugged in, and within 0.5 nat by training.
"""

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch import distributions as td

import aezoo
from aezoo import Autoencoder
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, open_data
from aezoo.evaluation import negative_elbo, prepared_split
from aezoo.parts import divergence
from aezoo.training import build_model

EXACT = {"rtol": 0, "atol": 1e-8}
ROWS, D, K = 200, 7, 3


class Optimum(NamedTuple):
    """Probabilistic PCA of some rows x (n, D), and the same as a variational autoencoder."""

    model: Autoencoder
    x: Tensor
    density: td.MultivariateNormal
    greatest: float
    """The mean of log p(x) over the rows, nats."""


def optimum(**options):
    data = open_data(f"gaussian-subspace,dim={D},rank={K},rows={ROWS},noise=0.5,seed=1")
    x = torch.from_numpy(data.x) + torch.arange(D)
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / ROWS)
    leading, discarded = values.flip(0)[:K], values.flip(0)[K:]
    variance = discarded.mean()
    w = vectors.flip(1)[:, :K] * (leading - variance).sqrt()
    moment = w.T @ w + variance * torch.eye(K, dtype=x.dtype)

    spec = DataSpec(shape=(D,), scaling="none")
    model = build_model("vae", {"latent_dim": K, "hidden": (), **options}, spec).double()
    up, down, likelihood = model.encoder.network[-1], model.decoder.network[-1], model.decoder.likelihood
    with torch.no_grad():
        down.weight.copy_(w)
        down.bias.copy_(mean)
        encode = torch.linalg.solve(moment, w.T)
        up.weight.copy_(torch.cat([encode, torch.zeros(K, D)]))
        up.bias.copy_(torch.cat([-encode @ mean, (variance * torch.linalg.inv(moment)).diagonal().log()]))
        # log σ = m + softplus(raw − m), which keeps it above m
        floor = likelihood.min_log_scale
        likelihood.log_scale.copy_(floor + torch.expm1(0.5 * variance.log() - floor).log())
    density = td.MultivariateNormal(mean, w @ w.T + variance * torch.eye(D, dtype=x.dtype))
    greatest = -0.5 * (D * math.log(2 * math.pi) + leading.log().sum() + (D - K) * variance.log() + D)
    return Optimum(model, x, density, greatest.item())


def elbo(model, x):
    """The bound of each row (n,) without noise: 2·Z points have the mean of q for every polynomial of degree three."""
    q = model.encoder(x)
    points = math.sqrt(K) * torch.eye(K, dtype=x.dtype)[:, None]
    z = q.mean + torch.cat([points, -points]) * q.stddev
    kl = divergence(q, model.prior_distribution(), estimator="analytic")
    return model.decoder(z).log_prob(x).mean(0) - kl


def test_at_the_optimum_the_bound_is_the_likelihood_of_every_row():
    model, x, density, greatest = optimum()
    bound = elbo(model, x)
    torch.testing.assert_close(bound, density.log_prob(x), **EXACT)
    assert bound.mean().item() == pytest.approx(greatest, abs=1e-8)
    elsewhere = x + 3 * torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(elbo(model, elsewhere), density.log_prob(elsewhere), **EXACT)


@pytest.mark.parametrize("draws", [1, 5])
def test_at_the_optimum_every_draw_of_the_sampled_loss_is_the_likelihood(draws):
    model, x, density, _ = optimum(estimator="sampled", draws=draws)
    for row in (0, 17):
        loss = model.measure([x[row : row + 1]])["loss"]
        assert -loss == pytest.approx(density.log_prob(x[row]).item(), abs=1e-8)
    torch.testing.assert_close(model.log_likelihood(x, draws=draws), density.log_prob(x), **EXACT)


def test_at_the_optimum_nothing_can_be_improved():
    model, x, _, greatest = optimum()
    slopes = torch.autograd.grad(elbo(model, x).mean(), model.own_parameters())
    assert len(slopes) == 5
    for slope in slopes:
        torch.testing.assert_close(slope, torch.zeros_like(slope), **EXACT)
    torch.manual_seed(0)
    for parameter in model.own_parameters():
        with torch.no_grad():
            moved = parameter.clone()
            parameter += 0.03 * torch.randn_like(parameter)
            assert elbo(model, x).mean() < greatest
            parameter.copy_(moved)


def test_with_another_encoder_the_bound_is_loose_by_the_divergence_from_the_posterior():
    model, x, density, _ = optimum()
    exact = model.encoder(x)
    nn.init.normal_(model.encoder.network[-1].bias, std=0.5, generator=torch.Generator().manual_seed(0))
    q = model.encoder(x)
    gap = td.kl_divergence(*(td.Independent(td.Normal(side.mean, side.stddev), 1) for side in (q, exact)))
    assert gap.min() > 0.1
    torch.testing.assert_close(elbo(model, x), density.log_prob(x) - gap, **EXACT)


def test_the_evaluations_bound_has_that_mean():
    model, x, _, greatest = optimum()
    rows = Dataset(x, spec=model.spec).all()
    bounds = np.array([negative_elbo(model, rows, draws=1, seed=seed) for seed in range(40)])
    assert bounds.std() > 1e-3
    assert abs(bounds.mean() + greatest) < 4 * bounds.std(ddof=1) / math.sqrt(len(bounds))


@pytest.mark.parametrize(("data", "size"), [("gaussian-subspace,dim=10,rank=3,rows=1000,noise=0.3", 3), ("digits", 4)])
def test_training_comes_near_probabilistic_pca(data, size):
    run = aezoo.train(
        "vae", data, latent_dim=size, hidden=(), epochs=100, lr=0.03, schedule="cosine", device="cpu", progress=False
    )
    rows = prepared_split(run.model, run.splits.train)
    best = -PCA(size).fit(rows).score(rows)
    assert best < negative_elbo(run.model, run.splits.train, draws=20) < best + 0.5
