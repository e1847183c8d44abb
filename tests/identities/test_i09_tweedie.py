"""I9: the best denoiser estimates the score of the smoothed data, by Tweedie's formula.

    r*(x̃) − x̃ = σ²·∇log p_σ(x̃),  p_σ the density of x̃ = x + σε, ε ~ N(0, I)

Of data N(0, s²) it is the line of slope s²/(s² + σ²). Vincent 2011, "A connection between score matching and denoising
autoencoders"; Alain & Bengio 2014, "What regularized auto-encoders learn from the data-generating distribution",
arXiv:1211.4246.

Held exactly with the optimum plugged in. By training, a linear model has the slope within 1 %, and a small network the
score of a mixture in the plane within 5 %: the root mean squared error over a grid, relative to the score's own,
both where each point weighs as much as its density and where all points of some density weigh the same.
"""

import math

import numpy as np
import torch
from torch import distributions as td
from torch import nn

import aezoo
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Corruption, Decoder, Gaussian, PointEncoder, build_part

EXACT = {"rtol": 0, "atol": 1e-10}
SIGMA = 0.6
SPREADS = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)

SHARES = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
CENTRES = torch.tensor([[-1.5, 0.0], [1.2, 1.0], [0.8, -1.4]], dtype=torch.float64)
WIDTHS = torch.tensor([0.5, 0.4, 0.6], dtype=torch.float64)


def table(size):
    return DataSpec(shape=(size,), scaling="none")


def mixture(noise):
    """Three round Gaussians in the plane, smoothed by noise of that standard deviation."""
    widths = (WIDTHS**2 + noise**2).sqrt()[:, None].expand(3, 2)
    parts = td.Independent(td.Normal(CENTRES, widths), 1)
    return td.MixtureSameFamily(td.Categorical(SHARES), parts)


