"""Dead units brought back: a second reconstruction, by dead units alone, of what the first one missed.

Shapes: K draws (equal ones, of a point), B rows, Z units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from aezoo.errors import CompositionError
from aezoo.parts import (
    Decoder,
    Point,
    PointEncoder,
    Regularizer,
    SparseCode,
    SparsePoint,
    Support,
    expected,
    residual,
    transforming,
)


class AuxiliaryK(Regularizer):
    """½‖e − ê‖², nats: e is what the reconstruction misses, ê what ``units`` dead units a row would give in its place.

    A unit is dead when it was zero for all rows of the last ``after`` batches. Of the dead units each row takes the
    ``units`` largest values before the activation, rectified, and ê is their decoding less that of a code of zeros, so
    that of a linear decoder no bias enters. e is a constant: no unit is moved to leave more for the dead. Zero without
    dead units, with ``units=0``, and in evaluation mode. Gao et al. 2024, arXiv:2406.04093, section 2.4; there the
    weight is 1/32, with which a tenth of 512 units stayed dead on MNIST, and with 1/8 none.

    Before training it has the decoder give the training rows' mean for a code of zeros, and a ``CentredEncoder`` count
    from there, if the decoder's last layer is linear, with a bias that is free and still zero.
    """

    surrogate_gradient = True  # of e there is none
    idle: Tensor

    def __init__(self, code_shape: tuple[int, ...], units: int = 64, after: int = 20) -> None:
        super().__init__()
        self.units = min(units, math.prod(code_shape))
        self.after = after
        # no part of a model that is done
        self.register_buffer("idle", torch.zeros(math.prod(code_shape)), persistent=False)
        # in a list, so that torch sees no second owner of the decoder
        self._decoder: list[Decoder] = []

    def forward(self, x: Tensor, q: Point, px: Distribution) -> Tensor:
        """(B,)."""
        if not self.training or not self.units:
            return x.new_zeros(len(x))
        dead = self.idle >= self.after
        penalty = self._of_few(x, q, px, dead) if isinstance(q, SparsePoint) else self._of_all(x, q, px, dead)
        if torch.is_grad_enabled() and not transforming():
            with torch.no_grad():
                self.idle.copy_(torch.where(self._fired(q), 0.0, self.idle + 1))
        return penalty

    def _fired(self, q: Point) -> Tensor:
        if not isinstance(q, SparsePoint):
            return (q.mean != 0).flatten(1).any(0)
        code = q.active(1)
        return torch.zeros_like(self.idle).index_add(0, code.support.units, (code.values != 0).to(self.idle)) > 0

    def _of_all(self, x: Tensor, q: Point, px: Distribution, dead: Tensor) -> Tensor:
        """By the same operations whatever is dead, so that the step can be replayed."""
        values, index = torch.where(dead, q.before.flatten(1), 0.0).topk(self.units, sorted=False)
        code = torch.zeros_like(q.before.flatten(1)).scatter(1, index, values.relu()).view_as(q.before)
        code = torch.cat([code, torch.zeros_like(code[:1])])
        return torch.where(dead.any(), self._missed(x, px, code[None]), 0.0)

    def _of_few(self, x: Tensor, q: SparsePoint, px: Distribution, dead: Tensor) -> Tensor:
        """Of a wide code the dead units alone are computed."""
        found = dead.nonzero().squeeze(1)
        if not len(found):
            return x.new_zeros(len(x))
        values, index = q.before_at(found).topk(min(self.units, len(found)), sorted=False)
        places = Support.of_rows(found[index], len(dead))
        # a row without places at the end
        starts = torch.cat([places.starts, places.starts.new_full((1,), index.numel())])
        support = Support(places.units, places.rows, starts, (len(x) + 1, len(dead)))
        return self._missed(x, px, SparseCode(values.relu().flatten(), support))

    def _missed(self, x: Tensor, px: Distribution, code: Tensor | SparseCode) -> Tensor:
        """``code`` (1, B + 1, *Z) has zeros in its last row."""
        (decoder,) = self._decoder
        if isinstance(code, SparseCode) and not decoder.reads_active:
            code = code.dense()[None]
        *_, second = expected(decoder(code))
        missed = residual(x, px)[0].detach()
        penalty: Tensor = 0.5 * (missed - (second[:-1] - second[-1:])).square().flatten(1).sum(1)
        return penalty

    def check(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Raises CompositionError when no code has units that are zero: it is random, or has no activation."""
        activation = getattr(encoder, "activation", None)
        if not isinstance(encoder, PointEncoder) or isinstance(activation, nn.Identity):
            raise CompositionError(
                "aux-k brings back units that are always zero, and no unit of this code is: set code_activation topk, "
                "batch-topk, jumprelu or relu, or leave aux-k out."
            )
        assert isinstance(decoder, Decoder)
        self._decoder = [decoder]

    def before_training(self, encoder: nn.Module, decoder: nn.Module, mean: Tensor) -> None:
        """Sets the decoder's last bias, and the centre of an encoder that has one, unless either has been moved."""
        last = _linear(decoder, -1)
        assert isinstance(decoder, Decoder)
        outputs = decoder.likelihood.outputs_of(mean)
        centres = [encoder.centre] if isinstance(encoder, CentredEncoder) else []
        if last is None or outputs is None or not last.bias.requires_grad:
            return
        if not any(start.any() for start in (last.bias, *centres)):
            last.bias.copy_(outputs)
            for centre in centres:
                centre.copy_(mean)


class CentredEncoder(PointEncoder):
    """A deterministic code of x − c: c is the training rows' mean, set before training, and zero without any.

    Of rows far from zero every step would move all units alike, and switch them off together.
    """

    centre: Tensor

    def __init__(self, network: nn.Module, activation: nn.Module, data_shape: tuple[int, ...]) -> None:
        super().__init__(network, activation)
        self.register_buffer("centre", torch.zeros(data_shape))

    def forward(self, x: Tensor) -> Point:
        """As of a point encoder."""
        return super().forward(x - self.centre)


def start_as_transpose(encoder: nn.Module, decoder: nn.Module) -> None:
    """The decoder's first layer gets atoms of unit length, the encoder's last their transpose; their biases are zero.

    Gao et al. 2024, appendix A.1. Only biases are set where the layers are not linear, or not of each other's shape.
    """
    last, first = _linear(encoder, -1), _linear(decoder, 0)
    with torch.no_grad():
        for layer in (_linear(encoder, 0), last, first, _linear(decoder, -1)):
            if layer is not None:
                layer.bias.zero_()
        if last is not None and first is not None and last.weight.shape == first.weight.t().shape:
            # laid out for products by rows or not, to the same bits
            atoms = first.weight.t().contiguous()
            atoms.div_(atoms.norm(dim=1, keepdim=True))
            first.weight.copy_(atoms.t())
            last.weight.copy_(atoms)


def _linear(part: nn.Module, end: int) -> nn.Linear | None:
    """The first (0) or last (−1) layer of an encoder's or decoder's network, if it is linear, with a bias."""
    network = part.get_submodule("network")
    layers = [module for module in _flat(network) if type(module) is not nn.Flatten]
    layer = layers[end] if layers else None
    return layer if type(layer) is nn.Linear and layer.bias is not None else None


def _flat(module: nn.Module) -> Iterator[nn.Module]:
    if type(module) is nn.Sequential:
        for child in module:
            yield from _flat(child)
    else:
        yield module
