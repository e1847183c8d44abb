"""How the variational family is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

import aezoo
from aezoo.parts import KL, Encoder, GaussianEncoder, Weighted, warmed_up
from aezoo_variational.discrete import BernoulliEncoder, CategoricalEncoder
from aezoo_variational.options import (
    BernoulliVAEConfig,
    BetaVAEConfig,
    CategoricalVAEConfig,
    IWAEConfig,
    VAEConfig,
    VQVAEConfig,
)
from aezoo_variational.quantized import Commitment, QuantizingEncoder, UniformCodes


def build_vae(config: VAEConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """Gaussian posterior, prior, and the divergence between them at weight 1."""
    return _variational(config, spec, 1.0)


def build_beta_vae(config: BetaVAEConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """The same at weight beta."""
    return _variational(config, spec, config.beta)


def build_bernoulli_vae(config: BernoulliVAEConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """Bits, prior, and the divergence between them at weight 1."""
    return _variational(config, spec, 1.0, lambda network: BernoulliEncoder(network, config.temperature))


def build_categorical_vae(config: CategoricalVAEConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """Variables of a few categories each, prior, and the divergence between them at weight 1."""
    shape = (config.latent_dim, config.categories)
    return _variational(
        config, spec, 1.0, lambda network: CategoricalEncoder(network, shape, config.temperature), code_shape=shape
    )


def build_iwae(config: IWAEConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """All by draws, under the importance-weighted bound."""
    return aezoo.assemble(
        config,
        spec,
        encoder=GaussianEncoder,
        prior=config.prior,
        regularizers=[Weighted("kl", KL("sampled"), warmed_up(1.0, config.kl_warmup))],
        draws=config.draws,
        bound="importance",
    )


def build_vq_vae(config: VQVAEConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """A quantizing encoder, the commitment that also moves its codebook, and a uniform prior.

    The divergence from that prior is the constant N·log K: scores and bounds hold it, the loss has no use for it.
    """
    shape = (config.positions, config.latent_dim)
    return aezoo.assemble(
        config,
        spec,
        encoder=lambda network: QuantizingEncoder(network, shape, config.codes, config.decay, config.restart),
        prior=UniformCodes(config.positions),
        regularizers=[Weighted("commitment", Commitment(), config.commitment)],
        code_shape=shape,
    )


def _variational(
    config: VAEConfig,
    spec: aezoo.DataSpec,
    weight: aezoo.Weight,
    encoder: Callable[[nn.Module], Encoder] = GaussianEncoder,
    **more: Any,
) -> aezoo.Autoencoder:
    return aezoo.assemble(
        config,
        spec,
        encoder=encoder,
        prior=config.prior,
        regularizers=[Weighted("kl", KL(config.estimator, config.free_bits), warmed_up(weight, config.kl_warmup))],
        draws=config.draws,
        gradient=config.gradient,
        **more,
    )
