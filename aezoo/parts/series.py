"""A network for series: strided convolutions over time, and their mirror.

Shapes: N rows, T steps, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.parts.likelihood import Outputs
from aezoo.parts.networks import after_convolution, halvings


class _Swapped(nn.Module):
    """(N, a, b) → (N, b, a): convolutions want the channels first, series have the steps first."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class _Steps(nn.Module):
    """Maps (N, channels·C + scalars, T) as (N, outputs.size): each channel's (T, C), then the mean of each scalar."""

    def __init__(self, outputs: Outputs) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, maps: Tensor) -> Tensor:
        scalars, steps = self.outputs.scalars, maps.shape[2]
        values = maps[:, : maps.shape[1] - scalars].view(len(maps), self.outputs.channels, -1, steps)
        flat = values.transpose(2, 3).flatten(1)
        return torch.cat([flat, maps[:, maps.shape[1] - scalars :].mean(2)], dim=1) if scalars else flat


def conv1d(
    spec: DataSpec,
    code_shape: tuple[int, ...],
    code_outputs: int,
    data_outputs: Outputs,
    hidden: Sequence[int],
    activation: Callable[[], nn.Module],
    kernel: Literal[3, 5, 7] = 5,
    dropout: float = 0.0,
    norm: Literal["none", "batch"] = "none",
) -> tuple[nn.Module, nn.Module]:
    """Convolutions over time that halve the series once a layer, rounding up, and their mirror; ``hidden`` is channels.

    Examples:
        >>> spec = aezoo.DataSpec(shape=(24, 3))
        >>> outputs = aezoo.parts.Outputs((24, 3))
        >>> encoder, decoder = aezoo.parts.conv1d(spec, (2,), 4, outputs, [8, 16], torch.nn.ReLU)
        >>> encoder(torch.zeros(5, 24, 3)).shape, decoder(torch.zeros(5, 2)).shape
        (torch.Size([5, 4]), torch.Size([5, 72]))
    """
    if len(spec.shape) != 2:
        raise CompositionError(
            f"network conv1d needs series (steps, channels), and the data has shape {spec.shape}: use layout=series "
            "for windows, or network mlp."
        )
    if not hidden:
        raise CompositionError("network conv1d needs at least one layer of channels: give hidden, such as 32,64.")
    steps, channels = spec.shape
    sizes = halvings(steps, len(hidden))
    features = hidden[-1] * sizes[-1]

    def after(count: int) -> list[nn.Module]:
        return after_convolution(nn.BatchNorm1d(count) if norm == "batch" else None, activation, dropout)

    up: list[nn.Module] = [_Swapped()]
    for a, b in pairwise((channels, *hidden)):
        up += [nn.Conv1d(a, b, kernel, stride=2, padding=kernel // 2), *after(b)]
    up += [nn.Flatten(), nn.Linear(features, code_outputs)]

    down: list[nn.Module] = [nn.Flatten()] if len(code_shape) > 1 else []
    down += [nn.Linear(math.prod(code_shape), features), nn.Unflatten(1, (hidden[-1], sizes[-1]))]
    maps = data_outputs.channels * channels + data_outputs.scalars
    for index, (a, b) in enumerate(pairwise((*reversed(hidden), maps))):
        # a transposed convolution alone gives 2n − 1 steps; an even series needs one more
        extra = 1 - sizes[-2 - index] % 2
        down += [*after(a), nn.ConvTranspose1d(a, b, kernel, 2, kernel // 2, output_padding=extra)]
    return nn.Sequential(*up), nn.Sequential(*down, _Steps(data_outputs))
