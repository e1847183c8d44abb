"""The maths, imported only when a model is built. Shapes: B batch, K draws, *X one datum of D values."""

from __future__ import annotations

import aezoo
from aezoo.errors import UsageError
from aezoo.parts import Likelihood
from torch import Tensor
from torch.distributions import Distribution, Independent, StudentT


class MyModelLikelihood(Likelihood):
    """Student's t of ν degrees of freedom and scale s around the decoder's value, independent for each value.

    −log p(x | z) in nats is, for each value, ½(ν + 1) log(1 + (x − μ)²/(ν s²)) and a constant: near μ a parabola, far
    out a logarithm. Its variance is s² ν/(ν − 2).

    Lange, Little & Taylor 1989, Robust statistical modeling using the t distribution, JASA 84, 881-896.

    Args:
        spec: of the data as the model sees it.
        freedom: ν, above 2, so that there is a variance.
        scale: s, in units of the scaled data.

    Raises:
        UsageError: one of them is out of range.
    """

    capabilities = ("density",)

    def __init__(self, spec: aezoo.DataSpec, freedom: float = 4.0, scale: float = 1.0) -> None:
        super().__init__(spec)
        if not freedom > 2:
            raise UsageError(f"freedom must be above 2 (got {freedom}).")
        if not scale > 0:
            raise UsageError(f"scale must be above 0 (got {scale}).")
        self.freedom = freedom
        self.scale = scale

    def forward(self, output: Tensor) -> Distribution:
        """Batch (K, B), event *X, of the network's ``output`` (K, B, D)."""
        loc = output.view(*output.shape[:-1], *self.shape)
        values = StudentT(loc.new_tensor(self.freedom), loc, loc.new_tensor(self.scale), validate_args=False)
        return Independent(values, len(self.shape), validate_args=False)
