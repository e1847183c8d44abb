"""The options of what the family registers; knows no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

import aezoo
from aezoo import Choice, Config, ModelConfig

Estimator = Literal["auto", "analytic", "sampled"]


ESTIMATOR: Estimator = Field("auto", description="KL in closed form, by draws, or auto: closed form where there is one")


FREE_BITS: float = Field(0.0, ge=0, description="nats of each dimension of the code below which nothing pushes it")


class KLOptions(Config):
    """Options of the regularizer ``kl``."""

    estimator: Estimator = ESTIMATOR
    free_bits: float = FREE_BITS


class VariationalConfig(ModelConfig):
    """Options of the whole family."""

    likelihood: Choice = Field(
        Choice(name="gaussian", value="shared"),
        description="distribution of the data given the code",
        json_schema_extra={"kind": "likelihood"},
    )
    prior: Choice = Field(Choice(name="normal"), description="prior of the code", json_schema_extra={"kind": "prior"})
    kl_warmup: aezoo.Warmup = Field(
        700,
        description="steps, at most half of all, in which the weight of the KL grows from 0; up to 1, a share of all",
        json_schema_extra={"before": 0},
    )


class VAEConfig(VariationalConfig):
    """Options of ``vae``."""

    estimator: Estimator = ESTIMATOR
    free_bits: float = FREE_BITS
    draws: int = Field(
        1, ge=1, le=100_000, description="draws of the posterior per example", json_schema_extra={"symbol": "K"}
    )
    gradient: Literal["reparameterised", "score-function"] = Field(
        "reparameterised", description="how the encoder learns: through the draws, or by the score function"
    )


class BetaVAEConfig(VAEConfig):
    """Options of ``beta-vae``."""

    beta: aezoo.Weight = Field(
        4.0,
        description="weight of the KL divergence; a schedule takes the place of its warm-up",
        json_schema_extra={"symbol": "β"},
    )


class DiscreteConfig(VAEConfig):
    """Options of codes without a slope."""

    gradient: Literal["reparameterised", "score-function"] = Field(
        "reparameterised", description="how the encoder learns: through relaxed draws, or by the score function"
    )
    temperature: float = Field(
        0.5, gt=0, description="of the relaxation: low is noisy, high is biased", json_schema_extra={"symbol": "τ"}
    )


class BernoulliVAEConfig(DiscreteConfig):
    """Options of ``bernoulli-vae``."""

    latent_dim: int = Field(32, ge=1, le=1_000_000, description="bits of the code", json_schema_extra={"symbol": "Z"})
    prior: Choice = Field(
        Choice(name="bernoulli"), description="prior of the code", json_schema_extra={"kind": "prior"}
    )


class CategoricalVAEConfig(DiscreteConfig):
    """Options of ``categorical-vae``."""

    latent_dim: int = Field(
        16, ge=1, le=1_000_000, description="variables of the code", json_schema_extra={"symbol": "Z"}
    )
    categories: int = Field(8, ge=2, le=100_000, description="of each variable", json_schema_extra={"symbol": "C"})
    prior: Choice = Field(
        Choice(name="categorical"), description="prior of the code", json_schema_extra={"kind": "prior"}
    )


class BernoulliPriorOptions(Config):
    """Options of the prior ``bernoulli``."""

    rate: float = Field(0.5, gt=0, lt=1, description="probability of a one")


class IWAEConfig(VariationalConfig):
    """Options of ``iwae``."""

    draws: int = Field(
        5, ge=1, le=100_000, description="draws of the posterior per example", json_schema_extra={"symbol": "K"}
    )


class VQVAEConfig(ModelConfig):
    """Options of ``vq-vae``."""

    latent_dim: int = Field(
        4, ge=1, le=1_000_000, description="size of one vector of the codebook", json_schema_extra={"symbol": "D"}
    )
    positions: int = Field(
        8, ge=1, le=100_000, description="vectors that make one code", json_schema_extra={"symbol": "P"}
    )
    codes: int = Field(64, ge=2, le=1_000_000, description="vectors in the codebook", json_schema_extra={"symbol": "M"})
    commitment: aezoo.Weight = Field(
        0.25, description="weight of the distance to the chosen vectors", json_schema_extra={"symbol": "β"}
    )
    decay: float = Field(
        0.99,
        gt=0,
        lt=1,
        description="of the moving averages that the codebook follows",
        json_schema_extra={"symbol": "γ"},
    )
    restart: float = Field(
        0.1, ge=0, lt=1, description="vectors used less than this share of the mean use are restarted"
    )
