"""How the denoising autoencoder is built."""

from __future__ import annotations

import aezoo
from aezoo_denoising.options import DenoisingConfig


def build(config: DenoisingConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """A point encoder that sees corrupted data in training."""
    return aezoo.assemble(config, spec, copies=config.copies)
