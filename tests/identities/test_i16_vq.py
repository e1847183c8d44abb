"""I16. Straight-through VQ: the encoder's gradient is the decoder input's; KL to a uniform prior = log K; exact."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import kl_divergence

from aezoo.core.spec import DataSpec
from aezoo.parts import divergence
from aezoo.training import build_model

SPEC = DataSpec(shape=(6,))


def vq(positions=3, codes=5, **options):
    torch.manual_seed(0)
    options = {"latent_dim": 2, "hidden": [7], "positions": positions, "codes": codes, **options}
    return build_model("vq-vae", options, SPEC).double()


def test_the_encoders_gradient_is_the_decoder_inputs_bit_for_bit():
    model = vq(commitment=0.0)
    x = torch.randn(4, 6, dtype=torch.float64)
    seen = {}

    def at_the_encoder(_, __, output):
        output.retain_grad()
        seen["encoder"] = output

    def at_the_decoder(_, inputs):
        inputs[0].retain_grad()
        seen["decoder"] = inputs[0]

    model.encoder.network.register_forward_hook(at_the_encoder)
    model.decoder.network.register_forward_pre_hook(at_the_decoder)
    model.step(x).loss.backward()
    gradient = seen["decoder"].grad
    assert gradient.abs().min() > 0
    assert torch.equal(seen["encoder"].grad, gradient.flatten(1))


def test_the_code_is_the_nearest_vector_to_the_bit():
    model = vq()
    x = torch.randn(50, 6, dtype=torch.float64)
    q = model.encoder(x)
    distance = torch.cdist(q.before.flatten(0, 1), model.encoder.codebook)
    assert torch.equal(q.index.flatten(), distance.argmin(1))
    assert torch.equal(q.mean, model.encoder.codebook[q.index])


@pytest.mark.parametrize(("positions", "codes"), [(1, 2), (1, 512), (3, 5)])
def test_the_divergence_from_a_uniform_choice_is_log_k_a_position(positions, codes):
    model = vq(positions, codes)
    q = model.encoder(torch.randn(4, 6, dtype=torch.float64))
    expected = torch.full((4,), positions * math.log(codes), dtype=torch.float64)
    assert torch.equal(kl_divergence(q, model.prior_distribution()), expected)
    by_draws = divergence(q, model.prior_distribution(), q.rsample((2,)), estimator="sampled")
    assert torch.equal(by_draws, expected.expand(2, 4))


def test_score_is_the_bound_with_that_divergence():
    model = vq(3, 5)
    x = torch.randn(4, 6, dtype=torch.float64)
    model.preprocess = None
    error = -model.decoder(model.encoder(x).mean[None]).log_prob(x)[0]
    torch.testing.assert_close(model.score(x), error + 3 * math.log(5), rtol=0, atol=1e-12)
