"""The squared norm of a Jacobian as products of its layers, in the order that ``orders`` finds.

Shapes: B batch, H values of a layer. A matrix that all rows share is (H, H'), one of each row's own (B, H, H').
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from aezoo.parts import transforming
from aezoo_contractive.orders import Chain, Gram, Order, Product, cheapest, cost_of

# of intermediate values at once; beyond this, rows go through piece by piece
MEMORY_BYTES = 256 << 20


def chain_of(weights: Sequence[Tensor], slopes: Sequence[Tensor | None], rows: int) -> Chain:
    """The shapes of D_n·W_n ⋯ D_1·W_1."""
    sizes = (weights[0].shape[-1], *(weight.shape[-2] for weight in weights))
    return Chain(sizes, tuple(slope is None for slope in slopes), rows, weights[-1].dim() == 3)


def squared_norms(
    weights: Sequence[Tensor], slopes: Sequence[Tensor | None], rows: int, order: Order | None = None
) -> Tensor:
    """‖D_n·W_n ⋯ D_1·W_1‖²_F of each row (B,).

    Args:
        weights: W_1 … W_n, each (H_i, H_{i−1}); the last may be (B, P, H_{n−1}).
        slopes: D_1 … D_n, each (B, H_i), or None where they are one.
        rows: B.
        order: of the products; None takes the cheapest.
    """
    chain = chain_of(weights, slopes, rows)
    order = order or cheapest(chain)[0]
    values = -(-cost_of(order, chain).values // rows)
    at_once = max(1, MEMORY_BYTES // (values * weights[0].element_size()))
    if at_once >= rows:
        return _Norm(weights, slopes, chain).by(order)

    def piece(start: int) -> Tensor:
        part = slice(start, min(rows, start + at_once))
        own = [weight[part] if weight.dim() == 3 else weight for weight in weights]
        steep = [None if slope is None else slope[part] for slope in slopes]
        return _Norm(own, steep, chain._replace(rows=part.stop - start)).by(order)

    # a graph would hold the intermediate values of all pieces until the pass back: it makes them again instead
    again = torch.is_grad_enabled()
    pieces = [
        checkpoint(piece, start, use_reentrant=False, preserve_rng_state=False) if again else piece(start)
        for start in range(0, rows, at_once)
    ]
    return torch.cat(pieces)


class _Norm:
    """The products of one Jacobian."""

    def __init__(self, weights: Sequence[Tensor], slopes: Sequence[Tensor | None], chain: Chain) -> None:
        self.weights = weights
        self.slopes = slopes
        self.chain = chain

    def by(self, order: Order) -> Tensor:
        """(B,), in that order."""
        rows, n = self.chain.rows, self.chain.length
        last = self.slopes[-1]
        if order.middle is None:
            assert order.inner is not None
            assert order.outer is not None
            both = self._gram(order.inner, 0) * self._gram(order.outer, n)
            found = _quadratic(both, self._slope(order.inner.at))
        else:
            product = self._product(order.middle)
            if order.inner is None and order.outer is None:
                # each row of the matrix has one slope: it multiplies the row's squared norm
                alone = product.dim() == 2 and last is not None and not transforming()
                found = (
                    _LayerNorms.apply(last, product)  # type: ignore[no-untyped-call]
                    if alone
                    else _weighted(product.square().sum(-1), last)
                )
            else:
                product = _scaled(product, self._slope(order.middle.j), self._slope(order.middle.i))
                if order.outer is None:
                    assert order.inner is not None
                    found = _weighted(self._through(product, order.inner, 0), last)
                elif order.inner is None:
                    found = self._through(product.mT, order.outer, n).sum(-1)
                else:
                    inner, outer = self._gram(order.inner, 0), self._gram(order.outer, n)
                    found = ((outer @ product) * (product @ inner)).sum((-1, -2))
        return found if found.dim() else found.expand(rows)

    def _slope(self, at: int) -> Tensor | None:
        """D_at, inside the Jacobian; None at its ends, and where it is one."""
        return self.slopes[at - 1] if 0 < at < self.chain.length else None

    def _product(self, product: Product) -> Tensor:
        """T_ij."""
        if product.left is None or product.right is None:
            return self.weights[product.i]
        slope = self._slope(product.right.j)
        return _times(self._product(product.left), slope, self._product(product.right))

    def _factor(self, gram: Gram, end: int) -> Tensor:
        """A matrix F with the Gram matrix F·Fᵀ, where it is made of nothing smaller."""
        through = self._product(gram.through)
        if end == 0:
            return through
        return through.mT if self.slopes[-1] is None else _scaled(through, self.slopes[-1], None).mT

    def _gram(self, gram: Gram, end: int) -> Tensor:
        """G_j (``end`` 0) or K_k (``end`` n)."""
        if gram.of is None:
            factor = self._factor(gram, end)
            if factor.dim() == 2 and not transforming():
                matrix: Tensor = _GramMatrix.apply(factor)  # type: ignore[no-untyped-call]
                return matrix
            return factor @ factor.mT
        through = self._product(gram.through)
        through = _scaled(through if end == 0 else through.mT, None, self._slope(gram.of.at))
        return through @ self._gram(gram.of, end) @ through.mT

    def _through(self, product: Tensor, gram: Gram, end: int) -> Tensor:
        """The squared norms of the rows of product·F (…, H), through the Gram matrix F·Fᵀ."""
        shared = self.chain.shares_inner(gram.at) if end == 0 else self.chain.shares_outer(gram.at)
        if product.dim() == 3 and shared and gram.of is None and not transforming():
            norms: Tensor = _RowNorms.apply(product, self._factor(gram, end))  # type: ignore[no-untyped-call]
            return norms
        return ((product @ self._gram(gram, end)) * product).sum(-1)


class _RowNorms(torch.autograd.Function):
    """‖x·F‖² of rows x, through F·Fᵀ.

    The pass back takes x·F·Fᵀ from the pass forward, and makes only a half of a symmetric matrix: two thirds of the
    work of automatic differentiation, which would find neither.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor) -> Tensor:
        """(B, M, H) and (H, N) → (B, M)."""
        images = x @ (factor @ factor.t())
        ctx.save_for_backward(x, factor, images)
        return (images * x).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, steepness: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """∂‖x·F‖²: 2·x·F·Fᵀ for x, and 2·xᵀ·x·F for F."""
        x, factor, images = ctx.saved_tensors
        twice = 2 * steepness[..., None]
        by_x = twice * images if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return by_x, None
        return by_x, cast(Tensor, _symmetric((twice * x).flatten(0, -2), x.flatten(0, -2)) @ factor)


