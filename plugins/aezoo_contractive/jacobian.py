"""The contractive penalty, for any encoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

# the base class of every batch normalisation, in torch's own words
from torch.nn.modules.batchnorm import _BatchNorm

from aezoo.errors import CompositionError, UsageError
from aezoo.parts import Posterior, Regularizer, full_precision
from aezoo_contractive.layers import Layer, encoder_of, entry_of, layers_of, slopes_of
from aezoo_contractive.orders import Chain, cheapest, said
from aezoo_contractive.products import squared_norms

# "auto" is exact up to so many times the operations of a step without the penalty; what a small step takes for its
# launches counts as so many operations
SHARE = 3
LAUNCHES = 30_000_000
# a choice of the model, not of a batch, whose last is smaller
ROWS = 128


class Contraction(Regularizer):
    """‖∂f/∂x‖²_F, the squared Frobenius norm of the encoder's Jacobian at the clean input. Rifai et al. 2011.

    Of a mixed table x is what the network takes of its columns, with an indicator for each level.

    Exact, or estimated without bias as Z/P·Σ_p ‖Jᵀv_p‖² from P random orthonormal directions v_p of the code, which is
    exact again when P = Z. Of an encoder of fully connected layers with elementwise activations both are products of
    the layers, in the order that costs least: one layer has a closed form. Any other encoder takes one backward pass
    for each direction, all together.

    Args:
        projections: P; ``"exact"`` for the exact norm; ``"auto"`` for the exact norm where it costs little beside the
            rest of a step (``remark`` says so), else for one projection.

    Raises:
        UsageError: P is below 1.
    """

    def __init__(self, projections: int | Literal["auto", "exact"] = "auto") -> None:
        super().__init__()
        if projections not in ("auto", "exact") and (not isinstance(projections, int) or projections < 1):
            raise UsageError(f'projections must be a whole number of at least 1, "auto" or "exact": {projections!r}.')
        self.projections = projections

    def extra_repr(self) -> str:
        """The option, in the module's text."""
        return f"projections={self.projections}"

    def check(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Raises CompositionError for an encoder whose rows depend on each other, so that no row has a Jacobian."""
        if any(isinstance(module, _BatchNorm) for module in encoder.modules()):
            raise CompositionError(
                "contraction needs the Jacobian of each row by itself, and batch normalisation mixes rows: "
                "use norm=layer or none."
            )

    def remark(self, encoder: nn.Module, shape: Sequence[int]) -> str:
        """That the norm is estimated, unless that was asked for; nothing of an exact one."""
        unasked = self.projections == "auto" and self._count(layers_of(encoder, len(shape))) is not None
        return self.how(encoder, shape) if unasked else ""

    def how(self, encoder: nn.Module, shape: Sequence[int]) -> str:
        """How the penalty of batches of this shape (B, *X) is computed."""
        layers = layers_of(encoder, len(shape))
        count = self._count(layers)
        if layers:
            chain = _chain(layers, shape[0])
            size = chain.sizes[-1]
            if count is None or count >= size:
                return f"exact, {said(cheapest(chain)[0], chain)}"
            much = _price(_chain(layers, ROWS))
            reason = f": the exact norm takes about {much:.0f} times the rest of a step (projections=exact)"
            return f"estimated from {_projections(count)} of {size}{reason if self.projections == 'auto' else ''}"
        if count is None:
            return "exact, by a backward pass for each value of the code"
        reason = ": the exact norm takes a backward pass for each value of the code (projections=exact)"
        return f"estimated from {_projections(count)}{reason if self.projections == 'auto' else ''}"

    def forward(
        self,
        x: Tensor,
        encode: Callable[[Tensor], Tensor],
        x_in: Tensor | None = None,
        q: Posterior | None = None,
    ) -> Tensor:
        """(B,), nats: unitless squared norms. ``q`` saves work where the encoder saw the clean data, ``x_in`` = x."""
        encoder = encoder_of(encode)
        layers, entry = layers_of(encoder, x.dim()), entry_of(encoder)
        count = self._count(layers)
        if layers:
            seen = x.detach() if entry is None else entry(x.detach())
            return self._by_layers(layers, seen.flatten(1), count, q if x_in is x else None)
        return self._by_passes(x, encode, count, entry)

    def _by_layers(self, layers: Sequence[Layer], x: Tensor, count: int | None, q: Posterior | None) -> Tensor:
        weights = [layer.affine.weight for layer in layers]
        # sums of signed products, which 16 bits cannot hold
        with full_precision(x.device):
            slopes = slopes_of(layers, x, q)
            size = weights[-1].shape[0]
            if count is not None and count < size:
                weights.append(_directions(len(x), size, count, x).transpose(0, 1))
                slopes.append(None)
            return squared_norms(weights, slopes, len(x))

    def _by_passes(
        self, x: Tensor, encode: Callable[[Tensor], Tensor], count: int | None, entry: nn.Module | None = None
    ) -> Tensor:
        trained = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            if entry is None:
                code = encode(x).flatten(1)
            else:
                # of a mixed table the slope is that along what the network takes of its columns
                seen: list[Tensor] = []

                def apart(module: nn.Module, rows: Any, made: Tensor) -> Tensor:
                    seen.append(made.detach().requires_grad_())
                    return seen[0]

                with entry.register_forward_hook(apart):
                    code = encode(x).flatten(1)
                x = seen[0]
            rows, size = code.shape
            directions = _directions(rows, size, count or size, code)
            (products,) = torch.autograd.grad(code, x, directions, is_grads_batched=True, create_graph=trained)
        penalty: Tensor = products.square().flatten(2).sum((0, 2))
        return penalty

    def _count(self, layers: Sequence[Layer]) -> int | None:
        """P, or None for the exact norm."""
        if self.projections == "exact":
            return None
        if self.projections == "auto":
            return None if layers and _price(_chain(layers, ROWS)) <= SHARE else 1
        return self.projections


def _projections(count: int) -> str:
    return f"{count} random projection{'s' if count > 1 else ''}"


def _chain(layers: Sequence[Layer], rows: int) -> Chain:
    sizes = (layers[0].affine.in_features, *(layer.affine.out_features for layer in layers))
    return Chain(sizes, tuple(not layer.activation for layer in layers), rows)


@cache
def _price(chain: Chain) -> float:
    """What the exact norm costs, in steps without it: of the encoder, and of a decoder as large as it is."""
    layers = sum(a * b for a, b in pairwise(chain.sizes))
    return cheapest(chain)[1].total / (LAUNCHES + 2 * 2 * chain.rows * layers)


def _directions(rows: int, size: int, count: int, like: Tensor) -> Tensor:
    """P directions for each row (P, B, Z), scaled so that E Σ v·vᵀ = I, with a diagonal that is one at every draw.

    They are waves of the discrete Hartley transform, orthonormal: cos θ ± sin θ come in pairs, of which the squares
    add up to the same for every value of the code, as those of the constant wave do. So what is left to chance are the
    products of different rows of the Jacobian, and the signs that they get are drawn for each row of the batch.
    """
    if count >= size:
        eye = torch.eye(size, dtype=like.dtype, device=like.device)
        return eye[:, None].expand(size, rows, size)
    waves = [torch.ones(count % 2, size, dtype=like.dtype, device=like.device)]
    if count > 1:
        frequencies = 1 + torch.randperm((size - 1) // 2, device=like.device)[: count // 2]
        turns = frequencies[:, None] * torch.arange(size, device=like.device) % size
        angles = turns.to(like.dtype) * (2 * math.pi / size)
        waves += [angles.cos() + angles.sin(), angles.cos() - angles.sin()]
    signs = torch.randint(0, 2, (rows, size), device=like.device).to(like.dtype) * 2 - 1
    return torch.cat(waves)[:, None] / math.sqrt(count) * signs
