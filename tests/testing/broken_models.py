"""Models that are broken on purpose, each in one way, and some that are whole: a plugin."""

import broken_densities
import broken_learning
import broken_memory
import broken_options
import broken_penalties
import broken_use
import broken_variational
import whole_models
from faults import FAULTS, MODELS

import aezoo

# what may be meant, and is a warning
MEANT = {"weights-of-a-fixed-seed", "one-image-alone", *broken_penalties.MEANT}
IN = (
    *(broken_densities, broken_learning, broken_memory, broken_options, broken_penalties),
    *(broken_use, broken_variational),
)


@aezoo.hookimpl
def aezoo_models():
    yield from MODELS
    yield from whole_models.aezoo_models()


__all__ = ["FAULTS", "IN", "MEANT", "aezoo_models"]
