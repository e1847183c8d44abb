"""How the variational family is built."""

from __future__ import annotations

import aezoo
from aezoo.parts import KL, GaussianEncoder, Weighted
from aezoo_variational import BetaVAEConfig, IWAEConfig, VAEConfig


def build_vae(config: VAEConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """Gaussian posterior, prior, and the divergence between them at weight 1."""
    return _variational(config, spec, 1.0)


def build_beta_vae(config: BetaVAEConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """The same at weight beta."""
    return _variational(config, spec, config.beta)


def build_iwae(config: IWAEConfig, spec: aezoo.DataSpec) -> aezoo.Autoencoder:
    """All by draws, under the importance-weighted bound."""
    return aezoo.assemble(
        config,
        spec,
        encoder=GaussianEncoder,
        prior=config.prior,
        regularizers=[Weighted("kl", KL("sampled"))],
        draws=config.draws,
        bound="importance",
    )


def _variational(config: VAEConfig, spec: aezoo.DataSpec, weight: aezoo.Weight) -> aezoo.Autoencoder:
    return aezoo.assemble(
        config,
        spec,
        encoder=GaussianEncoder,
        prior=config.prior,
        regularizers=[Weighted("kl", KL(config.estimator), weight)],
        draws=config.draws,
    )
