"""Contractive autoencoders: codes that hardly move when the data does."""

from __future__ import annotations

from collections.abc import Iterator

import aezoo

RIFAI = "Rifai et al. 2011, Contractive auto-encoders: explicit invariance during feature extraction"


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The contractive autoencoder."""
    yield aezoo.Model(
        "contractive",
        "aezoo_contractive.options:ContractiveConfig",
        "aezoo_contractive.build:build",
        family="contractive",
        summary="Penalises the squared Frobenius norm of the encoder's Jacobian, at the clean input.",
        references=(RIFAI,),
    )


@aezoo.hookimpl
def aezoo_regularizers() -> Iterator[aezoo.Part]:
    """The penalty, for any model."""
    yield aezoo.Part(
        "contraction",
        "aezoo_contractive.jacobian:Contraction",
        "aezoo_contractive.options:ContractionOptions",
        family="contractive",
        summary="The squared Frobenius norm of the encoder's Jacobian.",
        references=(RIFAI,),
    )