class _GramMatrix(torch.autograd.Function):
    """F·Fᵀ, of which the pass back is one product, where automatic differentiation makes one for each factor."""

    @staticmethod
    def forward(ctx: Any, factor: Tensor) -> Tensor:
        """(H, N) → (H, H)."""
        ctx.save_for_backward(factor)
        return factor @ factor.t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, steepness: Tensor) -> Tensor:
        """∂(F·Fᵀ), of a gradient that need not be symmetric."""
        (factor,) = ctx.saved_tensors
        return cast(Tensor, (steepness + steepness.t()) @ factor)


class _LayerNorms(torch.autograd.Function):
    """Σ_j slope_j²·‖W_j‖²: one layer's penalty, with no more than one pass over the weights forward and one back."""

    @staticmethod
    def forward(ctx: Any, slope: Tensor, weight: Tensor) -> Tensor:
        """(B, Z) and (Z, D) → (B,)."""
        norms = torch.linalg.vector_norm(weight, dim=1).square()
        squares = slope * slope
        ctx.save_for_backward(slope, weight, norms, squares)
        return cast(Tensor, squares @ norms)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, steepness: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """2·slope_j·‖W_j‖² for the slopes, and 2·slope_j²·W_j for the weights."""
        slope, weight, norms, squares = ctx.saved_tensors
        twice = 2 * steepness
        by_slope = (slope * norms) * twice[:, None] if ctx.needs_input_grad[0] else None
        # in this order it is a product with a vector; torch takes the other for one of matrices, fifty times slower
        return by_slope, weight * squares.t().mv(twice)[:, None] if ctx.needs_input_grad[1] else None


# a product of narrower pieces than this is slower than the half of the work that pieces save
PIECE = 128


def _symmetric(a: Tensor, b: Tensor) -> Tensor:
    """aᵀ·b (H, H), known to be symmetric: what stands above its diagonal is made once."""
    size = a.shape[1]
    pieces = size // PIECE
    if pieces < 2:
        return a.t() @ b
    edges = [size * piece // pieces for piece in range(pieces + 1)]
    strips: list[Tensor] = []
    for start, end in pairwise(edges):
        above = [strip[:, start:end].t() for strip in strips]
        strips.append(torch.cat([*above, a[:, start:end].t() @ b[:, start:]], dim=1))
    return torch.cat(strips)


def _times(left: Tensor, slope: Tensor | None, right: Tensor) -> Tensor:
    """left·D·right, with as few and as large products as there can be."""
    if left.dim() == 3 and right.dim() == 3:
        return _scaled(left, None, slope) @ right
    if right.dim() == 3 or (left.dim() == 2 and slope is not None and right.shape[1] < left.shape[0]):
        # all rows in one product: those of the matrix that has copies
        return (_scaled(right, slope, None).mT @ left.mT).mT
    return _scaled(left, None, slope) @ right


def _scaled(matrix: Tensor, left: Tensor | None, right: Tensor | None) -> Tensor:
    """D·matrix·D'."""
    if left is not None:
        matrix = matrix * left[:, :, None]
    return matrix if right is None else matrix * right[:, None, :]


def _weighted(norms: Tensor, slope: Tensor | None) -> Tensor:
    """Σ_j slope_j²·norms_j."""
    return norms.sum(-1) if slope is None else (norms * slope.square()).sum(-1)


def _quadratic(matrix: Tensor, slope: Tensor | None) -> Tensor:
    """slopeᵀ·matrix·slope."""
    if slope is None:
        return matrix.sum((-1, -2))
    image = slope @ matrix if matrix.dim() == 2 else (matrix @ slope[:, :, None]).squeeze(-1)
    return (image * slope).sum(-1)
