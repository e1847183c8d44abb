"""What the core itself registers, by the same entry points as any plugin: networks, activations, likelihoods, priors,
datasets and inspections. Families bring the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from aezoo.builtin.inspections import aezoo_inspections
from aezoo.core.config import Config
from aezoo.data import options as data
from aezoo.registry import DatasetEntry, Part, hookimpl

__all__ = [
    "aezoo_activations",
    "aezoo_datasets",
    "aezoo_inspections",
    "aezoo_likelihoods",
    "aezoo_networks",
    "aezoo_priors",
]


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


class ScaleOptions(Config):
    """Options of the likelihoods with a scale."""

    scale: Literal["unit", "shared", "per-dimension", "per-example", "optimal"] = Field(
        "unit",
        description="1, one learned, one learned for each value, one for each datum given by its code, or one that is "
        "optimal for each batch",
    )
    min_log_scale: float = Field(-6.0, ge=-20, le=0, description="lower bound of the log-scale")
    mean: Literal["linear", "sigmoid"] = Field(
        "linear", description="the network's output, or its sigmoid, for data in [0, 1]"
    )


class LaplacePriorOptions(Config):
    """Options of the prior ``laplace``."""

    scale: float = Field(1.0, gt=0, description="b of exp(−|z|/b)/2b")


class MixtureOptions(Config):
    """Options of the prior ``mixture``."""

    components: int = Field(10, ge=1, le=10_000, description="number of Gaussians")


@hookimpl
def aezoo_networks() -> Iterator[Part]:
    """Networks that come in mirrored pairs."""
    networks = "aezoo.parts.networks:"
    yield Part("mlp", networks + "mlp", MLPOptions, summary="Fully connected layers of any depth.")
    yield Part("conv", networks + "conv", ConvOptions, summary="Strided convolutions for images of any size.")


@hookimpl
def aezoo_activations() -> Iterator[Part]:
    """Activations, for hidden layers and codes."""
    activations = "aezoo.parts.activations:"
    for name, summary in {
        "identity": "z, unchanged.",
        "relu": "max(z, 0).",
        "elu": "z where positive, else exp(z) − 1.",
        "gelu": "z·Φ(z).",
        "silu": "z·sigmoid(z).",
        "sigmoid": "1/(1 + exp(−z)).",
        "tanh": "tanh z.",
        "softplus": "log(1 + exp z).",
    }.items():
        yield Part(name, activations + name, NoOptions, summary=summary)
    yield Part("leaky-relu", activations + "leaky_relu", LeakyReLUOptions, summary="z where positive, else slope·z.")


@hookimpl
def aezoo_likelihoods() -> Iterator[Part]:
    """Distributions of the data given the code."""
    likelihoods = "aezoo.parts.likelihood:"
    sigma = ("Rybkin et al. 2021, Simple and effective VAE training with calibrated decoders, arXiv:2006.13202",)
    yield Part(
        "gaussian",
        likelihoods + "Gaussian",
        ScaleOptions,
        summary="Gaussian: half the squared error where the scale is 1, or with a learned scale.",
        references=sigma,
    )
    yield Part(
        "laplace", likelihoods + "Laplace", ScaleOptions, summary="Laplace: the absolute error, or with a scale."
    )
    yield Part(
        "bernoulli",
        likelihoods + "Bernoulli",
        NoOptions,
        summary="Bernoulli by logits, for data in [0, 1]: the cross-entropy.",
    )
    yield Part(
        "continuous-bernoulli",
        likelihoods + "ContinuousBernoulli",
        NoOptions,
        summary="The Bernoulli's form normalised to a density on [0, 1].",
        references=("Loaiza-Ganem & Cunningham 2019, The continuous Bernoulli, arXiv:1907.06845",),
    )
    yield Part(
        "categorical",
        likelihoods + "Categorical",
        NoOptions,
        summary="Softmax over the discrete levels of each value.",
    )


@hookimpl
def aezoo_priors() -> Iterator[Part]:
    """Distributions of the code."""
    priors = "aezoo.parts.prior:"
    yield Part("normal", priors + "StandardNormal", NoOptions, summary="Standard normal.")
    yield Part("laplace", priors + "LaplacePrior", LaplacePriorOptions, summary="Independent Laplace variables.")
    yield Part("mixture", priors + "MixtureOfGaussians", MixtureOptions, summary="A learned mixture of Gaussians.")


@hookimpl
def aezoo_datasets() -> Iterator[DatasetEntry]:
    """Bundled data, readers of well-known files, and synthetic data whose truth is known."""
    builtin = "aezoo.data.builtin:"
    yield DatasetEntry(
        "digits",
        builtin + "digits",
        data.DigitsOptions,
        summary="1,797 scanned digits of 8×8 pixels and 17 grey levels, bundled with scikit-learn.",
        references=("Alpaydin & Kaynak 1998, Optical recognition of handwritten digits, UCI",),
    )
    yield DatasetEntry(
        "mnist",
        builtin + "mnist",
        data.MnistOptions,
        summary="60,000 + 10,000 handwritten digits of 28×28 pixels, from the four IDX files in --data-dir.",
        references=("LeCun et al. 1998, Gradient-based learning applied to document recognition",),
    )
    yield DatasetEntry(
        "idx",
        builtin + "idx_folder",
        data.IdxOptions,
        summary="Any IDX files named as MNIST's, gzipped or not, from --data-dir.",
    )
    yield DatasetEntry(
        "gaussian-subspace",
        builtin + "gaussian_subspace",
        data.GaussianSubspaceOptions,
        summary="Synthetic: a Gaussian on a linear subspace, and noise around it.",
    )
    yield DatasetEntry(
        "swiss-roll",
        builtin + "swiss_roll",
        data.SwissRollOptions,
        summary="Synthetic: a rolled-up plane in three dimensions.",
        references=("Tenenbaum et al. 2000, A global geometric framework for nonlinear dimensionality reduction",),
    )
    yield DatasetEntry(
        "moons",
        builtin + "moons",
        data.MoonsOptions,
        summary="Synthetic: two interlocked half circles in the plane.",
    )
    yield DatasetEntry(
        "sparse-dictionary",
        builtin + "sparse_dictionary",
        data.SparseDictionaryOptions,
        summary="Synthetic: sparse sums of random unit features, whose dictionary is to be recovered.",
    )
