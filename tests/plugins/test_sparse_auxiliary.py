"""Dead units brought back: the auxiliary reconstruction of Gao et al. 2024, and how its models start.

The truth is numpy's: the residual and the atoms of the dead units, by loops over rows.
"""

import numpy as np
import pytest
import torch

import aezoo
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.parts import SparsePoint
from aezoo.training import build_model, read_header, save_model
from aezoo_sparse.auxiliary import AuxiliaryK

SPEC = DataSpec(shape=(6,), scaling="none")
DEAD = (0, 3, 4, 7)


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def model_of(name="topk", *, latent_dim=9, spec=SPEC, **options):
    torch.manual_seed(0)
    options = {"k": 2, "aux_units": 2, "dead_after": 3, **options}
    model = build_model(name, {"latent_dim": latent_dim, **options}, spec).double().train()
    with torch.no_grad():
        model.decoder.network[-1].bias.copy_(100 + drawn(spec.size, seed=5))
    return model


def auxiliary(model):
    return model.regularizers["aux-k"]


def with_dead(model, dead=DEAD):
    auxiliary(model).idle[list(dead)] = 3
    return model


def by_numpy(model, x, px, units):
    """½‖e − W·aux‖² of each row."""
    up, down = model.encoder.network[-1], model.decoder.network[-1]
    before = (x @ up.weight.T + up.bias).detach().numpy()
    missed = (x - px.mean[0]).detach().numpy()
    atoms = down.weight.detach().numpy().T
    penalties = []
    for row, error in zip(before, missed, strict=True):
        best = sorted(DEAD, key=lambda unit: -row[unit])[:units]
        second = sum(max(row[unit], 0.0) * atoms[unit] for unit in best)
        penalties.append(0.5 * np.square(error - second).sum())
    return np.array(penalties)


@pytest.mark.parametrize("name", ["topk", "batch-topk"])
@pytest.mark.parametrize("units", [1, 2, 9])
def test_it_is_half_the_squares_that_dead_units_leave_of_what_was_missed_and_no_bias_enters(name, units):
    model = with_dead(model_of(name, aux_units=units))
    x = drawn(20, 6)
    outcome = model.step(x)
    assert outcome.terms["aux-k"].item() == pytest.approx(
        by_numpy(model, x, outcome.values["px"], units).mean(), rel=1e-9
    )


def test_it_moves_dead_units_and_leaves_the_residual_the_living_and_the_biases_alone():
    model = with_dead(model_of())
    penalty = model.step(drawn(20, 6)).terms["aux-k"]
    up, down = model.encoder.network[-1], model.decoder.network[-1]
    into, atoms, bias = torch.autograd.grad(penalty, [up.weight, down.weight, down.bias])
    living = [unit for unit in range(9) if unit not in DEAD]
    assert (into[list(DEAD)] != 0).any(1).all()
    assert not into[living].any()
    assert (atoms[:, list(DEAD)] != 0).any(0).all()
    assert not atoms[:, living].any()
    assert bias.abs().max() < 1e-12


def test_the_weighted_term_is_in_the_loss_and_in_the_gradient_that_training_uses():
    x = drawn(20, 6)
    gradients = []
    for aux in (0.0, 0.5):
        model = with_dead(model_of(aux=aux))
        outcome = model.step(x)
        expected = outcome.terms["reconstruction"] + aux * outcome.terms["aux-k"]
        torch.testing.assert_close(outcome.loss, expected, rtol=1e-12, atol=0)
        outcome.loss.backward()
        gradients.append(model.encoder.network[-1].weight.grad[list(DEAD)].norm())
    assert gradients[1] > gradients[0] + 1e-3


@pytest.mark.parametrize("dead", [(), DEAD])
@pytest.mark.parametrize("training", [True, False])
def test_without_dead_units_and_in_evaluation_it_is_nothing(dead, training):
    model = with_dead(model_of(), dead).train(training)
    outcome = model.step(drawn(20, 6))
    assert (outcome.terms["aux-k"] > 0) == (training and bool(dead))
    if not dead:
        gradients = (
            torch.autograd.grad(
                outcome.terms["aux-k"], list(model.parameters()), allow_unused=True, materialize_grads=True
            )
            if training
            else ()
        )
        assert not any(gradient.any() for gradient in gradients)


def test_no_units_switch_it_off():
    run = aezoo.train("topk", "digits", aux_units=0, epochs=1)
    assert not list(run.model.regularizers)
    model = build_model("sparse", {"latent_dim": 8, "regularizers": "aux-k=1,units=0"}, SPEC)
    assert model.step(torch.randn(5, 6)).terms["aux-k"] == 0


def test_a_unit_is_dead_after_so_many_batches_without_a_value_and_alive_with_its_first():
    model = model_of(k=1)
    x = drawn(20, 6)
    for batch in range(1, 6):
        with torch.no_grad():
            fired = (model.encoder(x).mean != 0).any(0)
        model.step(x)
        assert torch.equal(auxiliary(model).idle, torch.where(fired, 0.0, float(batch)).to(auxiliary(model).idle.dtype))
    assert fired.any()
    assert not fired.all()
    with torch.no_grad():
        model.step(-x)
        model.eval().step(-x)
    assert torch.equal(auxiliary(model).idle, torch.where(fired, 0.0, 5.0).to(auxiliary(model).idle.dtype))


