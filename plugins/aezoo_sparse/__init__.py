"""Sparse autoencoders: many units, few of them active for any one datum."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

import aezoo
from aezoo import Choice, Config, ModelConfig, PointConfig


class L1Options(Config):
    """Options of the regularizer ``l1``."""

    unit_norm: bool = Field(False, description="keep the decoder's atoms at unit length")


class FiringRateOptions(Config):
    """Options of the regularizer ``firing-rate``."""

    rate: float = Field(0.05, gt=0, lt=1, description="wanted mean activation of every unit")


class TopKOptions(Config):
    """Options of the activation ``topk``."""

    k: int = Field(8, ge=1, description="units left active")


class SparseL1Config(PointConfig):
    """Options of ``sparse-l1``."""

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code")
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    code_activation: Choice = Field(
        Choice(name="relu"), description="activation of the code", json_schema_extra={"kind": "activation"}
    )
    l1: aezoo.Weight = Field(0.05, description="weight of the code's absolute sum: 1/b of a Laplace prior")
    unit_norm: bool = Field(True, description="keep the decoder's atoms at unit length")


class SparseKLConfig(ModelConfig):
    """Options of ``sparse-kl``; its code is sigmoid, so that an activation is a rate."""

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code")
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    rate: float = Field(0.05, gt=0, lt=1, description="wanted mean activation of every unit")
    sparsity: aezoo.Weight = Field(0.1, description="weight of the divergence from that rate")


class TopKConfig(ModelConfig):
    """Options of ``topk``."""

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code")
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    k: int = Field(16, ge=1, description="units left active")


MAKHZANI = "Makhzani & Frey 2014, k-sparse autoencoders, arXiv:1312.5663"
OLSHAUSEN = "Olshausen & Field 1996, Emergence of simple-cell receptive field properties"
NG = "Ng 2011, Sparse autoencoder (CS294A lecture notes)"


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The family's three models; ``sparse`` is its usual form, sparse-l1."""
    build = "aezoo_sparse.build:build_"
    for name in ("sparse", "sparse-l1"):
        yield aezoo.Model(
            name,
            SparseL1Config,
            build + "l1",
            family="sparse",
            summary="An L1 penalty on the code, the negative log-density of a Laplace prior.",
            references=(OLSHAUSEN,),
        )
    yield aezoo.Model(
        "sparse-kl",
        SparseKLConfig,
        build + "kl",
        family="sparse",
        summary="Each unit's mean activation is drawn to a small firing rate by a KL divergence.",
        references=(NG,),
    )
    yield aezoo.Model(
        "topk",
        TopKConfig,
        build + "topk",
        family="sparse",
        summary="Only the k largest units of a code are kept.",
        references=(MAKHZANI,),
    )


@aezoo.hookimpl
def aezoo_regularizers() -> Iterator[aezoo.Part]:
    """Penalties that make any model's code sparse."""
    yield aezoo.Part(
        "l1",
        "aezoo_sparse.penalties:L1",
        L1Options,
        family="sparse",
        summary="The code's absolute values, summed.",
        references=(OLSHAUSEN,),
    )
    yield aezoo.Part(
        "firing-rate",
        "aezoo_sparse.penalties:FiringRate",
        FiringRateOptions,
        family="sparse",
        summary="KL divergence of each unit's mean activation from a wanted rate, summed over units.",
        references=(NG,),
    )


@aezoo.hookimpl
def aezoo_activations() -> Iterator[aezoo.Part]:
    """Activations that make any model's code sparse."""
    yield aezoo.Part(
        "topk",
        "aezoo_sparse.topk:TopK",
        TopKOptions,
        family="sparse",
        summary="Keeps the k largest values, rectified, and zeroes the rest.",
        references=(MAKHZANI,),
    )
