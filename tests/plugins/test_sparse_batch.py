"""Activations whose training looks at the whole batch: BatchTopK and its threshold, and winner-take-all."""

import copy

import numpy as np
import pytest
import torch

import aezoo
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, UsageError
from aezoo.training import build_model
from aezoo_sparse.topk import BatchTopK, WinnerTakeAll

SPEC = DataSpec(shape=(6,), scaling="none")


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def smallest_kept(z, k):
    """The k·B-th largest value of a batch (B, Z), or the smallest positive one where there are fewer."""
    largest = np.sort(z.detach().numpy(), axis=None)[::-1][: k * len(z)]
    return largest[largest > 0].min()


# ---------------------------------------------------------------- BatchTopK's threshold


def test_the_threshold_is_a_moving_average_of_the_smallest_value_kept():
    unit = BatchTopK(2).double()
    batches = [drawn(40, 8, seed=seed) * (1 + seed) for seed in range(5)]
    average = None
    for z in batches:
        unit(z.requires_grad_())
        found = smallest_kept(z, 2)
        average = found if average is None else 0.9 * average + 0.1 * found
        assert float(unit.threshold) == pytest.approx(average, rel=1e-12)


def test_a_batch_with_fewer_positive_values_than_are_kept_counts_with_its_smallest_and_one_without_any_not_at_all():
    unit = BatchTopK(3).double()
    unit(-drawn(4, 8).abs())
    assert unit.threshold == 0
    few = -drawn(4, 8).abs()
    few[0, 1], few[2, 5] = 0.5, 0.25
    assert torch.equal(unit(few), few.clamp(min=0))
    assert unit.threshold == 0.25
    unit(-drawn(4, 8).abs())
    assert unit.threshold == 0.25


def test_evaluation_keeps_what_is_above_the_threshold_whatever_the_neighbours():
    unit = BatchTopK(2).double()
    unit.threshold.fill_(0.7)
    unit.eval()
    z = drawn(30, 8)
    assert torch.equal(unit(z), torch.where(z > 0.7, z, 0.0))
    assert torch.equal(unit(z)[3:4], unit(z[3:4]))
    assert torch.equal(unit(torch.full_like(z, 0.7)), torch.zeros_like(z))


def test_before_training_all_that_is_positive_is_kept():
    z = drawn(30, 8)
    assert torch.equal(BatchTopK(2).eval()(z), z.clamp(min=0))


def test_the_threshold_keeps_k_units_a_code_on_new_rows_of_the_same_kind():
    unit = BatchTopK(3)
    for seed in range(100):
        unit(drawn(100, 20, seed=seed).float())
    unit.eval()
    active = (unit(drawn(5000, 20, seed=1000).float()) != 0).sum(1).double()
    assert active.mean() == pytest.approx(3, rel=0.03)
    assert active.std() > 1


def test_only_training_with_gradients_moves_the_threshold():
    torch.manual_seed(0)
    model = build_model("batch-topk", {"latent_dim": 8, "k": 2}, SPEC)
    unit = model.encoder.activation
    assert unit.threshold == 0, "building a model moved it"
    model.step(torch.randn(9, 6))
    learned = unit.threshold.clone()
    assert learned > 0
    model.measure([torch.randn(9, 6) * 10])
    model.encode(torch.randn(9, 6) * 10)
    with torch.no_grad():
        model.step(torch.randn(9, 6) * 10)
    assert torch.equal(unit.threshold, learned)
    assert model.training
    model.step(torch.randn(9, 6) * 10)
    assert unit.threshold > learned


def test_the_threshold_is_saved_and_loaded(tmp_path):
    run = aezoo.train("batch-topk", "digits", out=tmp_path / "run", epochs=10, latent_dim=16, k=3)
    loaded = aezoo.load(tmp_path / "run")
    assert run.model.encoder.activation.threshold > 0
    assert torch.equal(loaded.encoder.activation.threshold, run.model.encoder.activation.threshold)
    assert run.results["l0"] == pytest.approx(3, abs=0.3)


def test_no_gradient_reaches_the_average():
    unit = BatchTopK(2)
    unit(drawn(5, 8).float().requires_grad_())
    assert not unit.threshold.requires_grad


