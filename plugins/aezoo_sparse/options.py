"""The options of what the family registers; knows no torch."""

from __future__ import annotations

from pydantic import Field

import aezoo
from aezoo import Choice, Config, ModelConfig, PointConfig


class L1Options(Config):
    """Options of the regularizer ``l1``."""

    unit_norm: bool = Field(False, description="keep the decoder's atoms at unit length")


class FiringRateOptions(Config):
    """Options of the regularizer ``firing-rate``."""

    rate: float = Field(
        0.05, gt=0, lt=1, description="wanted mean activation of every unit", json_schema_extra={"symbol": "ρ"}
    )


class TopKOptions(Config):
    """Options of the activation ``topk``."""

    k: int = Field(8, ge=1, description="units left active", json_schema_extra={"symbol": "k"})


class BatchTopKOptions(Config):
    """Options of the activation ``batch-topk``."""

    k: int = Field(8, ge=1, description="units left active, on average over a batch", json_schema_extra={"symbol": "k"})


class WinnerTakeAllOptions(Config):
    """Options of the activation ``winner-take-all``."""

    share: float = Field(0.05, gt=0, le=1, description="share of a batch for which a unit stays active")


class JumpReLUOptions(Config):
    """Options of the activation ``jumprelu``."""

    threshold: float = Field(
        0.1, gt=0, description="every unit's threshold at first", json_schema_extra={"symbol": "θ"}
    )
    bandwidth: float = Field(
        0.1, gt=0, description="width of the window around a threshold that moves it", json_schema_extra={"symbol": "ε"}
    )


DEAD_AFTER: int = Field(20, ge=1, description="batches without a value after which a unit is dead")


class AuxiliaryKOptions(Config):
    """Options of the regularizer ``aux-k``."""

    units: int = Field(64, ge=0, description="dead units that reconstruct a row; 0 for none")
    after: int = DEAD_AFTER


class SparseL1Config(PointConfig):
    """Options of ``sparse-l1``."""

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code", json_schema_extra={"symbol": "Z"})
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    code_activation: Choice = Field(
        Choice(name="relu"), description="activation of the code", json_schema_extra={"kind": "activation"}
    )
    l1: aezoo.Weight = Field(
        0.05, description="weight of the code's absolute sum: 1/b of a Laplace prior", json_schema_extra={"symbol": "λ"}
    )
    unit_norm: bool = Field(True, description="keep the decoder's atoms at unit length")


class SparseKLConfig(ModelConfig):
    """Options of ``sparse-kl``; its code is sigmoid, so that an activation is a rate."""

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code", json_schema_extra={"symbol": "Z"})
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    rate: float = Field(
        0.05, gt=0, lt=1, description="wanted mean activation of every unit", json_schema_extra={"symbol": "ρ"}
    )
    sparsity: aezoo.Weight = Field(
        0.1, description="weight of the divergence from that rate", json_schema_extra={"symbol": "λ"}
    )


class TopKConfig(ModelConfig):
    """Options of ``topk``."""

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code", json_schema_extra={"symbol": "Z"})
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    k: int = Field(16, ge=1, description="units left active", json_schema_extra={"symbol": "k"})
    aux: aezoo.Weight = Field(
        0.125, description="weight of the second reconstruction, by dead units", json_schema_extra={"symbol": "α"}
    )
    aux_units: int = Field(
        64,
        ge=0,
        description="dead units that reconstruct a row; 0 for none, and for a plain start",
        json_schema_extra={"before": 0},
    )
    dead_after: int = DEAD_AFTER


class BatchTopKConfig(TopKConfig):
    """Options of ``batch-topk``."""

    k: int = Field(
        16, ge=1, description="units left active, on average over a batch", json_schema_extra={"symbol": "k"}
    )


class JumpReLUConfig(ModelConfig):
    """Options of ``jumprelu``."""

    latent_dim: int = Field(128, ge=1, le=1_000_000, description="size of the code", json_schema_extra={"symbol": "Z"})
    hidden: aezoo.Sizes = Field((), description="sizes of the encoder's hidden layers, mirrored")
    l0: aezoo.Weight = Field(
        0.02, description="weight of the number of active units", json_schema_extra={"symbol": "λ"}
    )
    # a full weight from the first step on kills units that have had no time to learn anything
    l0_warmup: aezoo.Warmup = Field(
        0.5,
        description="steps, at most half of all, in which that weight grows from 0; up to 1, a share of all",
        json_schema_extra={"before": 0},
    )
    threshold: float = Field(
        0.1, gt=0, description="every unit's threshold at first", json_schema_extra={"symbol": "θ"}
    )
    bandwidth: float = Field(
        0.1, gt=0, description="width of the window around a threshold that moves it", json_schema_extra={"symbol": "ε"}
    )
