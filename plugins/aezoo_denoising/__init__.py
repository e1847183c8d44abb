"""Denoising autoencoders: the encoder sees corrupted data, the target stays clean."""

from __future__ import annotations

from collections.abc import Iterator

import aezoo

VINCENT = "Vincent et al. 2010, Stacked denoising autoencoders"


YOON = "Yoon et al. 2020, VIME: extending the success of self- and semi-supervised learning to tabular domain"
SCORE = "Vincent 2011, A connection between score matching and denoising autoencoders"


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The denoising autoencoder."""
    yield aezoo.Model(
        "denoising",
        "aezoo_denoising.options:DenoisingConfig",
        "aezoo_denoising.build:build",
        family="denoising",
        summary="Reconstructs clean data from a corrupted copy; under Gaussian noise it learns the density's gradient.",
        references=(VINCENT, SCORE),
    )


@aezoo.hookimpl
def aezoo_corruptions() -> Iterator[aezoo.Part]:
    """Corruptions that any model takes."""
    noise = "aezoo_denoising.noise:"
    yield aezoo.Part(
        "gaussian",
        noise + "GaussianNoise",
        "aezoo_denoising.options:GaussianOptions",
        family="denoising",
        summary="Adds Gaussian noise.",
        references=(SCORE,),
    )
    yield aezoo.Part(
        "masking",
        noise + "Masking",
        "aezoo_denoising.options:MaskingOptions",
        family="denoising",
        summary="Takes a random share of the values away.",
        references=(VINCENT,),
    )
    yield aezoo.Part(
        "swap",
        noise + "Swap",
        "aezoo_denoising.options:SwapOptions",
        family="denoising",
        summary="Takes a random share of the values from the same column of other rows: the noise for tables.",
        references=(YOON,),
    )
    yield aezoo.Part(
        "salt-and-pepper",
        noise + "SaltAndPepper",
        "aezoo_denoising.options:SaltAndPepperOptions",
        family="denoising",
        summary="Sets a random share of the values to the least or the greatest, by a fair coin.",
        references=(VINCENT,),
    )
