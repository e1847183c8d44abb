"""I17: what no model can beat, and what none should miss, on grey pixels scored by the Bernoulli cross-entropy.

    −log p(x | z) = Σ_d H(x_d) + Σ_d KL(x_d ‖ p_d),  H(x) = −x·log x − (1 − x)·log(1 − x)

So no reconstruction costs less than the pixels' own entropy, and a perfect one costs just that. A decoder that knows
nothing of the code does best with the pixels' means over the training rows, the marginals.

On the test rows of MNIST the two are 45.53 and 205.80 nats per image.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import aezoo
from aezoo.data import Split, make_preprocess, open_data, scaled_spec
from aezoo.evaluation import negative_elbo, reconstruction_figures
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Bernoulli, Decoder, PointEncoder, divergence

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
# a pixel that is always black in training may not be so later
CERTAIN = 1e-6


def entropy(x):
    """H of each row (n,) of values x (n, D) in [0, 1], by NumPy."""
    inner = np.where((x > 0) & (x < 1), x, 0.5)
    nats = -inner * np.log(inner) - (1 - inner) * np.log(1 - inner)
    return np.where((x > 0) & (x < 1), nats, 0.0).sum(1)


def cross_entropy(x, p):
    """−Σ x·log p + (1 − x)·log(1 − p) of each row (n,), by NumPy."""
    return -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)


class Logits(nn.Module):
    """Pixels as their logits; beyond 40 the probability is 0 or 1 to the last bit."""

    def forward(self, x):
        return x.flatten(1).logit().clamp(-40, 40)


def composed(encoder, decoder, spec):
    likelihood = Bernoulli(scaled_spec("scale", spec))
    preprocess = make_preprocess("scale", spec, clip=True)
    model = Autoencoder(PointEncoder(encoder), Decoder(decoder, likelihood), spec=spec, preprocess=preprocess)
    return model.double()


def perfect(spec):
    """A model whose reconstruction is the datum."""
    decoder = nn.Linear(spec.size, spec.size)
    nn.init.eye_(decoder.weight)
    nn.init.zeros_(decoder.bias)
    return composed(Logits(), decoder, spec)


def blind(spec, means):
    """A model that decodes every code to the same probabilities (D,), by the bias of its decoder alone."""
    model = composed(nn.Sequential(nn.Flatten(), nn.Linear(spec.size, 1)), nn.Linear(1, spec.size), spec)
    with torch.no_grad():
        model.decoder.network.weight.zero_()
        model.decoder.network.bias.copy_(torch.from_numpy(np.clip(means, CERTAIN, 1 - CERTAIN)).logit())
    return model


def pixels(split):
    """Rows (n, D) in [0, 1]."""
    return split.rows().flatten(1).double().numpy() / split.dataset.spec.high


def nats(model, split):
    return reconstruction_figures(model, split)["reconstruction"]


@pytest.fixture(scope="module")
def digits():
    return open_data("digits").split(validation=0)


def test_a_perfect_reconstruction_costs_the_pixels_own_entropy(digits):
    spec = digits.test.dataset.spec
    got = nats(perfect(spec), digits.test)
    assert got == pytest.approx(entropy(pixels(digits.test)).mean(), abs=1e-9)


def test_a_blind_decoder_costs_the_marginals_and_can_do_no_better(digits):
    spec = digits.train.dataset.spec
    rows = pixels(digits.train)
    means = np.clip(rows.mean(0), CERTAIN, 1 - CERTAIN)
    model = blind(spec, means)
    assert nats(model, digits.train) == pytest.approx(cross_entropy(rows, means).mean(), abs=1e-9)
    bias = model.decoder.network.bias
    (slope,) = torch.autograd.grad(model.step(torch.from_numpy(rows).view(-1, *spec.shape)).loss, bias)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=2 * CERTAIN)


def test_the_cross_entropy_is_the_entropy_and_a_divergence(digits):
    rows = torch.from_numpy(pixels(digits.test)[:50])
    likelihood = Bernoulli(scaled_spec("scale", digits.test.dataset.spec))
    outputs = torch.randn(50, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, px = likelihood(Logits()(rows)), likelihood(outputs)
    gap = -px.log_prob(rows.view(-1, 1, 8, 8)) - torch.from_numpy(entropy(rows.numpy()))
    torch.testing.assert_close(gap, divergence(x, px, estimator="analytic"), rtol=0, atol=1e-9)
    assert gap.min() > 0


@pytest.mark.parametrize(
    ("model", "options"),
    [("undercomplete", {"latent_dim": 128, "lr": 3e-3}), ("vae", {"latent_dim": 8}), ("sparse-kl", {})],
)
def test_a_trained_model_lies_between_the_two(model, options):
    run = aezoo.train(model, "digits", likelihood="bernoulli", epochs=20, device="cpu", progress=False, **options)
    train, test = pixels(run.splits.train), pixels(run.splits.test)
    blind_cost = nats(blind(run.model.spec, train.mean(0)), run.splits.test)
    for split, rows in ((run.splits.train, train), (run.splits.test, test)):
        least = entropy(rows).mean()
        assert least < nats(run.model, split) < blind_cost
        if "bound" in run.model.capabilities:
            assert least < negative_elbo(run.model, split) < blind_cost


@pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST is not at hand beside the repository")
def test_the_two_bounds_of_mnist():
    data = open_data("mnist", data_dir=MNIST)
    test = Split(data, data.test)
    assert nats(perfect(data.spec), test) == pytest.approx(45.53, abs=5e-3)
    assert entropy(pixels(test)).mean() == pytest.approx(45.53, abs=5e-3)
    inside = np.ones(len(data), dtype=bool)
    inside[data.test] = False
    means = data.x[inside].reshape(-1, data.spec.size).mean(0) / 255
    assert nats(blind(data.spec, means), test) == pytest.approx(205.80, abs=5e-3)
