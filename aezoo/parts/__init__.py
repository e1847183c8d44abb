"""What a model is made of: one interface a file."""

from aezoo.core.schedules import warmed_up
from aezoo.parts.build import build_part, part_options, resolved
from aezoo.parts.columns import ColumnInput, columns_of
from aezoo.parts.corruption import Corruption, MaskChannel
from aezoo.parts.counts import Counts, CountsDistribution, LogCounts
from aezoo.parts.decoder import Decoder
from aezoo.parts.distributions import Laplace as LaplaceDistribution
from aezoo.parts.distributions import Levels, Normal, by_value
from aezoo.parts.encoder import Encoder, GaussianEncoder, PointEncoder
from aezoo.parts.gradient import Gradient, check_gradient, depends_on, score_function
from aezoo.parts.likelihood import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    Gaussian,
    Laplace,
    Likelihood,
    Outputs,
)
from aezoo.parts.networks import conv, initialise, mlp
from aezoo.parts.posterior import (
    Point,
    Posterior,
    SparsePoint,
    divergence,
    divergence_of_each,
    draw,
    has_density,
    marginals,
)
from aezoo.parts.precision import full_precision
from aezoo.parts.prior import (
    LaplacePrior,
    MixtureOfGaussians,
    Prior,
    StandardNormal,
    laplace_scale,
    laplace_weight,
)
from aezoo.parts.regularizer import (
    AFTER_STEP_VOCABULARY,
    KL,
    VOCABULARY,
    Asking,
    Regularizer,
    Reset,
    Weighted,
)
from aezoo.parts.resnet import resnet
from aezoo.parts.scaling import Scaling
from aezoo.parts.series import conv1d
from aezoo.parts.sparse import Selection, SparseCode, Support, transforming
from aezoo.parts.table import Mixed, Table, expected, residual

__all__ = [
    "AFTER_STEP_VOCABULARY",
    "KL",
    "VOCABULARY",
    "Asking",
    "Bernoulli",
    "Categorical",
    "ColumnInput",
    "ContinuousBernoulli",
    "Corruption",
    "Counts",
    "CountsDistribution",
    "Decoder",
    "Encoder",
    "Gaussian",
    "GaussianEncoder",
    "Gradient",
    "Laplace",
    "LaplaceDistribution",
    "LaplacePrior",
    "Levels",
    "Likelihood",
    "LogCounts",
    "MaskChannel",
    "Mixed",
    "MixtureOfGaussians",
    "Normal",
    "Outputs",
    "Point",
    "PointEncoder",
    "Posterior",
    "Prior",
    "Regularizer",
    "Reset",
    "Scaling",
    "Selection",
    "SparseCode",
    "SparsePoint",
    "StandardNormal",
    "Support",
    "Table",
    "Weighted",
    "build_part",
    "by_value",
    "check_gradient",
    "columns_of",
    "conv",
    "conv1d",
    "depends_on",
    "divergence",
    "divergence_of_each",
    "draw",
    "expected",
    "full_precision",
    "has_density",
    "initialise",
    "laplace_scale",
    "laplace_weight",
    "marginals",
    "mlp",
    "part_options",
    "residual",
    "resnet",
    "resolved",
    "score_function",
    "transforming",
    "warmed_up",
]
