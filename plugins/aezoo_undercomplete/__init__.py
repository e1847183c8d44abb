"""Undercomplete autoencoders: a code smaller than the data is the only constraint."""

from __future__ import annotations

from collections.abc import Iterator

import aezoo


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The plain autoencoder, and the linear one."""
    yield aezoo.Model(
        "undercomplete",
        "aezoo_undercomplete.options:UndercompleteConfig",
        "aezoo_undercomplete.build:build",
        family="undercomplete",
        summary="A deterministic code smaller than the data, trained to reconstruct it.",
        references=("Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks",),
    )
    yield aezoo.Model(
        "linear",
        "aezoo_undercomplete.options:LinearConfig",
        "aezoo_undercomplete.build:build",
        family="undercomplete",
        summary="Without activations: the best code spans the subspace of the first principal components.",
        references=("Baldi & Hornik 1989, Neural networks and principal component analysis",),
        # the last components of PCA differ little in variance, and are told apart by small steps at the end alone
        training={"steps": 6000, "lr": 0.01, "schedule": "cosine"},
    )
