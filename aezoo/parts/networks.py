"""Networks: plain modules for encoder and decoder, made in pairs so that one mirrors the other.

A network function returns ``(encoder_network, decoder_network)``: from (B, *X) to (B, code_outputs), and from
(N, *Z) to N rows of ``data_outputs.size`` values. A user's own modules need none of this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.parts.likelihood import Outputs

Norm = Literal["none", "batch", "layer"]
Init = Literal["torch", "glorot", "he", "orthogonal"]


class TiedLinear(nn.Module):
    """The transpose of another linear layer's weight, with a bias of its own."""

    def __init__(self, source: nn.Linear) -> None:
        super().__init__()
        # in a list, so that torch sees no second owner of the weight, which a checkpoint could not hold
        self._source = [source]
        self.bias = nn.Parameter(torch.zeros(source.in_features))

    def forward(self, x: Tensor) -> Tensor:
        """(N, out_features of the source) → (N, its in_features)."""
        return F.linear(x, self._source[0].weight.t(), self.bias)


def mlp(
    spec: DataSpec,
    code_shape: tuple[int, ...],
    code_outputs: int,
    data_outputs: Outputs,
    hidden: Sequence[int],
    activation: Callable[[], nn.Module],
    tied: bool = False,
    dropout: float = 0.0,
    norm: Norm = "none",
) -> tuple[nn.Module, nn.Module]:
    """Fully connected layers of any depth; the decoder mirrors the encoder, with its weights transposed if ``tied``.

    Examples:
        >>> spec = aezoo.DataSpec(shape=(6,))
        >>> encoder, decoder = aezoo.parts.mlp(spec, (2,), 4, aezoo.parts.Outputs((6,)), [16], torch.nn.ReLU)
        >>> encoder(torch.zeros(5, 6)).shape, decoder(torch.zeros(5, 2)).shape
        (torch.Size([5, 4]), torch.Size([5, 6]))
    """
    code = math.prod(code_shape)
    up = [nn.Linear(a, b) for a, b in pairwise((spec.size, *hidden, code_outputs))]
    if tied:
        _refuse_tied(code, code_outputs, spec, data_outputs)
        down: list[nn.Module] = [TiedLinear(layer) for layer in reversed(up)]
    else:
        down = [nn.Linear(a, b) for a, b in pairwise((code, *reversed(hidden), data_outputs.size))]
    normalise = {"none": None, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}[norm]

    def stack(layers: Sequence[nn.Module], widths: Sequence[int]) -> list[nn.Module]:
        modules: list[nn.Module] = []
        for layer, width in zip(layers, widths, strict=False):
            modules += [layer, *([normalise(width)] if normalise else []), activation()]
            modules += [nn.Dropout(dropout)] if dropout else []
        return [*modules, layers[-1]]

    entry = [nn.Flatten()] if len(code_shape) > 1 else []
    return nn.Sequential(nn.Flatten(), *stack(up, hidden)), nn.Sequential(*entry, *stack(down, tuple(reversed(hidden))))


def _refuse_tied(code: int, code_outputs: int, spec: DataSpec, outputs: Outputs) -> None:
    if code_outputs != code:
        raise CompositionError(
            f"tied weights need an encoder that gives the code alone, and this one gives {code_outputs} values for "
            f"{code}: use network mlp without tied."
        )
    if outputs.size != spec.size:
        raise CompositionError(
            f"tied weights give the decoder {spec.size} outputs, and the likelihood needs {outputs.size}: use network "
            "mlp without tied, or a likelihood with one value for each value of the data."
        )


