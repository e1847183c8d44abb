"""The maths, against a truth that was not computed by it."""

import aezoo
import pytest
import torch
from aezoo.errors import UsageError
from torch.distributions import Cauchy

from aezoo_my_model.penalty import MyModelPenalty


def codes(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_penalty_is_the_negative_log_density_of_a_cauchy_prior(scale: float) -> None:
    z = codes(2, 5, 4)
    prior = Cauchy(torch.tensor(0.0, dtype=z.dtype), torch.tensor(scale, dtype=z.dtype))
    expected = (prior.log_prob(torch.zeros_like(z)) - prior.log_prob(z)).sum(-1)
    torch.testing.assert_close(MyModelPenalty(scale)(z), expected)


def test_the_gradient_is_the_closed_form() -> None:
    z = codes(1, 6, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(MyModelPenalty(0.7)(z).sum(), z)
    torch.testing.assert_close(gradient, 2 * z / (0.7**2 + z**2))


def test_a_few_large_values_cost_less_than_many_small_ones_of_the_same_length() -> None:
    one, many = torch.tensor([[[2.0, 0.0, 0.0, 0.0]]]), torch.ones(1, 1, 4)
    penalty = MyModelPenalty()
    assert penalty(one) < penalty(many)


def test_codes_of_several_axes_give_one_value_a_draw_and_row() -> None:
    z, penalty = codes(3, 2, 4, 5), MyModelPenalty()
    torch.testing.assert_close(penalty(z), penalty(z.flatten(2)))
    assert penalty(z).shape == (3, 2)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_that_is_not_above_zero_is_refused(scale: float) -> None:
    with pytest.raises(UsageError, match="scale must be above 0"):
        MyModelPenalty(scale)


def test_the_model_adds_the_weighted_penalty_to_its_loss() -> None:
    entry = aezoo.registry.models["my-model"]
    config = entry.config.parse({"latent_dim": 3, "hidden": [5], "weight": 0.25, "scale": 2.0})
    model = entry.resolve()(config, aezoo.DataSpec(shape=(4,)))
    x = torch.randn(6, 4)
    outcome = model.step(x)
    penalty = MyModelPenalty(2.0)(model.code(x)[None]).mean()
    torch.testing.assert_close(outcome.loss, outcome.terms["reconstruction"] + 0.25 * penalty)


def active_units(weight: float) -> float:
    return aezoo.train("my-model", "digits", epochs=12, scale=0.2, weight=weight).results["l0"]


def test_trained_under_the_penalty_most_units_are_silent() -> None:
    assert active_units(0.05) < active_units(0.0) / 2
