"""A network for larger images: residual blocks under group normalisation, and their mirror.

Shapes: N rows, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.parts.likelihood import Outputs
from aezoo.parts.networks import PooledScalars, halvings


class Block(nn.Module):
    """x + f(x), with f twice: normalise in groups, activate, convolve 3×3 (He et al. 2016, pre-activation)."""

    def __init__(self, channels: int, width: int, groups: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in ((channels, width), (width, width)):
            layers += [nn.GroupNorm(math.gcd(groups, a), a), activation(), nn.Conv2d(a, b, 3, padding=1)]
        self.layers = nn.Sequential(*layers)
        self.straight = nn.Identity() if channels == width else nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) → (N, width, H, W)."""
        return cast(Tensor, self.straight(x) + self.layers(x))


class _Resized(nn.Module):
    """The nearest pixel, to a size."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, self.size)

    def extra_repr(self) -> str:
        return f"{self.size}"


def resnet(
    spec: DataSpec,
    code_shape: tuple[int, ...],
    code_outputs: int,
    data_outputs: Outputs,
    hidden: Sequence[int],
    activation: Callable[[], nn.Module],
    blocks: int = 2,
    groups: int = 8,
) -> tuple[nn.Module, nn.Module]:
    """Stages of residual blocks, each of half the size of the one before, and their mirror; ``hidden`` is channels.

    For images of 32² to 256²: four stages bring 64² to 4². He et al. 2016, arXiv:1603.05027; Wu & He 2018, group
    normalisation, arXiv:1803.08494, which knows no batch, so that a row's code depends on the row alone.

    Examples:
        >>> spec = aezoo.DataSpec(shape=(3, 32, 32))
        >>> outputs = aezoo.parts.Outputs((3, 32, 32))
        >>> encoder, decoder = aezoo.parts.resnet(spec, (8,), 8, outputs, [8, 16], torch.nn.SiLU, blocks=1)
        >>> encoder(torch.zeros(2, 3, 32, 32)).shape, decoder(torch.zeros(2, 8)).shape
        (torch.Size([2, 8]), torch.Size([2, 3072]))
    """
    if not spec.is_image:
        raise CompositionError(
            f"network resnet needs images (channels, height, width), and the data has shape {spec.shape}: use network "
            "mlp."
        )
    if not hidden:
        raise CompositionError("network resnet needs at least one stage of channels: give hidden, such as 32,64,128.")
    channels, height, width = spec.shape
    sizes = [*zip(halvings(height, len(hidden)), halvings(width, len(hidden)), strict=True)]
    bottom = (hidden[-1], *sizes[-1])

    def stage(a: int, b: int) -> list[nn.Module]:
        return [Block(a if i == 0 else b, b, groups, activation) for i in range(blocks)]

    def end(count: int) -> list[nn.Module]:
        return [nn.GroupNorm(math.gcd(groups, count), count), activation()]

    up: list[nn.Module] = [nn.Conv2d(channels, hidden[0], 3, padding=1)]
    for a, b in zip((hidden[0], *hidden), hidden, strict=False):
        up += [nn.Conv2d(a, b, 3, stride=2, padding=1), *stage(b, b)]
    up += [*end(hidden[-1]), nn.Flatten(), nn.Linear(math.prod(bottom), code_outputs)]

    down: list[nn.Module] = [nn.Flatten()] if len(code_shape) > 1 else []
    down += [nn.Linear(math.prod(code_shape), math.prod(bottom)), nn.Unflatten(1, bottom)]
    back = list(reversed(hidden))
    for a, b, size in zip(back, (*back[1:], hidden[0]), reversed(sizes[:-1]), strict=True):
        down += [*stage(a, a), _Resized(size), nn.Conv2d(a, b, 3, padding=1)]
    maps = data_outputs.channels * channels + data_outputs.scalars
    down += [*end(hidden[0]), nn.Conv2d(hidden[0], maps, 3, padding=1), PooledScalars(data_outputs)]
    return nn.Sequential(*up), nn.Sequential(*down)
