"""Codes of which few values are other than zero, and products that read and write those values' rows alone.

With C (B, Z) such a code, W (Z, H) the rows of a layer beside it and L (B, H) what stands at the layer's other side, a
step needs three products: C·W, the sums of rows that decode; L·Wᵀ at the places of C, the gradient of its values; and
Cᵀ·L, the gradient of W. Each takes n·H multiplications for n active values, not B·Z·H. Gradients of gradients, which
few ask for, take the dense products.

Shapes: B rows, Z units, H features, n active values of all rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Two cores with AVX-512, float32, 128 to 512 rows: a dense product does 80 to 90 multiplications a nanosecond, one by
# rows 7 to 17. An accelerator's dense products gain more than its memory: 16-bit tensor cores do some 300 a float read.
UNITS_A_VALUE = {"cpu": 16, "cuda": 256}
# below, the calls themselves cost more than the products
WEIGHTS = 1 << 17


def pays(units: int, active: int, features: int, device: torch.device) -> bool:
    """Whether products by rows are cheaper than dense ones for codes of ``units`` of which ``active`` are not zero."""
    return units >= UNITS_A_VALUE.get(device.type, 256) * active and units * features >= WEIGHTS


class Support:
    """Where codes (B, Z) may be other than zero: n places, in the order of the rows.

    Args:
        units: (n,).
        rows: (n,), ascending.
        starts: (B,), the first place of each row.
        shape: (B, Z).

    Examples:
        >>> aezoo.parts.Support.of_rows(torch.tensor([[1, 2], [0, 2]]), size=3).rows.tolist()
        [0, 0, 1, 1]
    """

    def __init__(self, units: Tensor, rows: Tensor, starts: Tensor, shape: tuple[int, int]) -> None:
        self.units = units
        self.rows = rows
        self.starts = starts
        self.shape = shape

    @classmethod
    def of_rows(cls, index: Tensor, size: int) -> Support:
        """The units ``index`` (B, k) of each row of codes of ``size`` units."""
        batch, k = index.shape
        places = torch.arange(batch * k, device=index.device)
        rows = places.div(k, rounding_mode="floor")
        return cls(index.reshape(-1), rows, places[::k], (batch, size))

    @cached_property
    def flat(self) -> Tensor:
        """The places (n,) in the codes laid out as B·Z values."""
        return self.rows * self.shape[1] + self.units

    @cached_property
    def by_unit(self) -> tuple[Tensor, Tensor, Tensor]:
        """The places in the order of the units (n,), their rows (n,), and the first of each unit (Z,)."""
        units, order = self.units.sort(stable=True)
        starts = torch.searchsorted(units, torch.arange(self.shape[1], device=units.device))
        return order, self.rows[order], starts

    def fill(self, values: Tensor) -> Tensor:
        """The codes (B, Z) with ``values (n,)`` at the places, and zeros elsewhere."""
        batch, size = self.shape
        zeros = torch.zeros(batch * size, dtype=values.dtype, device=values.device)
        return zeros.scatter(0, self.flat, values).view(batch, size)


class SparseCode:
    """``draws`` equal codes (K, B, Z) by their active values (n,) and where these are.

    Examples:
        >>> support = aezoo.parts.Support.of_rows(torch.tensor([[1], [0]]), size=3)
        >>> aezoo.parts.SparseCode(torch.tensor([5.0, 7.0]), support).dense().tolist()
        [[0.0, 5.0, 0.0], [7.0, 0.0, 0.0]]
    """

    def __init__(self, values: Tensor, support: Support, draws: int = 1) -> None:
        self.values = values
        self.support = support
        self.draws = draws

    @property
    def dtype(self) -> torch.dtype:
        """The values' type."""
        return self.values.dtype

    @property
    def shape(self) -> tuple[int, int, int]:
        """(K, B, Z)."""
        return (self.draws, *self.support.shape)

    def dense(self) -> Tensor:
        """One of the codes (B, Z), zeros included."""
        return self.support.fill(self.values)


class Selection(nn.Module, ABC):
    """An activation that keeps few values of each code, rectified, and zeroes the rest.

    Examples:
        >>> topk = aezoo.registry.activations["topk"].resolve()(k=1)
        >>> isinstance(topk, aezoo.parts.Selection), topk(torch.tensor([[1.0, 3.0]])).tolist()
        (True, [[0.0, 3.0]])
    """

    k: int
    """How many values of a code it keeps, on average."""

    @abstractmethod
    def select(self, z: Tensor) -> Support:
        """The places that it keeps of codes (B, Z) before the activation, for which no gradient is wanted."""


