"""I13, exact: TopK keeps at most k values a code, BatchTopK at most k·B a batch; dropped units get no gradient."""

import numpy as np
import pytest
import torch
from torch import nn

from aezoo.parts import PointEncoder
from aezoo_sparse.topk import BatchTopK, TopK

B, Z = 50, 12


def drawn(kind, seed=0):
    """Codes (B, Z) before the activation, float64; ``ties`` and ``equal`` have many equal values."""
    z = torch.randn(B, Z, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return {"random": z, "ties": z.round(), "equal": torch.ones_like(z), "negative": -z.abs(), "zero": 0 * z}[kind]


KINDS = ("random", "ties", "equal", "negative", "zero")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 5, Z])
def test_topk_leaves_at_most_k_values_a_code_and_they_are_its_largest(kind, k):
    z = drawn(kind)
    kept = TopK(k)(z).numpy()
    assert ((kept != 0).sum(1) <= k).all()
    largest = -np.sort(-z.numpy(), axis=1)[:, :k]
    assert np.array_equal(-np.sort(-kept, axis=1)[:, :k], largest.clip(min=0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 5, Z])
def test_batch_topk_leaves_at_most_k_values_a_code_on_average_and_they_are_the_largest_of_all(kind, k):
    z = drawn(kind)
    kept = BatchTopK(k)(z).numpy()
    assert (kept != 0).sum() <= k * B
    largest = -np.sort(-z.numpy(), axis=None)[: k * B]
    assert np.array_equal(-np.sort(-kept, axis=None)[: k * B], largest.clip(min=0))
    assert ((kept == 0) | (kept == z.numpy())).all()


def test_batch_topk_keeps_exactly_its_number_among_equal_values():
    kept = BatchTopK(5)(drawn("equal"))
    assert (kept != 0).sum() == 5 * B


def test_batch_topk_gives_one_code_more_than_another():
    z = drawn("random").abs()
    z[:5] *= 10
    active = (BatchTopK(3)(z) != 0).sum(1)
    assert active[:5].min() > 3 > active[5:].min()
    assert active.sum() == 3 * B
    assert ((TopK(3)(z) != 0).sum(1) == 3).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", [TopK(3), BatchTopK(3)], ids=["topk", "batch-topk"])
def test_dropped_units_get_no_gradient_and_kept_ones_all_of_it(activation, kind):
    z = drawn(kind).requires_grad_()
    weight = drawn("random", seed=1)
    kept = activation(z)
    (gradient,) = torch.autograd.grad((kept * weight).sum(), z)
    assert torch.equal(gradient, torch.where(kept > 0, weight, 0.0))


@pytest.mark.parametrize("activation", [TopK(2), BatchTopK(2)], ids=["topk", "batch-topk"])
def test_the_weights_of_a_unit_that_no_code_keeps_get_no_gradient(activation):
    torch.manual_seed(0)
    layer = nn.Linear(6, Z).double()
    with torch.no_grad():
        layer.bias[4:] -= 100.0
    code = PointEncoder(layer, activation)(drawn("random")[:, :6]).mean
    code.square().sum().backward()
    assert (code[:, 4:] == 0).all()
    assert (layer.weight.grad[4:] == 0).all()
    assert (layer.bias.grad[4:] == 0).all()
    assert (layer.weight.grad[:4] != 0).all()
