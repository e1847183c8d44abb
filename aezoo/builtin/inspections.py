"""What the core itself registers to look at a trained model with."""

from __future__ import annotations

from collections.abc import Iterator

from aezoo.registry import Inspection, hookimpl

KINGMA = "Kingma & Welling 2014, Auto-encoding variational Bayes, arXiv:1312.6114"
BURDA = "Burda et al. 2016, Importance weighted autoencoders, arXiv:1509.00519"
CREMER = "Cremer et al. 2018, Inference suboptimality in variational autoencoders, arXiv:1801.03558"
RYBKIN = "Rybkin et al. 2021, Simple and effective VAE training with calibrated decoders, arXiv:2006.13202"
CHEN = "Chen et al. 2018, Isolating sources of disentanglement in variational autoencoders, arXiv:1802.04942"
VINCENT = "Vincent 2011, A connection between score matching and denoising autoencoders"
ALAIN = (
    "Alain & Bengio 2014, What regularized auto-encoders learn from the data-generating distribution, arXiv:1211.4246"
)
RIFAI = "Rifai et al. 2011, Contractive auto-encoders: explicit invariance during feature extraction"
TANGENT = "Rifai et al. 2011, The manifold tangent classifier"
TIPPING = "Tipping & Bishop 1999, Probabilistic principal component analysis"
LUCAS = "Lucas et al. 2019, Don't blame the ELBO! A linear VAE perspective on posterior collapse, arXiv:1911.02469"
BALDI = "Baldi & Hornik 1989, Neural networks and principal component analysis"


@hookimpl
def aezoo_inspections() -> Iterator[Inspection]:
    """What can be looked at in a trained model."""
    options = "aezoo.inspection.options:"
    yield Inspection(
        "estimators",
        "aezoo.inspection.evidence:estimators",
        options + "EstimatorsOptions",
        summary="The evidence bound by draws alone and with the closed-form KL, and how much each varies.",
        references=(KINGMA,),
    )
    yield Inspection(
        "gradients",
        "aezoo.inspection.evidence:gradients",
        options + "GradientsOptions",
        summary="The bound's gradient by reparameterisation and by the score function, and how much each varies.",
        references=(KINGMA,),
    )
    yield Inspection(
        "likelihood",
        "aezoo.inspection.evidence:likelihood",
        options + "LikelihoodOptions",
        summary="log p(x) of held-out rows by importance sampling, with its standard error, beside the bound.",
        references=(BURDA,),
    )
    yield Inspection(
        "gap",
        "aezoo.inspection.evidence:gap",
        options + "GapOptions",
        summary="What lies between bound and likelihood: the cost of amortisation, and of the posterior's family.",
        references=(CREMER,),
    )
    yield Inspection(
        "variance",
        "aezoo.inspection.evidence:variance",
        options + "VarianceOptions",
        summary="The decoder's variance beside the optimal shared one, which is the mean squared error.",
        references=(RYBKIN,),
    )
    yield Inspection(
        "dependence",
        "aezoo.inspection.dependence:dependence",
        options + "DependenceOptions",
        summary="The mean KL to the prior as mutual information, total correlation and dimension-wise KL.",
        references=(CHEN,),
    )
    yield Inspection(
        "field",
        "aezoo.inspection.geometry:field",
        options + "FieldOptions",
        summary="The vector field r(x) − x of a denoising model of the plane, and a walk along it back to the data.",
        references=(VINCENT, ALAIN),
    )
    yield Inspection(
        "spectrum",
        "aezoo.inspection.geometry:spectrum",
        options + "SpectrumOptions",
        summary="Singular values of the encoder's Jacobian, its mean norm, and the share of saturated units.",
        references=(RIFAI,),
    )
    yield Inspection(
        "contraction",
        "aezoo.inspection.geometry:contraction",
        options + "ContractionOptions",
        summary="How distances shrink on their way to the code: near a row, and between rows.",
        references=(RIFAI,),
    )
    yield Inspection(
        "tangents",
        "aezoo.inspection.geometry:tangents",
        options + "TangentsOptions",
        summary="The directions at one row along which its code moves most.",
        references=(TANGENT,),
    )
    yield Inspection(
        "pca",
        "aezoo.inspection.geometry:pca",
        options + "PCAOptions",
        summary="A linear model beside PCA (principal angles), and a linear variational one beside probabilistic PCA.",
        references=(BALDI, TIPPING, LUCAS),
    )
    yield Inspection(
        "sparsity",
        "aezoo.inspection.sparsity:sparsity",
        options + "SparsityOptions",
        summary="Histogram of activations, how often each unit fires, and dead units.",
    )
    yield Inspection(
        "features",
        "aezoo.inspection.sparsity:features",
        options + "FeaturesOptions",
        summary="The rows that make a unit fire most.",
    )
    yield Inspection(
        "plane",
        "aezoo.inspection.latent:plane",
        options + "PlaneOptions",
        summary="Data decoded over a plane of codes, at the prior's quantiles.",
        references=(KINGMA,),
    )
    yield Inspection(
        "interpolation",
        "aezoo.inspection.latent:interpolation",
        options + "InterpolationOptions",
        summary="Data decoded on the way between two rows' codes, straight and on the sphere.",
    )
    yield Inspection(
        "traversal",
        "aezoo.inspection.latent:traversal",
        options + "TraversalOptions",
        summary="Data decoded while one value of the code moves at a time.",
    )
    yield Inspection(
        "classes",
        "aezoo.inspection.latent:classes",
        options + "ClassesOptions",
        summary="The mean reconstruction of each class.",
    )
    yield Inspection(
        "dimensions",
        "aezoo.inspection.latent:dimensions",
        options + "DimensionsOptions",
        summary="The KL of each value of the code to the prior, and active units.",
        references=(BURDA,),
    )
    yield Inspection(
        "codebook",
        "aezoo.inspection.codebook:codebook",
        options + "CodebookOptions",
        summary="How often each vector of a codebook is chosen, and the perplexity of that choice.",
        references=("van den Oord et al. 2017, Neural discrete representation learning, arXiv:1711.00937",),
    )
