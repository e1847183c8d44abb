"""In which order to multiply the layers of a Jacobian so that its squared norm costs least.

J = D_n·W_n ⋯ D_1·W_1, where W_i (H_i, H_{i−1}) are weights that all rows share and D_i are slopes, diagonals that each
row has of its own unless they are one. With T_ij = W_j·D_{j−1} ⋯ W_{i+1}, a matrix (H_j, H_i),

    inner Gram matrix   G_j = (T_0j)·(T_0j)ᵀ      outer Gram matrix   K_k = (D_n·T_kn)ᵀ·(D_n·T_kn)

    ‖J‖² = Σ (K_k·X)∘(X·G_j)     X = D_k·T_jk·D_j for j < k      or     d_kᵀ·(K_k∘G_k)·d_k

where G_0 and K_n with D_n are left out. A Gram matrix is made from a product of layers, or from a smaller Gram matrix.
Matrices that all rows share are made once, not once a row: the Gram matrix of W_1, or of W_n behind a linear code.

Every choice is one ``Order``; ``cheapest`` finds the best by dynamic programming, as for a chain of matrices. Nothing
here knows torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

# making or reading one value takes a processor about as long as so many multiplications and additions in a product
VALUE = 32


class Product(NamedTuple):
    """T_ij, one weight where j = i + 1, else ``left``·D·``right``."""

    i: int
    j: int
    left: Product | None = None
    right: Product | None = None


class Gram(NamedTuple):
    """G_``at`` (or K_``at``) through a product of layers, from the Gram matrix ``of`` at the product's far end."""

    at: int
    through: Product
    of: Gram | None = None


class Order(NamedTuple):
    """‖J‖² from an inner Gram matrix, an outer one, and the product between them; each may be absent."""

    inner: Gram | None
    middle: Product | None
    outer: Gram | None


@dataclass(frozen=True)
class Cost:
    """Of one pass forward: floating-point operations of matrix products, and values made for each row or once."""

    flops: int = 0
    values: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.values + other.values)

    @property
    def total(self) -> int:
        """In floating-point operations."""
        return self.flops + VALUE * self.values


class Chain(NamedTuple):
    """The shapes of a Jacobian.

    Args:
        sizes: D, H_1 … H_n.
        linear: for each of the n layers, whether its slopes are one.
        rows: B.
        projected: whether the last layer is no weight but a matrix that each row has of its own.
    """

    sizes: tuple[int, ...]
    linear: tuple[bool, ...]
    rows: int
    projected: bool = False

    @property
    def length(self) -> int:
        """n."""
        return len(self.linear)

    def copies(self, shared: bool) -> int:
        """How often a matrix is made: once, or once a row."""
        return 1 if shared else self.rows

    def shares_product(self, i: int, j: int) -> bool:
        """Whether T_ij is the same for all rows."""
        return all(self.linear[i : j - 1]) and not (self.projected and j == self.length)

    def shares_inner(self, j: int) -> bool:
        """Whether G_j is."""
        return self.shares_product(0, j)

    def shares_outer(self, k: int) -> bool:
        """Whether K_k is."""
        return self.shares_product(k, self.length) and self.linear[-1]

    def is_scaled(self, at: int) -> bool:
        """Whether slopes stand at the end ``at`` of a product, inside the Jacobian."""
        return 0 < at < self.length and not self.linear[at - 1]

    # ------------------------------------------------------------------ what the steps cost

    def product(self, i: int, split: int, j: int) -> Cost:
        """T_ij of its two parts."""
        h, copies = self.sizes, self.copies(self.shares_product(i, j))
        return Cost(2 * h[j] * h[split] * h[i] * copies, h[j] * h[i] * copies)

    def gram(self, at: int, far: int, shared: bool) -> Cost:
        """A Gram matrix at one end of a product; ``far`` is the other end, with a Gram matrix if inside the chain."""
        h, copies = self.sizes, self.copies(shared)
        cost = Cost(2 * h[at] ** 2 * h[far] * copies, h[at] ** 2 * copies)
        if 0 < far < self.length:
            cost += Cost(2 * h[at] * h[far] ** 2 * copies, h[at] * h[far] * copies)
        return cost

    def norm(self, j: int, k: int) -> Cost:
        """‖J‖² of G_j, K_k and the product between them."""
        h, inner, outer = self.sizes, j > 0, k < self.length
        if j == k:
            both = self.shares_inner(j) and self.shares_outer(k)
            scaled = self.is_scaled(j)
            values = h[j] ** 2 * self.copies(both)
            return Cost(2 * self.rows * h[j] ** 2 if scaled else 0, values)
        shared = self.shares_product(j, k) and not self.is_scaled(j) and not self.is_scaled(k)
        cost = Cost(0, h[j] * h[k] * self.copies(shared))
        for there, size, other, gram in (
            (inner, h[j], h[k], self.shares_inner(j) if inner else True),
            (outer, h[k], h[j], self.shares_outer(k) if outer else True),
        ):
            if there:
                copies = self.copies(shared and gram)
                cost += Cost(2 * size**2 * other * copies, size * other * copies)
        return cost