def score_of(density, x):
    """∇log p (n, D), by autograd."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(density.log_prob(x).sum(), x)[0]


class PosteriorMean(nn.Module):
    """E[x | x̃] under the mixture: each part's own best line, by the part's share given x̃."""

    def forward(self, noisy):
        variances = WIDTHS[:, None] ** 2
        lines = CENTRES + variances / (variances + SIGMA**2) * (noisy[:, None] - CENTRES)
        smoothed = mixture(SIGMA)
        joint = smoothed.component_distribution.log_prob(noisy[:, None]) + SHARES.log()
        return (joint.softmax(1)[:, :, None] * lines).sum(1)


def composed(encoder, decoder, size):
    spec = table(size)
    noise = build_part("corruption", f"gaussian={SIGMA}", spec=spec)
    return Autoencoder(PointEncoder(encoder), Decoder(decoder, Gaussian(spec)), spec=spec, corruption=noise).double()


def linear_optimum(mean, covariance):
    """x̃ ↦ μ + C(C + σ²I)⁻¹(x̃ − μ), as a model."""
    size = len(mean)
    line = nn.Linear(size, size).double()
    with torch.no_grad():
        gain = covariance @ torch.linalg.inv(covariance + SIGMA**2 * torch.eye(size, dtype=mean.dtype))
        line.weight.copy_(gain)
        line.bias.copy_(mean - gain @ mean)
    return composed(line, nn.Identity(), size)


def test_the_plugged_in_optimum_of_a_gaussian_gives_the_score_of_the_smoothed_density():
    torch.manual_seed(0)
    mean, root = torch.randn(3, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64)
    covariance = root @ root.T
    smoothed = td.MultivariateNormal(mean, covariance + SIGMA**2 * torch.eye(3, dtype=torch.float64))
    x = 3 * torch.randn(50, 3, dtype=torch.float64)
    model = linear_optimum(mean, covariance)
    torch.testing.assert_close(model.score_function(x), score_of(smoothed, x), **EXACT)
    torch.testing.assert_close(model.reconstruct(x) - x, SIGMA**2 * score_of(smoothed, x), **EXACT)


def test_the_plugged_in_optimum_of_a_mixture_gives_the_score_of_the_smoothed_density():
    x = 3 * torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scaled = nn.Linear(2, 2).double()  # an identity, so that the model has a dtype
    nn.init.eye_(scaled.weight)
    nn.init.zeros_(scaled.bias)
    model = composed(PosteriorMean(), scaled, 2)
    torch.testing.assert_close(model.score_function(x), score_of(mixture(SIGMA), x), **EXACT)


class ExactNoise(Corruption):
    """Noise that is given, so that its moments over the rows can be exact."""

    def __init__(self, noise):
        super().__init__()
        self.noise = noise

    def forward(self, x):
        return x + self.noise


def test_at_the_plugged_in_optimum_the_training_loss_is_stationary():
    rows = 40
    draw = np.random.default_rng(0)
    # data and noise without mean and without correlation, of exactly the wanted variances
    basis = np.linalg.qr(np.c_[np.ones(rows), draw.standard_normal((rows, 6))]).Q[:, 1:]
    white = torch.from_numpy(math.sqrt(rows) * basis)
    model = linear_optimum(torch.zeros(3, dtype=torch.float64), torch.diag(SPREADS**2)).train()
    model.corruption = ExactNoise(SIGMA * white[:, 3:])
    slopes = torch.autograd.grad(model.step(SPREADS * white[:, :3]).loss, model.own_parameters())
    for slope in slopes:
        torch.testing.assert_close(slope, torch.zeros_like(slope), **EXACT)
    model.corruption = ExactNoise(2 * SIGMA * white[:, 3:])
    weight, _ = torch.autograd.grad(model.step(SPREADS * white[:, :3]).loss, model.own_parameters())
    assert weight.abs().max() > 0.1


def test_a_trained_linear_model_has_the_slope_of_every_variance():
    x = torch.randn(4000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = x - x.mean(0)
    # white, so that each column has its variance and no sampling error
    x = SPREADS * torch.linalg.solve(torch.linalg.cholesky(x.T @ x / len(x)), x.T).T
    run = aezoo.train(
        "denoising",
        Dataset(x, spec=table(3), test=[]),
        latent_dim=3,
        hidden=(),
        corruption=f"gaussian={SIGMA}",
        epochs=400,
        batch_size=2000,
        lr=0.05,
        schedule="cosine",
        validation=0,
        device="cpu",
        progress=False,
    )
    points = torch.cat([torch.eye(3), torch.zeros(1, 3)])
    rebuilt = run.model.reconstruct(points).double()
    slopes = rebuilt[:3] - rebuilt[3]
    wanted = SPREADS**2 / (SPREADS**2 + SIGMA**2)
    torch.testing.assert_close(slopes.diagonal(), wanted, rtol=0.01, atol=0)
    torch.testing.assert_close(slopes, torch.diag(slopes.diagonal()), rtol=0, atol=0.01)


def test_a_trained_network_has_the_score_of_a_mixture_on_a_grid():
    torch.manual_seed(0)
    run = aezoo.train(
        "denoising",
        Dataset(mixture(0.0).sample((20_000,)), spec=table(2), test=[]),
        latent_dim=32,
        hidden=(32,),
        activation="tanh",
        code_activation="tanh",
        corruption=f"gaussian={SIGMA}",
        epochs=50,
        batch_size=500,
        lr=0.01,
        schedule="cosine",
        validation=0,
        device="cpu",
        progress=False,
    )
    axis = torch.linspace(-3, 3, 41, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    truth = score_of(mixture(SIGMA), grid)
    density = mixture(SIGMA).log_prob(grid).exp()
    error = (run.model.score_function(grid) - truth).square().sum(1)
    for weight in (density, (density > 0.01).double()):
        assert weight.count_nonzero() > 500
        assert (weight @ error / (weight @ truth.square().sum(1))).sqrt() < 0.05