def conv(
    spec: DataSpec,
    code_shape: tuple[int, ...],
    code_outputs: int,
    data_outputs: Outputs,
    hidden: Sequence[int],
    activation: Callable[[], nn.Module],
    kernel: Literal[3, 5, 7] = 3,
    dropout: float = 0.0,
    norm: Literal["none", "batch"] = "none",
) -> tuple[nn.Module, nn.Module]:
    """Strided convolutions that halve the image once a layer, rounding up, and their mirror; ``hidden`` is channels.

    Examples:
        >>> spec = aezoo.DataSpec(shape=(1, 8, 8))
        >>> encoder, decoder = aezoo.parts.conv(spec, (2,), 4, aezoo.parts.Outputs((1, 8, 8)), [8, 16], torch.nn.ReLU)
        >>> encoder(torch.zeros(5, 1, 8, 8)).shape, decoder(torch.zeros(5, 2)).shape
        (torch.Size([5, 4]), torch.Size([5, 64]))
    """
    if not spec.is_image:
        raise CompositionError(
            f"network conv needs images (channels, height, width), and the data has shape {spec.shape}: "
            "use network mlp."
        )
    if not hidden:
        raise CompositionError("network conv needs at least one layer of channels: give hidden, such as 32,64.")
    channels, height, width = spec.shape
    sizes = [*zip(halvings(height, len(hidden)), halvings(width, len(hidden)), strict=True)]
    bottom = (hidden[-1], *sizes[-1])
    features = math.prod(bottom)

    def after(count: int) -> list[nn.Module]:
        return after_convolution(nn.BatchNorm2d(count) if norm == "batch" else None, activation, dropout)

    up: list[nn.Module] = []
    for a, b in pairwise((channels, *hidden)):
        up += [nn.Conv2d(a, b, kernel, stride=2, padding=kernel // 2), *after(b)]
    up += [nn.Flatten(), nn.Linear(features, code_outputs)]

    down: list[nn.Module] = [nn.Flatten()] if len(code_shape) > 1 else []
    down += [nn.Linear(math.prod(code_shape), features), nn.Unflatten(1, bottom)]
    targets = list(reversed(sizes[:-1]))
    maps = data_outputs.channels * channels + data_outputs.scalars
    widths = (*reversed(hidden), maps)
    for index, (a, b) in enumerate(pairwise(widths)):
        # a transposed convolution alone gives 2n − 1 rows; an even image needs one more
        extra = (1 - targets[index][0] % 2, 1 - targets[index][1] % 2)
        down += after(a)
        down.append(nn.ConvTranspose2d(a, b, kernel, 2, kernel // 2, output_padding=extra))
    return nn.Sequential(*up), nn.Sequential(*down, PooledScalars(data_outputs))


def halvings(length: int, layers: int) -> list[int]:
    """``length`` and what is left of it after each of ``layers`` that halve it, rounding up."""
    return [-(-length // 2**layer) for layer in range(layers + 1)]


def after_convolution(norm: nn.Module | None, activation: Callable[[], nn.Module], dropout: float) -> list[nn.Module]:
    """What follows a convolution: its normalisation, the activation and dropout, each where there is one."""
    modules = [activation()] if norm is None else [norm, activation()]
    return [*modules, nn.Dropout(dropout)] if dropout else modules


class PooledScalars(nn.Module):
    """Flattens maps (N, channels·C + scalars, H, W) to (N, outputs.size); a scalar is the mean of its map."""

    def __init__(self, outputs: Outputs) -> None:
        super().__init__()
        self.scalars = outputs.scalars

    def forward(self, maps: Tensor) -> Tensor:
        """The values of each datum, then its scalars."""
        if not self.scalars:
            return maps.flatten(1)
        return torch.cat([maps[:, : -self.scalars].flatten(1), maps[:, -self.scalars :].mean((2, 3))], dim=1)


def initialise(network: nn.Module, how: Init) -> None:
    """Draws the weights of a network's linear layers and convolutions anew, and sets their biases to zero.

    ``glorot`` is uniform with the variance 2/(fan in + fan out) (Glorot & Bengio 2010), ``he`` normal with 2/fan in,
    for rectified units (He et al. 2015, arXiv:1502.01852), ``orthogonal`` a random rotation or a part of one (Saxe et
    al. 2014, arXiv:1312.6120); ``torch`` leaves all as it is.

    Examples:
        >>> layer = torch.nn.Linear(3, 3)
        >>> aezoo.parts.initialise(layer, "orthogonal")
        >>> bool(((layer.weight @ layer.weight.T) - torch.eye(3)).abs().max() < 1e-5)
        True
    """
    if how == "torch":
        return
    draws: dict[str, Callable[[Tensor], Any]] = {
        "glorot": nn.init.xavier_uniform_,
        "he": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
        "orthogonal": nn.init.orthogonal_,
    }
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            draws[how](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
