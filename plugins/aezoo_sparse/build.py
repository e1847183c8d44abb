"""How the sparse family is built."""

from __future__ import annotations

from torch import nn

import aezoo
from aezoo.parts import PointEncoder, Weighted, warmed_up
from aezoo_sparse.auxiliary import AuxiliaryK, CentredEncoder, start_as_transpose
from aezoo_sparse.jumprelu import L0, JumpReLU
from aezoo_sparse.options import BatchTopKConfig, JumpReLUConfig, SparseKLConfig, SparseL1Config, TopKConfig
from aezoo_sparse.penalties import L1, FiringRate
from aezoo_sparse.topk import BatchTopK, TopK


def build_l1(config: SparseL1Config, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """A rectified code under an L1 penalty."""
    return aezoo.assemble(config, spec, regularizers=[Weighted("l1", L1(config.unit_norm), config.l1)])


def build_kl(config: SparseKLConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """A sigmoid code whose units fire at a wanted rate."""
    penalty = Weighted("firing-rate", FiringRate(config.rate), config.sparsity)
    return aezoo.assemble(
        config, spec, encoder=lambda network: PointEncoder(network, nn.Sigmoid()), regularizers=[penalty]
    )


def build_topk(config: TopKConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """A code of which k units are kept."""
    return _selecting(config, spec, TopK(config.k))


def build_batch_topk(config: BatchTopKConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """A code of which k units are kept on average over a batch."""
    return _selecting(config, spec, BatchTopK(config.k))


def _selecting(config: TopKConfig, spec: aezoo.DataSpec, activation: nn.Module) -> aezoo.Autoencoder:
    if not config.aux_units:
        return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(network, activation))
    revival = AuxiliaryK((config.latent_dim,), config.aux_units, config.dead_after)
    model = aezoo.assemble(
        config,
        spec,
        encoder=lambda network: CentredEncoder(network, activation, spec.shape),
        regularizers=[Weighted("aux-k", revival, config.aux)],
    )
    start_as_transpose(model.encoder, model.decoder)
    return model


def build_jumprelu(config: JumpReLUConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """A code of the units above their thresholds, which a penalty on their number moves."""
    activation = JumpReLU((config.latent_dim,), config.threshold, config.bandwidth)
    return aezoo.assemble(
        config,
        spec,
        encoder=lambda network: PointEncoder(network, activation),
        regularizers=[Weighted("l0", L0(), warmed_up(config.l0, config.l0_warmup))],
    )