def test_rows_of_a_further_axis_are_rows_of_the_batch():
    z = drawn(3, 5, 8)
    torch.testing.assert_close(BatchTopK(2)(z), BatchTopK(2)(z.view(15, 8)).view(3, 5, 8), rtol=0, atol=0)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_sixteen_bits_go_in_and_come_out(half):
    unit = BatchTopK(2)
    assert unit(drawn(5, 8).to(half)).dtype == half
    assert unit.threshold.dtype == torch.float32
    assert unit.eval()(drawn(5, 8).to(half)).dtype == half


@pytest.mark.parametrize("options", [{"k": 9}, {"k": 0}, {"k": 2.5}])
def test_impossible_numbers_are_refused(options):
    with pytest.raises((CompositionError, UsageError), match=r"^batch-topk keeps k=9 of a code of 8: lower k|: k: "):
        build_model("batch-topk", {"latent_dim": 8, **options}, SPEC)


def test_batch_topk_is_a_code_activation_of_other_models():
    options = {"latent_dim": 8, "code_activation": "batch-topk=2", "network": "mlp,tied=true"}
    model = build_model("undercomplete", options, SPEC)
    assert isinstance(model.encoder.activation, BatchTopK)
    assert model.encoder.activation.k == 2


# ---------------------------------------------------------------- winner-take-all


@pytest.mark.parametrize(("share", "rows", "kept"), [(0.05, 100, 5), (0.1, 33, 3), (0.05, 4, 1), (1.0, 10, 10)])
def test_each_unit_keeps_its_largest_values_over_the_batch(share, rows, kept):
    z = drawn(rows, 6)
    output = WinnerTakeAll(share)(z)
    for unit in range(6):
        largest = sorted(z[:, unit].tolist(), reverse=True)[:kept]
        assert output[:, unit].tolist() == [v if v in largest and v > 0 else 0.0 for v in z[:, unit].tolist()]


def test_equal_values_do_not_add_winners():
    assert (WinnerTakeAll(0.2)(torch.ones(50, 7)) != 0).sum(0).tolist() == [10] * 7


def test_only_winners_get_a_gradient():
    z, weight = drawn(40, 6).requires_grad_(), drawn(40, 6, seed=1)
    output = WinnerTakeAll(0.1)(z)
    (gradient,) = torch.autograd.grad((output * weight).sum(), z)
    assert torch.equal(gradient, torch.where(output > 0, weight, 0.0))
    assert ((gradient != 0).sum(0) == 4).all()


def test_in_evaluation_it_is_a_relu():
    z = drawn(40, 6)
    assert torch.equal(WinnerTakeAll(0.1).eval()(z), z.clamp(min=0))


def test_a_further_axis_is_one_of_rows_and_one_row_alone_wins():
    z = drawn(3, 5, 8)
    assert torch.equal(WinnerTakeAll(0.2)(z), WinnerTakeAll(0.2)(z.view(15, 8)).view(3, 5, 8))
    assert torch.equal(WinnerTakeAll(0.2)(z[0, 0]), z[0, 0].clamp(min=0))


def test_every_unit_of_a_model_is_used_equally_often_in_training():
    torch.manual_seed(0)
    model = build_model("undercomplete", {"latent_dim": 12, "code_activation": "winner-take-all=0.1"}, SPEC)
    x = torch.randn(50, 6)
    z = model.step(x).values["z"][0]
    assert (z != 0).sum(0).max() == 5
    before = model.encoder(x).before
    assert torch.equal(torch.from_numpy(model.encode(x.numpy())), before.detach().clamp(min=0))


@pytest.mark.parametrize("share", [0, 1.5, -0.1])
def test_shares_that_are_none_are_refused(share):
    with pytest.raises(UsageError, match="share"):
        build_model("undercomplete", {"code_activation": f"winner-take-all={share}"}, SPEC)


@pytest.mark.parametrize("unit", [BatchTopK(2), WinnerTakeAll(0.2)])
def test_a_copy_has_a_state_of_its_own(unit):
    twin = copy.deepcopy(unit)
    twin(drawn(10, 8).float())
    assert all(float(value) == 0 for value in unit.state_dict().values())
