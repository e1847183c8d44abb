"""Every option that is a weight answers over four decades: a heavier one leaves less of what it weighs.

A model may always give its penalty up and the data's mean as the reconstruction. What that costs, in closed form, is
what training must not end above, whatever the weight.
"""

import math

import pytest
import torch
from sklearn.datasets import load_digits

import aezoo
from aezoo.core.schedules import Weight

WEIGHTS = {
    ("contractive", "contraction"): 0.03,
    ("sparse-l1", "l1"): 0.05,
    ("sparse-kl", "sparsity"): 0.1,
    ("jumprelu", "l0"): 0.2,
    ("beta-vae", "beta"): 4.0,
    ("vq-vae", "commitment"): 0.25,
}
SIZES = {"sparse-l1": 16, "sparse-kl": 16, "jumprelu": 16}


def nats_of_the_mean(x, likelihood):
    """−log p of the mean of all rows: the cost of a code that says nothing."""
    total, size = float(x.var(0, correction=0).sum()), x[0].numel()
    if likelihood == "unit":
        return size / 2 * math.log(2 * math.pi) + total / 2
    return size / 2 * (math.log(2 * math.pi * total / size) + 1)


def test_no_weight_is_left_out():
    found = {
        (name, option)
        for name in aezoo.registry.models
        for option, field in aezoo.registry.models[name].config.model_fields.items()
        if field.annotation == Weight.__origin__
    }
    # the first is sparse-l1 itself, and the others weigh nothing against the reconstruction
    assert found - {("sparse", "l1"), ("topk", "aux"), ("batch-topk", "aux")} == set(WEIGHTS)


@pytest.mark.parametrize(("model", "option"), WEIGHTS)
def test_a_heavier_weight_leaves_less_and_the_objective_is_no_worse_than_that_of_a_silent_code(model, option):
    x = torch.as_tensor(load_digits().data / 16).float().view(-1, 1, 8, 8)
    size = {"latent_dim": SIZES[model]} if model in SIZES else {}
    left = []
    for factor in (0.01, 1, 100):
        weight = WEIGHTS[model, option] * factor
        run = aezoo.train(model, "digits", epochs=60, lr=3e-3, **{option: weight}, **size)
        with torch.no_grad():
            outcome = run.model.step(x)
        (penalty,) = (value for name, value in outcome.terms.items() if name != "reconstruction")
        left.append(float(penalty))
        scale = "learned" if model == "beta-vae" else "unit"
        assert float(outcome.loss) < nats_of_the_mean(x, scale) + 0.2, weight
    assert left[0] > 1.5 * left[1]
    assert left[1] > 1.5 * left[2]


def test_at_a_heavy_weight_a_jumprelu_code_is_silent():
    run = aezoo.train("jumprelu", "digits", l0=2, epochs=60, lr=3e-3, latent_dim=32)
    assert run.results["l0"] < 1
