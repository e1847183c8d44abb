"""What a figure or a picture needs of a model."""

from __future__ import annotations

from aezoo.autoencoder import Autoencoder
from aezoo.errors import CapabilityError


def need(model: Autoencoder, wanted: tuple[str, ...], what: str, remedy: str) -> None:
    """Raises CapabilityError, saying what to use instead, unless ``model`` has one of the ``wanted`` capabilities."""
    if not set(wanted) & set(model.capabilities):
        has = ", ".join(model.capabilities) or "none"
        raise CapabilityError(
            f"{what} needs a model with {' or '.join(map(repr, wanted))} (this one has {has}): use {remedy}."
        )
