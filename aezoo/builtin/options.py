"""The options of the core's own parts; knows no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from aezoo.core.config import Config


class NoOptions(Config):
    """A part without options."""


class LeakyReLUOptions(Config):
    """Options of the activation ``leaky-relu``."""

    slope: float = Field(0.01, gt=0, lt=1, description="slope below zero")


class MLPOptions(Config):
    """Options of the network ``mlp``."""

    tied: bool = Field(False, description="the decoder's weights are the encoder's, transposed")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of hidden units dropped in training")
    norm: Literal["none", "batch", "layer"] = Field("none", description="normalisation before each activation")


class ConvOptions(Config):
    """Options of the network ``conv``."""

    kernel: Literal[3, 5, 7] = Field(3, description="width of the kernels")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of hidden units dropped in training")
    norm: Literal["none", "batch"] = Field("none", description="normalisation before each activation")


class Conv1dOptions(ConvOptions):
    """Options of the network ``conv1d``."""

    kernel: Literal[3, 5, 7] = Field(5, description="width of the kernels")


class ResNetOptions(Config):
    """Options of the network ``resnet``."""

    blocks: int = Field(2, ge=1, le=32, description="residual blocks a stage")
    groups: int = Field(8, ge=1, le=1024, description="groups of channels that are normalised together")


class ScaleOptions(Config):
    """Options of the likelihoods with a scale."""

    scale: Literal["unit", "shared", "per-dimension", "per-example", "per-value", "optimal"] = Field(
        "unit",
        description="1, one learned, one learned for each value, one for each datum given by its code, one for each "
        "value given by the code, or one that is optimal for each batch",
    )
    min_log_scale: float = Field(-6.0, ge=-20, le=0, description="lower bound of the log-scale")
    mean: Literal["linear", "sigmoid"] = Field(
        "linear", description="the network's output, or its sigmoid, for data in [0, 1]"
    )


def _weights(value: Any) -> Any:
    """``"age:2;city:0.5"`` as well as a mapping."""
    if isinstance(value, str):
        parts = [part.rpartition(":") for part in value.split(";")]
        try:
            value = {name.strip(): float(weight) for name, _, weight in parts}
        except ValueError:
            raise ValueError("weights are written NAME:WEIGHT;NAME:WEIGHT") from None
    if not isinstance(value, dict) or any(weight < 0 for weight in value.values()):
        raise ValueError("weights of columns are numbers from 0 on, by their names")
    return value


class TableOptions(Config):
    """Options of the likelihood ``table``."""

    numbers: Literal["gaussian", "laplace", "student"] = Field(
        "gaussian", description="of numbers and dates: Gaussian, Laplace, or Student's t of 3 degrees of freedom"
    )
    counts: Literal["negative-binomial", "poisson", "zero-inflated"] = Field(
        "negative-binomial", description="of counts: negative binomial, Poisson, or the first with further zeros"
    )
    min_log_scale: float = Field(-3.0, ge=-20, le=0, description="lower bound of the log-scales of numbers")
    weights: Annotated[dict[str, float], BeforeValidator(_weights)] = Field(
        {}, description="of columns in the sum, such as age:2;city:0.5; each is 1 if not given, and 0 leaves it out"
    )


class CountsOptions(Config):
    """Options of the likelihood ``counts``."""

    law: Literal["negative-binomial", "poisson", "zero-inflated"] = Field(
        "negative-binomial", description="of each count given its mean"
    )
    library: bool = Field(True, description="means are shares of the row's sum, which is given; else they are free")


class LaplacePriorOptions(Config):
    """Options of the prior ``laplace``."""

    scale: float = Field(1.0, gt=0, description="b of exp(−|z|/b)/2b")


class MixtureOptions(Config):
    """Options of the prior ``mixture``."""

    components: int = Field(10, ge=1, le=10_000, description="number of Gaussians")