def test_of_a_wide_code_the_dead_units_alone_are_computed_with_the_same_values_and_gradients():
    spec, found = DataSpec(shape=(64,), scaling="none"), []
    x = drawn(30, 64)
    for narrow in (False, True):
        model = model_of(latent_dim=4096, spec=spec, k=4, aux_units=3)
        auxiliary(model).idle[::5] = 3
        if narrow:
            # a hook on the layer hides what it computes from products by rows
            model.encoder.network[-1].register_forward_hook(lambda module, given, output: None)
        outcome = model.step(x)
        assert isinstance(outcome.values["q"], SparsePoint) == (not narrow)
        weight = model.encoder.network[-1].weight
        found.append([outcome.terms["aux-k"], *torch.autograd.grad(outcome.terms["aux-k"], [weight])])
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-9)
    assert found[0][1].any()


@pytest.mark.parametrize("hidden", [(), (12,)])
def test_the_encoder_starts_as_the_transpose_of_unit_atoms_and_the_decoder_at_the_datas_mean(hidden):
    rows = (50 + drawn(200, 6).numpy()).astype("float32")
    run = aezoo.train(
        "topk", rows, latent_dim=9, k=2, hidden=hidden, preprocess="none", epochs=1, lr=1e-12, validation=0.2
    )
    model = run.model
    up, down = model.encoder.network[-1], model.decoder.network[0]
    torch.testing.assert_close(up.weight, down.weight.T, rtol=0, atol=1e-5)
    torch.testing.assert_close(down.weight.norm(dim=0), torch.ones(9), rtol=1e-5, atol=0)
    mean = torch.as_tensor(run.splits.train.rows().mean(0))
    torch.testing.assert_close(model.decoder.network[-1].bias.detach(), mean, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(model.encoder.centre, mean, rtol=1e-5, atol=0)
    assert model.encode(mean[None].numpy()).max() < 1e-3


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "laplace=unit,mean=sigmoid", "gaussian=per-value"])
def test_a_silent_code_starts_as_the_mean_whatever_the_likelihood(likelihood):
    run = aezoo.train("topk", "digits", likelihood=likelihood, epochs=1, lr=1e-12)
    model = run.model
    silent = model.decoder(torch.zeros(1, 1, 128)).mean[0, 0]
    rows = model.prepare(torch.as_tensor(run.splits.train.rows())).mean(0)
    torch.testing.assert_close(silent.detach(), rows, rtol=0, atol=2e-3)


def test_a_model_that_has_been_trained_starts_where_it_is():
    model = aezoo.train("topk", "digits", epochs=1, latent_dim=16, k=4).model
    before = model.decoder.network[-1].bias.detach().clone()
    aezoo.train(model, "digits", epochs=1, lr=1e-12)
    torch.testing.assert_close(model.decoder.network[-1].bias.detach(), before, rtol=0, atol=1e-6)


def test_what_counts_idle_batches_is_in_no_checkpoint():
    assert not [name for name in model_of().state_dict() if "idle" in name]


@pytest.mark.parametrize(("name", "error"), [("topk", 0.553), ("batch-topk", 0.540)])
def test_few_units_die_on_digits_and_the_error_is_no_worse_than_without(name, error):
    """``error`` is what the models reached with 63 of their 128 units dead."""
    results = aezoo.train(name, "digits").results
    assert results["dead_units"] <= 0.05 * 128
    assert results["squared_error"] <= error


def test_rows_far_from_zero_cost_no_unit_its_life():
    """Of rows of mean 50 without scaling 109 of 128 units died, at an error of 17 instead of 1.9."""
    rows = 50 + np.asarray(aezoo.data.open_data("digits").all().rows(), "float32").reshape(-1, 64) / 8
    near = aezoo.train("topk", rows - rows.mean(0), preprocess="none", epochs=60).results
    far = aezoo.train("topk", rows, preprocess="none", epochs=60).results
    assert far["dead_units"] <= 0.1 * 128
    assert far["squared_error"] < 1.1 * near["squared_error"]


def test_a_checkpoint_from_before_is_read_as_it_was(tmp_path):
    """Its header knows nothing of the second reconstruction, nor its tensors of a centre."""
    run = aezoo.train("topk", "digits", epochs=1, latent_dim=16, k=4, aux_units=0, out=tmp_path / "run")
    x = aezoo.data.open_data("digits").all().rows()[:20]
    header = read_header(tmp_path / "run")
    older = {name: value for name, value in header.config.items() if name not in ("aux", "aux_units", "dead_after")}
    save_model(tmp_path / "old.safetensors", run.model, header.model_copy(update={"config": older}))
    found = aezoo.load(tmp_path / "old.safetensors")
    assert np.array_equal(found.encode(x), run.model.encode(x))
    assert not list(found.regularizers)


def test_it_composes_with_codes_that_have_zeros_and_is_refused_elsewhere():
    model = build_model("sparse", {"latent_dim": 8, "regularizers": "aux-k=0.03,units=2,after=1"}, SPEC).train()
    model.regularizers["aux-k"].idle[:4] = 1
    assert model.step(torch.randn(5, 6)).terms["aux-k"] > 0
    for name in ("undercomplete", "vae"):
        with pytest.raises(CompositionError, match="brings back units"):
            build_model(name, {"latent_dim": 8, "regularizers": "aux-k=0.03"}, SPEC)


def test_a_code_of_several_axes_has_as_many_units():
    penalty = AuxiliaryK((2, 4), units=100)
    assert penalty.idle.shape == (8,)
    assert penalty.units == 8
