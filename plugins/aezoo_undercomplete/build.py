"""How the undercomplete family is built."""

from __future__ import annotations

import aezoo


def build(config: aezoo.ModelConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """A point encoder and a decoder, and nothing else."""
    return aezoo.assemble(config, spec)
