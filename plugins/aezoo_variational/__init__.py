"""Variational autoencoders: codes are distributions, and a prior makes them samples."""

from __future__ import annotations

from collections.abc import Iterator

import aezoo

HIGGINS = "Higgins et al. 2017, beta-VAE: learning basic visual concepts with a constrained variational framework"


KINGMA = "Kingma & Welling 2014, Auto-encoding variational Bayes, arXiv:1312.6114"


MADDISON = "Maddison et al. 2017, The concrete distribution, arXiv:1611.00712"


JANG = "Jang et al. 2017, Categorical reparameterization with Gumbel-softmax, arXiv:1611.01144"


WILLIAMS = "Williams 1992, Simple statistical gradient-following algorithms for connectionist reinforcement learning"


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The family's models."""
    build = "aezoo_variational.build:build_"
    yield aezoo.Model(
        "vae",
        "aezoo_variational.options:VAEConfig",
        build + "vae",
        family="variational",
        summary="Maximises the evidence lower bound with a Gaussian posterior.",
        references=(KINGMA,),
    )
    yield aezoo.Model(
        "beta-vae",
        "aezoo_variational.options:BetaVAEConfig",
        build + "beta_vae",
        family="variational",
        summary="Weighs the KL divergence by beta, a number or a schedule.",
        references=(HIGGINS,),
    )
    yield aezoo.Model(
        "iwae",
        "aezoo_variational.options:IWAEConfig",
        build + "iwae",
        family="variational",
        summary="Maximises the importance-weighted bound of several draws.",
        references=("Burda et al. 2016, Importance weighted autoencoders, arXiv:1509.00519",),
    )
    yield aezoo.Model(
        "bernoulli-vae",
        "aezoo_variational.options:BernoulliVAEConfig",
        build + "bernoulli_vae",
        family="variational",
        summary="A code of bits, learned through a relaxation or by the score function.",
        references=(MADDISON, WILLIAMS),
    )
    yield aezoo.Model(
        "categorical-vae",
        "aezoo_variational.options:CategoricalVAEConfig",
        build + "categorical_vae",
        family="variational",
        summary="A code of variables of a few categories each, learned through a relaxation or by the score function.",
        references=(JANG, WILLIAMS),
    )
    yield aezoo.Model(
        "vq-vae",
        "aezoo_variational.options:VQVAEConfig",
        build + "vq_vae",
        family="variational",
        summary="A discrete code: each position the nearest vector of a codebook that follows by moving averages.",
        references=("van den Oord et al. 2017, Neural discrete representation learning, arXiv:1711.00937",),
    )


@aezoo.hookimpl
def aezoo_priors() -> Iterator[aezoo.Part]:
    """Priors of codes without a slope."""
    yield aezoo.Part(
        "bernoulli",
        "aezoo_variational.discrete:BernoulliPrior",
        "aezoo_variational.options:BernoulliPriorOptions",
        family="variational",
        summary="Independent bits, for codes of bits.",
    )
    yield aezoo.Part(
        "categorical",
        "aezoo_variational.discrete:CategoricalPrior",
        "aezoo:Config",
        family="variational",
        summary="Independent uniform categories, for codes of categories.",
    )


@aezoo.hookimpl
def aezoo_regularizers() -> Iterator[aezoo.Part]:
    """The divergence from the prior."""
    yield aezoo.Part(
        "kl",
        "aezoo.parts:KL",
        "aezoo_variational.options:KLOptions",
        family="variational",
        summary="KL divergence of the posterior from the prior.",
        references=(KINGMA,),
    )
