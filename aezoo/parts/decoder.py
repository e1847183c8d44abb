"""Decoders: from codes to a distribution over data."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from aezoo.errors import CompositionError
from aezoo.parts.likelihood import Likelihood


class Decoder(nn.Module):
    """p(x | z): a network that gives the parameters of a likelihood.

    Args:
        network: any module from (N, *Z) to N rows of ``likelihood.outputs.size`` values, in any shape.
        likelihood: turns those values into a distribution over data.
    """

    def __init__(self, network: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.network = network
        self.likelihood = likelihood

    def forward(self, z: Tensor) -> Distribution:
        """The distribution of the data for each code (K, B, *Z): batch (K, B), event *X.

        Raises:
            CompositionError: the network's output has another size than the likelihood needs.
        """
        draws, batch = z.shape[:2]
        output = self.network(z.flatten(0, 1)).flatten(1)
        wanted = self.likelihood.outputs.size
        if output.shape[1] != wanted:
            raise CompositionError(
                f"the decoder's network gives {output.shape[1]} values a row, and the likelihood "
                f"{type(self.likelihood).__name__} needs {wanted} for data of shape {self.likelihood.shape}."
            )
        # a likelihood summed over hundreds of pixels needs more than the 8 bits that autocast leaves
        distribution: Distribution = self.likelihood(output.view(draws, batch, wanted).to(z.dtype))
        return distribution
