"""p(x | z) as a family: the likelihood is the reconstruction loss.

A likelihood says how many values of the decoder's network it needs for one datum and turns them into a distribution
with event *X. All are in the units of the preprocessed data.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError
from aezoo.parts.border import Border
from aezoo.parts.distributions import Bernoulli as BernoulliDistribution
from aezoo.parts.distributions import ContinuousBernoulli as ContinuousBernoulliDistribution
from aezoo.parts.distributions import Laplace as LaplaceDistribution
from aezoo.parts.distributions import Levels, LocationScale, Normal

ScaleForm = Literal["unit", "shared", "per-dimension", "per-example", "per-value", "optimal"]
MeanForm = Literal["linear", "sigmoid"]
# below the spread of scaled data: a posterior collapses while its likelihood forgives every error
FIRST_LOG_SCALE = -1.0


class Outputs(NamedTuple):
    """What a likelihood needs of the decoder's network for a datum of ``shape``.

    First ``channels`` values for each of the D values of the datum, laid out (channels, *shape), then ``scalars``
    values for the datum as a whole.

    Examples:
        >>> aezoo.parts.Outputs((1, 8, 8), channels=2, scalars=1).size
        129
    """

    shape: tuple[int, ...]
    channels: int = 1
    scalars: int = 0

    @property
    def size(self) -> int:
        """The number of values in all."""
        return self.channels * math.prod(self.shape) + self.scalars


class Likelihood(Border, ABC):
    """``forward(output: (K, B, outputs.size)) → Distribution`` with batch (K, B) and event *X.

    Examples:
        >>> class Unit(aezoo.parts.Likelihood):
        ...     def forward(self, output):
        ...         loc = output.view(*output.shape[:-1], *self.shape)
        ...         return torch.distributions.Independent(torch.distributions.Normal(loc, 1.0), len(self.shape))
        >>> Unit(aezoo.DataSpec(shape=(2, 3)))(torch.zeros(1, 4, 6)).event_shape
        torch.Size([2, 3])
    """

    unit_interval = False
    """Whether the data must lie in [0, 1]."""
    capabilities: tuple[str, ...] = ()
    """``density`` (continuous data) or ``mass`` (discrete data), where ``log_prob`` is one."""

    def __init__(self, spec: DataSpec, *, channels: int = 1, scalars: int = 0) -> None:
        super().__init__()
        self.shape = spec.shape
        self.outputs = Outputs(spec.shape, channels, scalars)
        self.entry: Any = None
        """What makes of preprocessed data the values that a network takes, where that is not the data itself: a module
        with ``dense`` (without masks), ``observed`` and the ``names`` of the values."""
        if self.unit_interval:
            _check_unit_interval(spec, type(self).__name__, "--likelihood gaussian")

    @abstractmethod
    def forward(self, output: Tensor) -> Distribution:
        """The distribution of the data."""

    def outputs_of(self, mean: Tensor) -> Tensor | None:
        """The network's outputs (outputs.size,) at which the distribution's mean is ``mean`` (*X), where that is known.

        What else the outputs say, such as a scale, is left at zero.
        """
        return None

    def _shaped(self, values: Tensor) -> Tensor:
        return values.view(*values.shape[:-1], *self.shape)


def _check_unit_interval(spec: DataSpec, what: str, otherwise: str) -> None:
    if spec.low is None or spec.high is None or spec.low < 0 or spec.high > 1:
        reach = "not bounded" if spec.low is None else f"between {spec.low:g} and {spec.high:g}"
        raise CompositionError(
            f"{what} needs data in [0, 1], and this data is {reach}: use --preprocess minmax, or {otherwise}."
        )


def _logits(mean: Tensor) -> Tensor:
    """Finite ones, for means of 0 and 1 too."""
    return mean.logit(eps=1e-3)


class _ScaledLikelihood(Likelihood):
    """Location from the decoder; scale 1, learned, given by the code, or optimal for the batch."""

    capabilities = ("density",)
    # a lone scale has as far to go as whole layers, and while it lags, a variational posterior collapses
    paces: ClassVar = {"log_scale": 10.0}
    MOMENTUM = 0.1
    power: ClassVar[int]
    """The scale to this power is, at its optimum, the mean of the absolute deviations to this power."""
    spread: Tensor
    batches: Tensor

    def __init__(
        self, spec: DataSpec, scale: ScaleForm = "unit", min_log_scale: float = -6.0, mean: MeanForm = "linear"
    ) -> None:
        super().__init__(spec, channels=2 if scale == "per-value" else 1, scalars=1 if scale == "per-example" else 0)
        if mean == "sigmoid":
            _check_unit_interval(spec, f"{type(self).__name__} with mean=sigmoid", "mean=linear")
        self.form = scale
        self.mean = mean
        self.min_log_scale = min_log_scale
        if scale in ("shared", "per-dimension"):
            self.log_scale = nn.Parameter(torch.full(spec.shape if scale == "per-dimension" else (), FIRST_LOG_SCALE))
        if scale == "optimal":
            self.register_buffer("spread", torch.ones(()))
            self.register_buffer("batches", torch.zeros(()))

    def parameters_of(self, output: Tensor) -> tuple[Tensor, Tensor | None, int, Callable[[Tensor], Tensor] | None]:
        """What a LocationScale is made of.

        Returns:
            The location (K, B, *X); the log-scale bounded below: None, (), (*X), (K, B, 1…) or (K, B, *X); the number
            of axes of the event; and, of an optimal scale in training, the function that fits it.
        """
        loc, log_scale = output, None
        if self.form == "per-example":
            loc = output[..., :-1]
            log_scale = self._bounded(output[..., -1].view(*output.shape[:-1], *(1,) * len(self.shape)))
        elif self.form == "per-value":
            loc, raw = output.chunk(2, dim=-1)
            log_scale = self._bounded(self._shaped(raw + FIRST_LOG_SCALE))
        elif self.form == "optimal":
            log_scale = self._log_scale_of(self.spread.to(output.dtype))
        elif self.form != "unit":
            log_scale = self._bounded(self.log_scale.to(output.dtype))
        loc = self._shaped(loc if self.mean == "linear" else loc.sigmoid())
        return loc, log_scale, len(self.shape), self._fit if self.form == "optimal" and self.training else None

    def outputs_of(self, mean: Tensor) -> Tensor:
        """(outputs.size,)."""
        location = (mean if self.mean == "linear" else _logits(mean)).flatten()
        return F.pad(location, (0, self.outputs.size - len(location)))

    def _bounded(self, raw: Tensor) -> Tensor:
        # a scale that can reach zero earns an unbounded density on any value that the decoder gets exactly right
        return self.min_log_scale + F.softplus(raw - self.min_log_scale)

    def _log_scale_of(self, spread: Tensor) -> Tensor:
        return spread.clamp_min(math.exp(self.power * self.min_log_scale)).log() / self.power

    def _fit(self, deviation: Tensor) -> Tensor:
        """The log-scale () that makes deviations (K, B, *X) likeliest; remembered for evaluation."""
        spread = deviation.abs().pow(self.power).mean()
        if torch.is_grad_enabled():
            with torch.no_grad():
                self.batches += 1
                # of the first batches the plain mean: a start that no data has seen would take long to fade
                self.spread.lerp_(spread.to(self.spread.dtype), (1 / self.batches).clamp_min(self.MOMENTUM))
        return self._log_scale_of(spread)


class Gaussian(_ScaledLikelihood):
    """Gaussian around the decoder's output, or around its sigmoid (``mean="sigmoid"``, for data in [0, 1]).

    ``scale`` is one of

    - ``unit``: σ = 1, half the squared error and a constant;
    - ``shared``: one learned σ, "σ-VAE";
    - ``per-dimension``: a learned σ for each value of the datum;
    - ``per-example``: one σ for all values of a datum, given by its code;
    - ``per-value``: a σ for each value of a datum, given by its code: N(x; μ(z), diag σ²(z)), as in Kingma & Welling
      2014, appendix C.2;
    - ``optimal``: one σ, never learned but solved for. In training σ² is the mean squared error of the batch and its
      draws, so that the loss is D/2·(log 2πMSE + 1) on average; in evaluation it is fixed, a moving average over the
      training batches, so that no row's figures depend on its neighbours.

    σ stays above exp(``min_log_scale``), softly where it is learned or given: the density of a datum of D values is at
    most (2π)^(−D/2)·exp(−D·``min_log_scale``), however well it is decoded. Rybkin et al. 2021, arXiv:2006.13202.

    Examples:
        >>> likelihood = aezoo.parts.Gaussian(aezoo.DataSpec(shape=(2,)))
        >>> px = likelihood(torch.zeros(1, 1, 2))
        >>> round(px.log_prob(torch.tensor([[3.0, 4.0]])).item(), 4)
        -14.3379
    """

    power = 2

    def forward(self, output: Tensor) -> LocationScale:
        """Normal with event *X."""
        return Normal(*self.parameters_of(output))


class Laplace(_ScaledLikelihood):
    """Laplace around the decoder's output or its sigmoid: the absolute error where the scale is 1.

    ``scale`` and ``mean`` as for Gaussian; the optimal b is the mean absolute error.

    Examples:
        >>> likelihood = aezoo.parts.Laplace(aezoo.DataSpec(shape=(1,)))
        >>> round(likelihood(torch.zeros(1, 1, 1)).log_prob(torch.tensor([[2.0]])).item(), 4)
        -2.6931
    """

    power = 1

    def forward(self, output: Tensor) -> LocationScale:
        """Laplace with event *X."""
        return LaplaceDistribution(*self.parameters_of(output))


class Bernoulli(Likelihood):
    """Bernoulli by logits; grey levels in (0, 1) are scored by the cross-entropy, which then is no density.

    Examples:
        >>> likelihood = aezoo.parts.Bernoulli(aezoo.DataSpec(shape=(3,), low=0, high=1))
        >>> px = likelihood(torch.zeros(1, 2, 3))
        >>> [round(value, 4) for value in px.log_prob(torch.ones(2, 3))[0].tolist()]
        [-2.0794, -2.0794]
    """

    unit_interval = True

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.capabilities = ("mass",) if spec.levels == 2 else ()

    def forward(self, output: Tensor) -> BernoulliDistribution:
        """Bernoulli with event *X."""
        return BernoulliDistribution(self._shaped(output), len(self.shape))

    def outputs_of(self, mean: Tensor) -> Tensor:
        """(outputs.size,)."""
        return _logits(mean).flatten()


class ContinuousBernoulli(Likelihood):
    """The Bernoulli's form normalised to a density on [0, 1]. Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845.

    Examples:
        >>> likelihood = aezoo.parts.ContinuousBernoulli(aezoo.DataSpec(shape=(1,), low=0, high=1))
        >>> round(abs(likelihood(torch.zeros(1, 1, 1)).log_prob(torch.tensor([[0.3]])).item()), 4)
        0.0
    """

    unit_interval = True
    capabilities = ("density",)

    def forward(self, output: Tensor) -> Distribution:
        """Continuous Bernoulli with event *X."""
        return ContinuousBernoulliDistribution(self._shaped(output), len(self.shape))


class Categorical(Likelihood):
    """Softmax over the discrete levels of each value, such as the 256 grey levels of a pixel.

    Examples:
        >>> likelihood = aezoo.parts.Categorical(aezoo.DataSpec(shape=(3,), low=0, high=4, levels=5))
        >>> likelihood.outputs.size
        15
    """

    capabilities = ("mass",)

    def __init__(self, spec: DataSpec) -> None:
        if spec.levels is None or spec.low is None or spec.high is None:
            raise CompositionError(
                "Categorical needs discrete data whose levels and range are known (unsigned 8-bit images, or zeros "
                "and ones) and a preprocessing that keeps them (scale or none): use --likelihood gaussian."
            )
        super().__init__(spec, channels=spec.levels)
        self.low, self.high = spec.low, spec.high

    def forward(self, output: Tensor) -> Levels:
        """Levels with event *X."""
        logits = output.view(*output.shape[:-1], self.outputs.channels, *self.shape)
        return Levels(logits, len(self.shape), self.low, self.high)
