"""Tables of mixed columns on their way into a network: words as indicators, counts as logarithms, holes as zeros.

Shapes: B rows, D columns, W values that a network takes of them, M columns with holes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.core.spec import Column, DataSpec


def columns_of(spec: DataSpec) -> tuple[Column, ...]:
    """The columns of a table; numbers without holes, where nothing is known of them.

    Examples:
        >>> [column.name for column in aezoo.parts.columns_of(aezoo.DataSpec(shape=(2,)))]
        ['0', '1']
    """
    return spec.columns or tuple(Column(name=str(index)) for index in range(spec.size))


class ColumnInput(nn.Module):
    """What a network takes of the preprocessed rows of a table.

    Numbers and dates stay as they are, of a count c it is log(1 + c), of an ordinal level its place in −1 to 1, of a
    binary one 0 or 1, of a category an indicator of each level. A missing value is 0 in all of its places, and each
    column with holes adds, at the end, a value that is 1 where it is missing.

    Args:
        spec: of the table.
        masks: whether all columns tell of missing values, or those with holes.

    Examples:
        >>> columns = (aezoo.Column(name="a", holes=True), aezoo.Column(name="b", kind="category", levels=("x", "y")))
        >>> entry = aezoo.parts.ColumnInput(aezoo.DataSpec(shape=(2,), columns=columns))
        >>> entry(torch.tensor([[0.5, 1.0], [torch.nan, 0.0]])).tolist()
        [[0.5, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    """

    source: Tensor
    level: Tensor
    is_level: Tensor
    is_count: Tensor
    center: Tensor
    factor: Tensor
    masked: Tensor

    def __init__(self, spec: DataSpec, masks: bool = False) -> None:
        super().__init__()
        columns = columns_of(spec)
        places = [(i, k, column) for i, column in enumerate(columns) for k in range(column.width)]
        ordinal = [len(c.levels) - 1 if c.kind == "ordinal" else 0 for _, _, c in places]
        holes = [i for i, column in enumerate(columns) if masks or column.holes]
        # what the columns are is in the description of the data, and needs no second place in the checkpoint
        for name, values in {
            "source": torch.tensor([i for i, _, _ in places], dtype=torch.int64),
            "level": torch.tensor([float(k) for _, k, _ in places]),
            "is_level": torch.tensor([c.kind == "category" for _, _, c in places]),
            "is_count": torch.tensor([c.kind == "count" for _, _, c in places]),
            "center": torch.tensor([top / 2 for top in ordinal]),
            "factor": torch.tensor([2 / top if top else 1.0 for top in ordinal]),
            "masked": torch.tensor(holes, dtype=torch.int64),
        }.items():
            self.register_buffer(name, values, persistent=False)
        self.values = len(places)
        self.width = len(places) + len(holes)
        self.names = tuple(f"{c.name}={c.levels[k]}" if c.kind == "category" else c.name for _, k, c in places)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, W + M)."""
        dense = self.dense(x)
        return torch.cat([dense, x[..., self.masked].isnan().to(x.dtype)], dim=-1) if len(self.masked) else dense

    def dense(self, x: Tensor) -> Tensor:
        """(…, D) → (…, W)."""
        values = x[..., self.source]
        known = values.nan_to_num(0.0)
        plain = torch.where(self.is_count, known.clamp_min(0.0).log1p(), (known - self.center) * self.factor)
        plain = plain.masked_fill(values.isnan(), 0.0)
        return torch.where(self.is_level, (values == self.level).to(x.dtype), plain.to(x.dtype))

    def observed(self, x: Tensor) -> Tensor:
        """Where a value of (…, W) comes from one of (…, D) that is not missing."""
        return ~x[..., self.source].isnan()

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{self.values} values, {len(self.masked)} masks"
