"""The orders of a Jacobian's products: each gives the same norm, each costs what is said, the cheapest is the cheapest.

The truth is the Jacobian itself, multiplied out and differentiated by torch; the count of operations is torch's own.
"""

from itertools import product

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from aezoo_contractive import products
from aezoo_contractive.orders import Chain, Gram, Order, Product, cheapest, cost_of, said
from aezoo_contractive.products import chain_of, squared_norms

EXACT = {"rtol": 1e-9, "atol": 1e-9}
ROWS = 4
SIZES = [(5, 3), (4, 7, 3), (6, 3, 5, 4), (3, 5, 2, 4, 3)]


def every(length):
    """All orders for a chain of so many layers, by brute force."""

    def through(i, j):
        if j == i + 1:
            yield Product(i, j)
        for split in range(i + 1, j):
            for left, right in product(through(split, j), through(i, split)):
                yield Product(i, j, left, right)

    def grams(at, end):
        if at == end:
            yield None
            return
        step = 1 if at < end else -1
        for far in range(at + step, end + step, step):
            for factor, of in product(through(min(at, far), max(at, far)), grams(far, end)):
                yield Gram(at, factor, of)

    for j in range(length):
        for k in range(max(j, 1), length + 1):
            for inner, outer in product(grams(j, 0), grams(k, length)):
                for middle in through(j, k) if j < k else (None,):
                    yield Order(inner, middle, outer)


def drawn(sizes, linear, projected=False, rows=ROWS):
    """Weights and slopes of a chain, to be differentiated by."""
    stream = torch.Generator().manual_seed(len(sizes))
    shapes = list(zip(sizes[1:], sizes, strict=False))
    if projected:
        shapes[-1] = (rows, *shapes[-1])

    def leaf(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=stream).requires_grad_()

    weights = [leaf(*shape) for shape in shapes]
    slopes = [None if flat else leaf(rows, size) for flat, size in zip(linear, sizes[1:], strict=True)]
    return weights, slopes


def multiplied(weights, slopes, rows=ROWS):
    """‖J‖² of J multiplied out, row by row."""
    found = []
    for row in range(rows):
        jacobian = torch.eye(weights[0].shape[-1], dtype=torch.float64)
        for weight, slope in zip(weights, slopes, strict=True):
            jacobian = (weight[row] if weight.dim() == 3 else weight) @ jacobian
            jacobian = jacobian if slope is None else slope[row][:, None] * jacobian
        found.append(jacobian.square().sum())
    return torch.stack(found)


def graded(norms, leaves):
    """The norms, and the gradient of a sum in which each row weighs something else."""
    weights = torch.arange(1.0, len(norms) + 1, dtype=norms.dtype)
    return [norms, *torch.autograd.grad((weights * norms).sum(), leaves)]


CHAINS = [
    (sizes, linear, projected)
    for sizes in SIZES
    for linear in product((False, True), repeat=len(sizes) - 1)
    for projected in (False, True)
    if not (projected and not linear[-1])
]


@pytest.mark.parametrize(("sizes", "linear", "projected"), CHAINS)
def test_every_order_gives_the_norm_and_its_gradient_and_takes_the_operations_that_it_says(sizes, linear, projected):
    weights, slopes = drawn(sizes, linear, projected)
    leaves = [*weights, *(slope for slope in slopes if slope is not None)]
    wanted = graded(multiplied(weights, slopes), leaves)
    chain = chain_of(weights, slopes, ROWS)
    assert chain == Chain(sizes, linear, ROWS, projected)
    costs = []
    for order in every(len(linear)):
        for got, truth in zip(graded(squared_norms(weights, slopes, ROWS, order), leaves), wanted, strict=True):
            torch.testing.assert_close(got, truth, **EXACT)
        with torch.no_grad(), FlopCounterMode(display=False) as counted:
            squared_norms(weights, slopes, ROWS, order)
        assert cost_of(order, chain).flops == counted.get_total_flops(), order
        costs.append(cost_of(order, chain).total)
    order, cost = cheapest(chain)
    assert cost == cost_of(order, chain)
    assert cost.total == min(costs)


@pytest.mark.parametrize(
    ("sizes", "linear", "words"),
    [
        ((784, 512), (False,), "in closed form"),
        ((784, 512, 32), (False, False), "through the Gram matrix of the first layer"),
        ((784, 512, 32), (False, True), "through the Gram matrices of the first layer and the last layer"),
        ((64, 128, 16), (False, False), "by products of the layers"),
        (
            (512, 600, 8, 600),
            (False, False, False),
            "through the Gram matrices of the first 2 layers and the last layer",
        ),
        ((600, 10, 10, 600), (True, False, True), "through the Gram matrices of the first 2 layers and the last layer"),
    ],
)
def test_the_cheapest_order_of_shapes_that_people_have(sizes, linear, words):
    chain = Chain(sizes, linear, 128)
    order, cost = cheapest(chain)
    assert said(order, chain) == words
    assert cost.total == min(cost_of(other, chain).total for other in every(len(linear)))


@pytest.mark.parametrize("graded_by", [True, False])
@pytest.mark.parametrize("projected", [False, True])
def test_memory_is_bounded_by_taking_rows_piece_by_piece(projected, graded_by, monkeypatch):
    sizes, linear = (9, 7, 5, 3), (False, False, True)
    weights, slopes = drawn(sizes, linear, projected, rows=11)
    leaves = [*weights, *(slope for slope in slopes if slope is not None)]
    wanted = graded(multiplied(weights, slopes, 11), leaves)
    a_row = cheapest(chain_of(weights, slopes, 11))[1].values / 11 * 8
    made = []
    genuine = products._Norm.by

    def watched(norm, order):
        made.append(norm.chain.rows)
        return genuine(norm, order)

    monkeypatch.setattr(products._Norm, "by", watched)
    monkeypatch.setattr(products, "MEMORY_BYTES", int(3.5 * a_row))
    with torch.set_grad_enabled(graded_by):
        norms = squared_norms(weights, slopes, 11)
    assert made == [3, 3, 3, 2]
    torch.testing.assert_close(norms, wanted[0], **EXACT)
    if graded_by:
        for got, truth in zip(graded(norms, leaves), wanted, strict=True):
            torch.testing.assert_close(got, truth, **EXACT)
        # the pass back makes the values again, and none are held meanwhile
        assert len(made) == 8


@pytest.mark.parametrize("size", [1, 2, 100, 255, 256, 300, 512, 700])
def test_a_symmetric_product_is_whole(size):
    a = torch.randn(6, size, dtype=torch.float64)
    weights = torch.rand(6, 1, dtype=torch.float64)
    torch.testing.assert_close(products._symmetric(weights * a, a), (weights * a).T @ a, **EXACT)


def test_a_second_derivative_is_refused_rather_than_wrong():
    weights, slopes = drawn((4, 7, 3), (False, False))
    order = Order(Gram(1, Product(0, 1)), Product(1, 2), None)
    (slope,) = torch.autograd.grad(squared_norms(weights, slopes, ROWS, order).sum(), weights[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_the_gram_matrix_has_the_gradient_of_its_product_whatever_leads_to_it():
    factor = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    steepness = torch.randn(5, 5, dtype=torch.float64)
    (found,) = torch.autograd.grad((products._GramMatrix.apply(factor) * steepness).sum(), factor)
    (wanted,) = torch.autograd.grad((factor @ factor.T * steepness).sum(), factor)
    torch.testing.assert_close(found, wanted, **EXACT)
