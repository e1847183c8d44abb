"""JumpReLU codes and the L0 penalty on them; the pseudo-gradients themselves are identity I14."""

import copy
import math

import pytest
import torch
from torch import nn

import aezoo
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, UsageError
from aezoo.parts import PointEncoder
from aezoo.training import build_model
from aezoo_sparse.jumprelu import L0, JumpReLU

SPEC = DataSpec(shape=(6,), scaling="none")
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def model_of(**options):
    torch.manual_seed(0)
    return build_model("jumprelu", {"latent_dim": 8, **options}, SPEC).double()


def test_the_model_zeroes_what_does_not_exceed_each_units_threshold():
    model = model_of(threshold=0.2)
    thresholds = torch.linspace(0.05, 0.6, 8).double()
    model.encoder.activation.log_threshold.data = thresholds.log()
    x = drawn(50, 6)
    before = model.encoder.network(x).detach()
    truth = torch.where(before > thresholds, before, 0.0)
    torch.testing.assert_close(model.encode(x), truth, **EXACT)
    assert 0 < (truth != 0).sum() < (before > 0).sum()


def test_the_loss_is_the_reconstruction_and_the_weighted_number_of_active_units():
    model = model_of(l0=0.3)
    x = drawn(50, 6)
    outcome = model.step(x)
    active = (model.encode(x) != 0).sum(1).double().mean()
    torch.testing.assert_close(outcome.terms["l0"], active, **EXACT)
    torch.testing.assert_close(outcome.loss, outcome.terms["reconstruction"] + 0.3 * active, **EXACT)


def test_the_options_reach_the_activation():
    unit = model_of(threshold=0.7, bandwidth=0.03).encoder.activation
    torch.testing.assert_close(unit.log_threshold.exp().detach(), torch.full((8,), 0.7).double(), rtol=1e-6, atol=0)
    assert unit.bandwidth == 0.03


def test_the_penalty_moves_the_thresholds_upwards_and_the_active_units_down():
    model = model_of(threshold=0.2, bandwidth=0.3)
    x = drawn(50, 6)
    penalty = model.step(x).terms["l0"]
    gradients = dict(
        zip(
            dict(model.named_parameters()),
            torch.autograd.grad(penalty, list(model.parameters()), allow_unused=True, materialize_grads=True),
            strict=True,
        )
    )
    thresholds = gradients.pop("encoder.activation.log_threshold")
    near = (model.encoder.network(x) - 0.2).abs() < 0.15
    torch.testing.assert_close(thresholds, -0.2 / 0.3 * near.double().mean(0), rtol=1e-6, atol=0)
    assert near.any()
    before = model.encoder.network(x)
    pull = torch.where(before > 0.2, 1 / ((before + 0.3) * math.log1p(1 / 0.3)), 0.0).detach() / len(x)
    truth = torch.autograd.grad((before * pull).sum(), list(model.encoder.network.parameters()))
    for (name, _), gradient in zip(model.encoder.network.named_parameters(), truth, strict=True):
        torch.testing.assert_close(gradients.pop(f"encoder.network.{name}"), gradient, rtol=1e-9, atol=1e-12)
    assert gradients
    assert not any(gradient.any() for gradient in gradients.values())


def test_codes_of_any_shape_have_thresholds_of_their_own():
    unit, penalty = JumpReLU((2, 4), 0.3, 0.1).double(), L0()
    penalty.check(PointEncoder(nn.Identity(), unit), nn.Identity())
    z = drawn(5, 2, 4)
    assert unit.log_threshold.shape == (2, 4)
    counted = penalty(PointEncoder(nn.Identity(), unit)(z))
    assert torch.equal(counted, (z > 0.3).sum((1, 2)).double())


def test_a_heavier_penalty_leaves_fewer_units():
    options = {"epochs": 15, "lr": 1e-2, "latent_dim": 32, "bandwidth": 0.3}
    light, heavy = (aezoo.train("jumprelu", "digits", l0=weight, **options).results["l0"] for weight in (0.0, 0.3))
    assert heavy < 0.7 * light
    assert heavy > 0


def test_the_thresholds_have_one_owner_and_are_saved_once():
    names = [name for name in model_of().state_dict() if "threshold" in name]
    assert names == ["encoder.activation.log_threshold"]


def test_a_copy_of_a_model_counts_with_its_own_thresholds():
    model = model_of()
    x = drawn(50, 6)
    before = model.step(x).terms["l0"]
    twin = copy.deepcopy(model)
    twin.encoder.activation.log_threshold.data += 20
    assert twin.step(x).terms["l0"] == 0
    assert model.step(x).terms["l0"] == before > 0


def test_moved_to_another_type_the_penalty_still_sees_the_thresholds():
    model = model_of().float()
    model.encoder.activation.log_threshold.data += 20
    assert model.step(drawn(9, 6).float()).terms["l0"] == 0


def test_it_composes_with_other_models():
    options = {"latent_dim": 8, "code_activation": "jumprelu=0.2,bandwidth=0.05", "regularizers": "l0=0.1"}
    model = build_model("contractive", options, SPEC)
    assert isinstance(model.encoder.activation, JumpReLU)
    outcome = model.step(torch.randn(5, 6))
    assert {"l0", "contraction"} <= set(outcome.terms)
    outcome.loss.backward()
    assert model.encoder.activation.log_threshold.grad.isfinite().all()


@pytest.mark.parametrize(("model", "options"), [("undercomplete", {}), ("topk", {"k": 2}), ("vae", {}), ("sparse", {})])
def test_the_penalty_is_refused_where_there_are_no_thresholds(model, options):
    with pytest.raises(CompositionError, match="set code_activation jumprelu, or use regularizer l1"):
        build_model(model, {"latent_dim": 4, "regularizers": "l0=0.1", **options}, SPEC)


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"threshold": -1.0}, {"bandwidth": 0.0}, {"l0": -0.1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        model_of(**options)


def test_hidden_layers_are_refused_it():
    with pytest.raises(UsageError, match="activation 'jumprelu' needs 'code_shape'"):
        build_model("undercomplete", {"hidden": (5,), "activation": "jumprelu"}, SPEC)
