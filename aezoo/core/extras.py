"""Libraries that are imported where they are used, and say how to install them where they are lacking."""

from __future__ import annotations

import importlib
from typing import Any

from aezoo.errors import DataError


def extra(module: str, name: str, what: str) -> Any:
    """A module of an optional library.

    Args:
        module: such as ``h5py``.
        name: of the extra that brings it.
        what: is read by it, for the message.

    Raises:
        DataError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        library = module.partition(".")[0]
        raise DataError(f"{what} read by {library}, which is not installed: pip install 'aezoo[{name}]'.") from None