def cost_of(order: Order, chain: Chain) -> Cost:
    """What ``order`` takes."""
    j = order.inner.at if order.inner else 0
    k = order.outer.at if order.outer else chain.length
    cost = chain.norm(j, k) + _product_cost(order.middle, chain)
    gram = order.inner
    while gram is not None:
        cost += chain.gram(gram.at, gram.through.i, chain.shares_inner(gram.at)) + _product_cost(gram.through, chain)
        gram = gram.of
    gram = order.outer
    while gram is not None:
        cost += chain.gram(gram.at, gram.through.j, chain.shares_outer(gram.at)) + _product_cost(gram.through, chain)
        gram = gram.of
    return cost


def _product_cost(product: Product | None, chain: Chain) -> Cost:
    if product is None or product.left is None or product.right is None:
        return Cost()
    here = chain.product(product.i, product.right.j, product.j)
    return here + _product_cost(product.left, chain) + _product_cost(product.right, chain)


@cache
def cheapest(chain: Chain) -> tuple[Order, Cost]:
    """The order with the least total cost, and that cost."""
    n = chain.length

    @cache
    def product(i: int, j: int) -> tuple[int, Product]:
        if j == i + 1:
            return 0, Product(i, j)
        found = []
        for split in range(i + 1, j):
            (right_cost, right), (left_cost, left) = product(i, split), product(split, j)
            total = chain.product(i, split, j).total + left_cost + right_cost
            found.append((total, Product(i, j, left, right)))
        return min(found, key=_total)

    @cache
    def inner(at: int) -> tuple[int, Gram | None]:
        if at == 0:
            return 0, None
        found = []
        for far in range(at):
            (through_cost, through), (of_cost, of) = product(far, at), inner(far)
            total = chain.gram(at, far, chain.shares_inner(at)).total + through_cost + of_cost
            found.append((total, Gram(at, through, of)))
        return min(found, key=_total)

    @cache
    def outer(at: int) -> tuple[int, Gram | None]:
        if at == n:
            return 0, None
        found = []
        for far in range(at + 1, n + 1):
            (through_cost, through), (of_cost, of) = product(at, far), outer(far)
            total = chain.gram(at, far, chain.shares_outer(at)).total + through_cost + of_cost
            found.append((total, Gram(at, through, of)))
        return min(found, key=_total)

    best: tuple[int, Order] | None = None
    for j in range(n):
        # at j = k the two Gram matrices meet, and nothing is between them
        for k in range(max(j, 1), n + 1):
            middle = product(j, k) if j < k else (0, None)
            total = chain.norm(j, k).total + inner(j)[0] + middle[0] + outer(k)[0]
            if best is None or total < best[0]:
                best = total, Order(inner(j)[1], middle[1], outer(k)[1])
    assert best is not None
    return best[1], cost_of(best[1], chain)


def _total(found: tuple[int, object]) -> int:
    return found[0]


def said(order: Order, chain: Chain) -> str:
    """The order in a few words."""
    if chain.length == 1:
        return "in closed form"
    whole = order.middle is not None and not order.inner and not order.outer
    if whole:
        return "by products of the layers"
    ends = []
    if order.inner:
        ends.append("first layer" if order.inner.at == 1 else f"first {order.inner.at} layers")
    if order.outer:
        count = chain.length - order.outer.at
        ends.append("last layer" if count == 1 else f"last {count} layers")
    return f"through the Gram {'matrix' if len(ends) == 1 else 'matrices'} of the {' and the '.join(ends)}"
