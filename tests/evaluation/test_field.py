"""The field r(x) − x and the walk along it, against the optimum for Gaussian data, which is linear."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import make_preprocess
from aezoo.errors import DataError, UsageError
from aezoo.evaluation import displacement, walk
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Decoder, Gaussian, PointEncoder, build_part
from aezoo.training import build_model

EXACT = {"rtol": 1e-10, "atol": 1e-10}
SPEC = DataSpec(name="plane", shape=(2,), scaling="standardize")
NOISE = 0.4
COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.8]], dtype=torch.float64)
MEAN = torch.tensor([0.3, -0.2], dtype=torch.float64)
SMOOTHED = COVARIANCE + NOISE**2 * torch.eye(2, dtype=torch.float64)


def optimum(kind="none", offset=0.0):
    """The best denoising model of N(MEAN, COVARIANCE) in preprocessed units: r(u) = m + S(S + σ²)⁻¹(u − m)."""
    encoder, decoder = nn.Linear(2, 2).double(), nn.Linear(2, 2).double()
    encoder.weight.data.copy_(COVARIANCE @ torch.linalg.inv(SMOOTHED))
    encoder.bias.data.copy_(MEAN - encoder.weight @ MEAN)
    decoder.weight.data.copy_(torch.eye(2))
    decoder.bias.data.zero_()
    preprocess = make_preprocess(kind, SPEC)
    if kind == "standardize":
        draw = np.random.default_rng(0)
        preprocess.fit([torch.from_numpy(offset + draw.standard_normal((50, 2)) * [3.0, 0.2])])
    return Autoencoder(
        PointEncoder(encoder),
        Decoder(decoder, Gaussian(SPEC)),
        spec=SPEC,
        preprocess=preprocess,
        corruption=build_part("corruption", "gaussian=0.4", spec=SPEC),
    )


def rows(count=8):
    return torch.from_numpy(np.random.default_rng(1).standard_normal((count, 2)) * 4)


def test_the_field_is_the_noises_variance_times_the_gradient_of_the_smoothed_density():
    model, x = optimum(), rows()
    smoothed = torch.distributions.MultivariateNormal(MEAN, SMOOTHED)
    u = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(smoothed.log_prob(u).sum(), u)
    torch.testing.assert_close(displacement(model, x), NOISE**2 * gradient, **EXACT)
    torch.testing.assert_close(displacement(model, x), NOISE**2 * model.score_function(x), **EXACT)


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_in_raw_units_the_noise_has_the_scale_of_the_data(offset):
    model, x = optimum("standardize", offset), rows() + offset
    noise = NOISE / model.preprocess.scale
    torch.testing.assert_close(displacement(model, x), noise**2 * model.score_function(x), **EXACT)
    torch.testing.assert_close(displacement(model, x), model.reconstruct(x) - x, **EXACT)


def test_a_large_offset_does_not_eat_the_digits_of_a_float32_model():
    exact = optimum("standardize", 1e6)
    x = rows() + 1e6
    expected = displacement(exact, x)
    path = walk(exact, x, 3)
    single = exact.float()
    torch.testing.assert_close(displacement(single, x), expected.float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(walk(single, x, 3), path.float(), rtol=1e-7, atol=0)


@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_the_walk_goes_to_the_mean_at_a_known_rate(rate):
    x, steps = rows(), 60
    path = walk(optimum(), x, steps, rate)
    assert path.shape == (steps + 1, 8, 2)
    assert torch.equal(path[0], x)
    # along each eigenvector of S, of value s, a step leaves 1 − rate·σ²/(s + σ²) of the distance
    values, vectors = torch.linalg.eigh(COVARIANCE)
    left = 1 - rate * NOISE**2 / (values + NOISE**2)
    for step in (1, 7, steps):
        torch.testing.assert_close((path[step] - MEAN) @ vectors, left**step * ((x - MEAN) @ vectors), **EXACT)
    assert (path[-1] - MEAN).norm(dim=1).max() < (x - MEAN).norm(dim=1).max() * float(left.max()) ** steps * 1.01


def test_passes_of_any_size_kinds_and_single_data(monkeypatch):
    model, x = optimum("standardize", 2.0), rows()
    whole = walk(model, x, 4)
    state = torch.get_rng_state()
    model.train()
    monkeypatch.setattr("aezoo.model.passes.PASS_VALUES", 6)
    torch.testing.assert_close(walk(model, x, 4), whole, **EXACT)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_allclose(walk(model, x.numpy(), 4), whole)
    np.testing.assert_allclose(walk(model, x[3].tolist(), 4), whole[:, 3])
    np.testing.assert_allclose(displacement(model, x[3].tolist()), whole[1, 3] - x[3])
    assert whole.dtype == torch.float64


def test_every_autoencoder_has_the_field():
    torch.manual_seed(0)
    spec = DataSpec(name="bytes", shape=(1, 4, 4), low=0.0, high=255.0, levels=256, scaling="scale")
    model = build_model("vae", {"likelihood": "bernoulli", "hidden": [8], "latent_dim": 2}, spec)
    x = torch.arange(32, dtype=torch.uint8).view(2, 1, 4, 4)
    path = walk(model, x, 2)
    torch.testing.assert_close(displacement(model, x), model.reconstruct(x) - x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(path[2], model.reconstruct(model.reconstruct(x)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda m: walk(m, rows(), 0), UsageError, "steps must be at least 1"),
        (lambda m: walk(m, rows(), 3, 0.0), UsageError, "rate must be a positive number"),
        (lambda m: walk(m, rows(), 3, math.nan), UsageError, "rate must be a positive number"),
        (lambda m: displacement(m, rows()[:, :1]), DataError, "built for data of shape"),
        (lambda m: walk(m, rows() / 0), DataError, "row 0"),
    ],
)
def test_what_makes_no_walk(ask, error, message):
    with pytest.raises(error, match=message):
        ask(optimum())
