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


class BatchTopKOptions(Config):
    """Options of the activation ``batch-topk``."""

    k: int = Field(8, ge=1, description="units left active, on average over a batch")


class WinnerTakeAllOptions(Config):
    """Options of the activation ``winner-take-all``."""

    share: float = Field(0.05, gt=0, le=1, description="share of a batch for which a unit stays active")


class JumpReLUOptions(Config):
    """Options of the activation ``jumprelu``."""

    threshold: float = Field(0.1, gt=0, description="every unit's threshold at first")
    bandwidth: float = Field(0.1, gt=0, description="width of the window around a threshold that moves it")


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


class BatchTopKConfig(ModelConfig):
    """Options of ``batch-topk``."""

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code")
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    k: int = Field(16, ge=1, description="units left active, on average over a batch")


class JumpReLUConfig(ModelConfig):
    """Options of ``jumprelu``."""

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code")
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    l0: aezoo.Weight = Field(0.02, description="weight of the number of active units")
    threshold: float = Field(0.1, gt=0, description="every unit's threshold at first")
    bandwidth: float = Field(0.1, gt=0, description="width of the window around a threshold that moves it")


MAKHZANI = "Makhzani & Frey 2014, k-sparse autoencoders, arXiv:1312.5663"
OLSHAUSEN = "Olshausen & Field 1996, Emergence of simple-cell receptive field properties"
BUSSMANN = "Bussmann et al. 2024, BatchTopK sparse autoencoders, arXiv:2412.06410"
RAJAMANOHARAN = "Rajamanoharan et al. 2024, Jumping ahead: JumpReLU sparse autoencoders, arXiv:2407.14435"
WINNER_TAKE_ALL = "Makhzani & Frey 2015, Winner-take-all autoencoders, arXiv:1409.2752"
NG = "Ng 2011, Sparse autoencoder (CS294A lecture notes)"


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The family's models; ``sparse`` is its usual form, sparse-l1."""
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
    yield aezoo.Model(
        "batch-topk",
        BatchTopKConfig,
        build + "batch_topk",
        family="sparse",
        summary="Only the largest units of a batch of codes are kept, k a code on average; afterwards a threshold.",
        references=(BUSSMANN,),
    )
    yield aezoo.Model(
        "jumprelu",
        JumpReLUConfig,
        build + "jumprelu",
        family="sparse",
        summary="Units count above thresholds that are learned under a penalty on their number.",
        references=(RAJAMANOHARAN,),
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
    yield aezoo.Part(
        "l0",
        "aezoo_sparse.jumprelu:L0",
        family="sparse",
        summary="The number of active units of a jumprelu code, whose thresholds it moves.",
        references=(RAJAMANOHARAN,),
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
    yield aezoo.Part(
        "batch-topk",
        "aezoo_sparse.topk:BatchTopK",
        BatchTopKOptions,
        family="sparse",
        summary="Keeps the largest values of a batch, k a code on average; afterwards those above a threshold.",
        references=(BUSSMANN,),
    )
    yield aezoo.Part(
        "jumprelu",
        "aezoo_sparse.jumprelu:JumpReLU",
        JumpReLUOptions,
        family="sparse",
        summary="Keeps the values above a learned threshold; for codes.",
        references=(RAJAMANOHARAN,),
    )
    yield aezoo.Part(
        "winner-take-all",
        "aezoo_sparse.topk:WinnerTakeAll",
        WinnerTakeAllOptions,
        family="sparse",
        summary="Keeps each unit's largest values over a batch, rectified; afterwards a plain ReLU.",
        references=(WINNER_TAKE_ALL,),
    )
