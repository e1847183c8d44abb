"""What the core itself registers, by the same entry points as any plugin: networks, activations, likelihoods, priors,
datasets and inspections. Families bring the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from aezoo.builtin.inspections import aezoo_inspections
from aezoo.registry import DatasetEntry, Part, hookimpl

__all__ = [
    "aezoo_activations",
    "aezoo_datasets",
    "aezoo_inspections",
    "aezoo_likelihoods",
    "aezoo_networks",
    "aezoo_priors",
]


@hookimpl
def aezoo_networks() -> Iterator[Part]:
    """Networks that come in mirrored pairs."""
    networks, options = "aezoo.parts.networks:", "aezoo.builtin.options:"
    yield Part("mlp", networks + "mlp", options + "MLPOptions", summary="Fully connected layers of any depth.")
    yield Part(
        "conv",
        networks + "conv",
        options + "ConvOptions",
        summary="Strided convolutions for images of any size.",
    )

    yield Part(
        "resnet",
        "aezoo.parts.resnet:resnet",
        options + "ResNetOptions",
        summary="Residual blocks under group normalisation, for images of 32² to 256².",
        references=(
            "He et al. 2016, Identity mappings in deep residual networks, arXiv:1603.05027",
            "Wu & He 2018, Group normalization, arXiv:1803.08494",
        ),
    )
    yield Part(
        "conv1d",
        "aezoo.parts.series:conv1d",
        options + "Conv1dOptions",
        summary="Strided convolutions over time for series of any length.",
    )


@hookimpl
def aezoo_activations() -> Iterator[Part]:
    """Activations, for hidden layers and codes."""
    activations, options = "aezoo.parts.activations:", "aezoo.builtin.options:"
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
        yield Part(name, activations + name, options + "NoOptions", summary=summary)
    yield Part(
        "leaky-relu",
        activations + "leaky_relu",
        options + "LeakyReLUOptions",
        summary="z where positive, else slope·z.",
    )


@hookimpl
def aezoo_likelihoods() -> Iterator[Part]:
    """Distributions of the data given the code."""
    likelihoods, options = "aezoo.parts.likelihood:", "aezoo.builtin.options:"
    sigma = ("Rybkin et al. 2021, Simple and effective VAE training with calibrated decoders, arXiv:2006.13202",)
    yield Part(
        "gaussian",
        likelihoods + "Gaussian",
        options + "ScaleOptions",
        summary="Gaussian: half the squared error where the scale is 1, or with a learned scale.",
        references=sigma,
    )
    yield Part(
        "laplace",
        likelihoods + "Laplace",
        options + "ScaleOptions",
        summary="Laplace: the absolute error, or with a scale.",
    )
    yield Part(
        "bernoulli",
        likelihoods + "Bernoulli",
        options + "NoOptions",
        summary="Bernoulli by logits, for data in [0, 1]: the cross-entropy.",
    )
    yield Part(
        "continuous-bernoulli",
        likelihoods + "ContinuousBernoulli",
        options + "NoOptions",
        summary="The Bernoulli's form normalised to a density on [0, 1].",
        references=("Loaiza-Ganem & Cunningham 2019, The continuous Bernoulli, arXiv:1907.06845",),
    )
    yield Part(
        "categorical",
        likelihoods + "Categorical",
        options + "NoOptions",
        summary="Softmax over the discrete levels of each value.",
    )
    yield Part(
        "table",
        "aezoo.parts.table:Table",
        options + "TableOptions",
        summary="A distribution for each column of a mixed table, by its kind; missing values are left out.",
        references=("Nazábal et al. 2020, Handling incomplete heterogeneous data using VAEs, arXiv:1807.03653",),
    )
    yield Part(
        "counts",
        "aezoo.parts.counts:Counts",
        options + "CountsOptions",
        summary="Counts of genes or words given their sum: negative binomial, with further zeros, or Poisson.",
        references=("Lopez et al. 2018, Deep generative modeling for single-cell transcriptomics",),
    )


@hookimpl
def aezoo_priors() -> Iterator[Part]:
    """Distributions of the code."""
    priors, options = "aezoo.parts.prior:", "aezoo.builtin.options:"
    yield Part("normal", priors + "StandardNormal", options + "NoOptions", summary="Standard normal.")
    yield Part(
        "laplace",
        priors + "LaplacePrior",
        options + "LaplacePriorOptions",
        summary="Independent Laplace variables.",
    )
    yield Part(
        "mixture",
        priors + "MixtureOfGaussians",
        options + "MixtureOptions",
        summary="A learned mixture of Gaussians.",
    )


@hookimpl
def aezoo_datasets() -> Iterator[DatasetEntry]:
    """Bundled data, readers of well-known files, and synthetic data whose truth is known."""
    builtin, options = "aezoo.data.builtin:", "aezoo.data.options:"
    yield DatasetEntry(
        "digits",
        builtin + "digits",
        options + "DigitsOptions",
        summary="1,797 scanned digits of 8×8 pixels and 17 grey levels, bundled with scikit-learn.",
        references=("Alpaydin & Kaynak 1998, Optical recognition of handwritten digits, UCI",),
    )
    yield DatasetEntry(
        "mnist",
        builtin + "mnist",
        options + "MnistOptions",
        summary="60,000 + 10,000 handwritten digits of 28×28 pixels, from the four IDX files in --data-dir.",
        references=("LeCun et al. 1998, Gradient-based learning applied to document recognition",),
    )
    yield DatasetEntry(
        "idx",
        builtin + "idx_folder",
        options + "IdxOptions",
        summary="Any IDX files named as MNIST's, gzipped or not, from --data-dir.",
    )
    yield DatasetEntry(
        "gaussian-subspace",
        builtin + "gaussian_subspace",
        options + "GaussianSubspaceOptions",
        summary="Synthetic: a Gaussian on a linear subspace, and noise around it.",
    )
    yield DatasetEntry(
        "swiss-roll",
        builtin + "swiss_roll",
        options + "SwissRollOptions",
        summary="Synthetic: a rolled-up plane in three dimensions.",
        references=("Tenenbaum et al. 2000, A global geometric framework for nonlinear dimensionality reduction",),
    )
    yield DatasetEntry(
        "moons",
        builtin + "moons",
        options + "MoonsOptions",
        summary="Synthetic: two interlocked half circles in the plane.",
    )
    yield DatasetEntry(
        "circles",
        builtin + "circles",
        options + "CirclesOptions",
        summary="Synthetic: images of discs, whose place and radius are known.",
    )
    yield DatasetEntry(
        "sparse-dictionary",
        builtin + "sparse_dictionary",
        options + "SparseDictionaryOptions",
        summary="Synthetic: sparse sums of random unit features, whose dictionary is to be recovered.",
    )
