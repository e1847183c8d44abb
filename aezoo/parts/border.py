"""The border between torch's distributions and the zoo's parts.

torch checks the arguments of each distribution that is made, and each value whose density is asked for. That costs a
pass or two a step, and turns a model that broke into a ValueError of torch instead of a loss that is not finite, which
training reports with a remedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.distributions import Distribution

# where distributions of other distributions keep them
INNER = ("base_dist", "mixture_distribution", "component_distribution")


class Border(nn.Module):
    """A part that makes distributions, by its own code or torch's: none of them checks its arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What ``forward`` returns."""
        with _unchecked():
            return trusted(super().__call__(*args, **kwargs))


def trusted(made: Any) -> Any:
    """``made`` itself; a distribution checks from here on no value either, nor does what it is made of."""
    if isinstance(made, Distribution):
        made._validate_args = False
        for name in INNER:
            trusted(vars(made).get(name))
            trusted(vars(made).get(f"_{name}"))
    return made


@contextmanager
def _unchecked() -> Iterator[None]:
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


__all__ = ["Border", "trusted"]
