"""How the contractive autoencoder is built."""

from __future__ import annotations

import aezoo
from aezoo.parts import Weighted
from aezoo_contractive.jacobian import Contraction
from aezoo_contractive.options import ContractiveConfig


def build(config: ContractiveConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """A point encoder under the contractive penalty."""
    penalty = Weighted("contraction", Contraction(config.projections), config.contraction)
    return aezoo.assemble(config, spec, regularizers=[penalty])