def affine_at(x: Tensor, layer: nn.Linear, selection: Selection) -> tuple[Tensor, Support]:
    """What ``selection`` keeps of the outputs of ``layer`` for x (B, H), before it is rectified: n values and places.

    The layer's product is dense, since all outputs compete; what its gradient needs is not.
    """
    with torch.no_grad():
        before = layer(x)
        support = selection.select(before)
        kept = before.view(-1).index_select(0, support.flat).to(layer.weight.dtype)
    values: Tensor = _Outputs.apply(x.to(layer.weight.dtype), layer.weight, layer.bias, support, kept)  # type: ignore[no-untyped-call]
    return values, support


def affine_of(code: SparseCode, layer: nn.Linear) -> Tensor:
    """``layer`` of a code of Z units, (B, H)."""
    weight = layer.weight.t()
    product: Tensor = _SumsOfRows.apply(code.values.to(weight.dtype), weight, code.support)  # type: ignore[no-untyped-call]
    return product if layer.bias is None else product + layer.bias


def rows_adjoin(layer: nn.Linear) -> bool:
    """Whether the weights of each input of ``layer`` lie side by side, as products by rows read them."""
    return layer.weight.stride(0) == 1


def lay_out(layer: nn.Linear) -> None:
    """Lets the weights of each input lie side by side; their values, shape and names stay."""
    layer.weight.data = layer.weight.data.t().contiguous().t()


def linear_at(network: nn.Module, end: int) -> tuple[list[nn.Module], nn.Linear] | None:
    """The first (0) or last (−1) layer of a network that is linear, and the others in their order; else None.

    A layer with hooks, or of a subclass, may compute anything.
    """
    if _has_hooks(network):
        return None
    modules = list(_unpacked(network))
    if not modules or type(modules[end]) is not nn.Linear or _has_hooks(modules[end]):
        return None
    layer = modules.pop(end)
    assert isinstance(layer, nn.Linear)
    return modules, layer


def transforming() -> bool:
    """Whether torch.func is batching or differentiating, which knows the dense products alone.

    Examples:
        >>> aezoo.parts.transforming()
        False
    """
    return bool(torch._C._are_functorch_transforms_active()) or torch.autograd.forward_ad._current_level >= 0


def _unpacked(network: nn.Module) -> Iterator[nn.Module]:
    if type(network) is nn.Sequential and not _has_hooks(network):
        for module in network:
            yield from _unpacked(module)
    else:
        yield network


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def _sums(rows: Tensor, starts: Tensor, values: Tensor, table: Tensor) -> Tensor:
    """Σ of values·rows of a table, from each start to the next."""
    return F.embedding_bag(rows, table.contiguous(), starts, mode="sum", per_sample_weights=values.contiguous())


def _combine(values: Tensor, weight: Tensor, support: Support) -> Tensor:
    """C·W (B, H)."""
    return _sums(support.units, support.starts, values, weight)


def _dot(left: Tensor, weight: Tensor, support: Support) -> Tensor:
    """L·Wᵀ (n,) at the places of C."""
    # the product that torch itself differentiates a weighted sum of rows with
    product: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        left.contiguous(), weight.contiguous(), support.units, support.starts, support.rows, 0
    )
    return product


def _spread(values: Tensor, left: Tensor, support: Support) -> Tensor:
    """Cᵀ·L (Z, H), of which each row is written once, in an order that is always the same."""
    order, rows, starts = support.by_unit
    return _sums(rows, starts, values.index_select(0, order), left)


class _SumsOfRows(torch.autograd.Function):
    """C·W (B, H)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, support: Support) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.support = support
        return _combine(values, weight, support)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, weight = ctx.saved_tensors
        support: Support = ctx.support
        if torch.is_grad_enabled():  # the result is to be differentiated, and perhaps batched: by what torch knows
            at_places = (gradient @ weight.t()).reshape(-1).gather(0, support.flat)
            return at_places, support.fill(values).t() @ gradient, None
        return (
            _dot(gradient, weight, support) if ctx.needs_input_grad[0] else None,
            _spread(values, gradient, support) if ctx.needs_input_grad[1] else None,
            None,
        )


class _Outputs(torch.autograd.Function):
    """X·Wᵀ + b (n,) at the places of a support, where somebody has computed them already, as ``known``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, support: Support, known: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.support = support
        return known.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        support: Support = ctx.support
        wanted = ctx.needs_input_grad
        if torch.is_grad_enabled():
            filled = support.fill(gradient)
            return filled @ weight, filled.t() @ x, filled.sum(0) if wanted[2] else None, None, None
        return (
            _combine(gradient, weight, support) if wanted[0] else None,
            _spread(gradient, x, support) if wanted[1] else None,
            _spread(gradient, x.new_ones(len(x), 1), support).squeeze(1) if wanted[2] else None,
            None,
            None,
        )
