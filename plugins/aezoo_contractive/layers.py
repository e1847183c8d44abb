"""The layers of a fully connected encoder f = a_n(W_n … a_1(W_1·x + b_1) … + b_n), and their slopes.

∂f/∂x = D_n·W_n ⋯ D_1·W_1, where D_i is diagonal: the slopes a_i' at the row x.
Shapes: B batch, D values of a datum, H values of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

import aezoo
from aezoo.parts import ColumnInput, Point, PointEncoder, Posterior

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


def encoder_of(encode: Callable[[Tensor], Tensor]) -> nn.Module | None:
    """The encoder behind ``encode``, where it is the ``code`` of a model.

    The model is reached through that method, never stored: it may be copied, moved or changed at any time.
    """
    if getattr(encode, "__func__", None) is not aezoo.Autoencoder.code:
        return None
    encoder: nn.Module = encode.__self__.encoder  # type: ignore[attr-defined]
    return encoder


def layers_of(encoder: nn.Module | None, axes: int) -> list[Layer]:
    """The layers that ``encoder`` takes flattened rows through; none where they are not all known.

    Args:
        encoder: any.
        axes: of a batch (B, *X).
    """
    if type(encoder) is not PointEncoder:
        return []
    modules = list(_flat([encoder.network, encoder.activation]))
    if modules and type(modules[0]) is ColumnInput:
        modules = modules[1:]
    if modules and type(modules[0]) is nn.Flatten and (modules[0].start_dim, modules[0].end_dim) == (1, -1):
        modules = modules[1:]
    elif axes > 2:
        return []
    layers: list[Layer] = []
    for module in modules:
        if type(module) is nn.Linear:
            layers.append(Layer(module, []))
        elif layers and type(module) in ELEMENTWISE and not getattr(module, "inplace", False):
            if not _changes_nothing(module):
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


def _changes_nothing(module: nn.Module) -> bool:
    return type(module) is nn.Identity or (type(module) is nn.Dropout and not (module.training and module.p))


def entry_of(encoder: nn.Module | None) -> ColumnInput | None:
    """What makes numbers of the columns of a mixed table before the first layer, of an encoder that begins so."""
    found = next(_flat([getattr(encoder, "network", None) or nn.Identity()]), None)
    return found if type(found) is ColumnInput else None


def slopes_of(layers: Sequence[Layer], x: Tensor, q: Posterior | None = None) -> list[Tensor | None]:
    """D_1 … D_n at rows x (B, D), each (B, H), or None where they are one.

    ``q`` is what the encoder returned for these rows, if it is known: its last layer need not be computed again.
    """
    # dropout, run again, is another: one Jacobian must be of one mask
    again = type(q) is not Point or any(type(m) is nn.Dropout for layer in layers for m in layer.activation)
    known = len(layers) if again else len(layers) - 1
    graded = torch.is_grad_enabled()
    # slopes that are constant between jumps lead no gradient to the layers before them
    bent = max((i for i in range(known) if not _is_straight(layers[i])), default=-1)
    needed = max((i for i, layer in enumerate(layers[:known]) if layer.activation), default=-1)
    slopes: list[Tensor | None] = [None] * len(layers)
    h = x
    for i in range(needed + 1):
        with torch.set_grad_enabled(graded and i <= bent):
            h, slopes[i] = _bend(layers[i], layers[i].affine(h).to(x.dtype))
    if known < len(layers) and layers[-1].activation:
        assert isinstance(q, Point)
        slopes[-1] = _bend(layers[-1], q.before, q.mean)[1]
    return slopes


def _is_straight(layer: Layer) -> bool:
    return all(type(module) in (nn.ReLU, nn.LeakyReLU) for module in layer.activation)


def _bend(layer: Layer, before: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """a(u) and a'(u) at u (B, H): from ``h`` = a(u) where it says it all, else by automatic differentiation."""
    if not layer.activation:
        return before, None
    graded = torch.is_grad_enabled()
    if len(layer.activation) == 1:
        kind = type(layer.activation[0])
        if kind in (nn.Sigmoid, nn.Tanh, nn.ReLU):
            h = layer.activation[0](before) if h is None else h
            if kind is nn.ReLU:
                return h, (before > 0).to(before.dtype)
            return h, h * (1 - h) if kind is nn.Sigmoid else 1 - h * h
    with torch.enable_grad():
        if not before.requires_grad:
            before = before.detach().requires_grad_()
        h = before
        for module in layer.activation:
            h = module(h)
        (slope,) = torch.autograd.grad(h.sum(), before, create_graph=graded)
    return (h, slope) if graded else (h.detach(), slope)
