"""The Jacobian of a fully connected encoder f = a_n(W_n … a_1(W_1·x + b_1) … + b_n), from its layers.

∂f/∂x = D_n·W_n ⋯ D_1·W_1, where D_i is diagonal: the slopes a_i' at the row x.
Shapes: B batch, D values of a datum, H values of a layer, Z values of the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

import aezoo
from aezoo.parts import PointEncoder

# by exact type, since a subclass may compute anything; dropout acts on each value alone, given its mask
ELEMENTWISE = (
    nn.Dropout,
    nn.ELU,
    nn.GELU,
    nn.Identity,
    nn.LeakyReLU,
    nn.ReLU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softplus,
    nn.Tanh,
)


class Layer(NamedTuple):
    """a(W·h + b), with an elementwise a."""

    affine: nn.Linear
    activation: list[nn.Module]


def layers_of(encode: Callable[[Tensor], Tensor], x: Tensor) -> list[Layer]:
    """The layers that ``encode`` takes flattened rows of x (B, *X) through; none where they are not all known.

    ``encode`` is known as the ``code`` of a model. The model is reached through that method, never stored: it may be
    copied, moved or changed at any time.
    """
    if getattr(encode, "__func__", None) is not aezoo.Autoencoder.code:
        return []
    encoder = encode.__self__.encoder  # type: ignore[attr-defined]
    if type(encoder) is not PointEncoder:
        return []
    modules = list(_flat([encoder.network, encoder.activation]))
    if modules and type(modules[0]) is nn.Flatten and (modules[0].start_dim, modules[0].end_dim) == (1, -1):
        modules = modules[1:]
    elif x.dim() > 2:
        return []
    layers: list[Layer] = []
    for module in modules:
        if type(module) is nn.Linear:
            layers.append(Layer(module, []))
        elif layers and type(module) in ELEMENTWISE and not getattr(module, "inplace", False):
            layers[-1].activation.append(module)
        else:
            return []
    return layers


def _flat(modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
    for module in modules:
        if type(module) is nn.Sequential:
            yield from _flat(module)
        else:
            yield module


def are_cheap(layers: Sequence[Layer]) -> bool:
    """Whether ``squared_norm`` takes fewer steps than passes through the layers: H·H against H·D for the first."""
    return len(layers) == 1 or 2 * layers[0].affine.out_features <= layers[0].affine.in_features


def squared_norm(layers: Sequence[Layer], x: Tensor) -> Tensor:
    """‖∂f/∂x‖²_F (B,) at x (B, D).

    One layer: Σ_j a'_j²·‖W_j‖². More: with M = D_n·W_n ⋯ W_2·D_1 (B, Z, H), tr(M·(W_1·W_1ᵀ)·Mᵀ), which never
    touches B·Z·D values.
    """
    slopes = _slopes(layers, x)
    weights = [layer.affine.weight for layer in layers]
    if len(layers) == 1:
        return (slopes[0].square() * weights[0].square().sum(1)).sum(1)
    # sums of signed products, which 16 bits cannot hold
    with torch.autocast(x.device.type, enabled=False):
        product = slopes[-1][:, :, None] * weights[-1]
        for slope, weight in zip(slopes[-2:0:-1], weights[-2:0:-1], strict=True):
            product = (product * slope[:, None]) @ weight
        product = product * slopes[0][:, None]
        return (product @ (weights[0] @ weights[0].t()) * product).sum((1, 2))


def _slopes(layers: Sequence[Layer], x: Tensor) -> list[Tensor]:
    """D_1 … D_n, each (B, H), by automatic differentiation of the activations."""
    slopes = []
    h = x
    for affine, activation in layers:
        before = affine(h).to(x.dtype)
        with torch.enable_grad():
            if not before.requires_grad:
                before.requires_grad_()
            h = before
            for module in activation:
                h = module(h)
            slopes += torch.autograd.grad(h.sum(), before, create_graph=True)
    return slopes
