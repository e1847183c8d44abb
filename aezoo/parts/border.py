"""The border between torch's distributions and the zoo's parts.

torch checks the arguments of each distribution that is made, and each value whose density is asked for. That costs a
pass or two a step, and turns a model that broke into a ValueError of torch instead of a loss that is not finite, which
training reports with a remedy.
"""

from __future__ import annotations

import threading
from typing import Any

from torch import nn
from torch.distributions import Distribution

# where distributions of other distributions keep them
INNER = ("base_dist", "mixture_distribution", "component_distribution")


class Border(nn.Module):
    """A part that makes distributions, by its own code or torch's: none of them checks its arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What ``forward`` returns."""
        with _UNCHECKED:
            return trusted(super().__call__(*args, **kwargs))


def trusted(made: Any) -> Any:
    """``made`` itself; a distribution checks from here on no value either, nor does what it is made of."""
    if isinstance(made, Distribution):
        made._validate_args = False
        for name in INNER:
            trusted(vars(made).get(name))
            trusted(vars(made).get(f"_{name}"))
    return made


class _Unchecked:
    """Within it torch checks no arguments, in any thread; after the last one has left, it does what it did before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = True

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = Distribution._validate_args
                Distribution.set_default_validate_args(False)
            self._inside += 1

    def __exit__(self, *stop: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                Distribution.set_default_validate_args(self._before)


_UNCHECKED = _Unchecked()


__all__ = ["Border", "trusted"]
