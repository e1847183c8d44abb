"""Decoders: from codes to a distribution over data."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from aezoo.errors import CompositionError
from aezoo.parts.border import Border
from aezoo.parts.likelihood import Likelihood
from aezoo.parts.sparse import SparseCode, affine_of, lay_out, linear_at, rows_adjoin
from aezoo.registry import of


class Decoder(Border):
    """p(x | z): a network that gives the parameters of a likelihood.

    Args:
        network: any module from (N, *Z) to N rows of ``likelihood.outputs.size`` values, in any shape.
        likelihood: turns those values into a distribution over data.

    Examples:
        >>> spec = aezoo.DataSpec(shape=(3,))
        >>> decoder = aezoo.parts.Decoder(torch.nn.Linear(2, 3), aezoo.parts.Gaussian(spec))
        >>> decoder(torch.zeros(1, 5, 2)).mean.shape
        torch.Size([1, 5, 3])
    """

    def __init__(self, network: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.network = network
        self.likelihood = likelihood

    def forward(self, z: Tensor | SparseCode) -> Distribution:
        """The distribution of the data for each code (K, B, *Z): batch (K, B), event *X.

        A sparse code is for who has asked ``reads_active``; it meets the rows of its active units alone.

        Raises:
            CompositionError: the network's output has another size than the likelihood needs.
        """
        draws, batch = z.shape[:2]
        output = (self._of_active(z) if isinstance(z, SparseCode) else self.network(z.flatten(0, 1))).flatten(1)
        wanted = self.likelihood.outputs.size
        if output.shape[1] != wanted:
            raise CompositionError(
                f"the decoder's network{of(self.network)} gives {output.shape[1]} values a row, and the likelihood "
                f"{type(self.likelihood).__name__} needs {wanted} for data of shape {self.likelihood.shape}."
            )
        # a likelihood summed over hundreds of pixels needs more than the 8 bits that autocast leaves
        distribution: Distribution = self.likelihood(output.view(draws, batch, wanted).to(z.dtype))
        return distribution

    @property
    def reads_active(self) -> bool:
        """Whether a code's first meeting is with a linear layer, whose rows are laid out for sparse codes."""
        found = linear_at(self.network, 0) if type(self).forward is Decoder.forward else None
        return found is not None and rows_adjoin(found[1])

    def lay_out(self) -> None:
        """Lays the first layer's weights out for sparse codes, where it is linear; before there is an optimizer."""
        found = linear_at(self.network, 0)
        if found is not None:
            lay_out(found[1])

    def _of_active(self, code: SparseCode) -> Tensor:
        found = linear_at(self.network, 0)
        assert found is not None
        later, first = found
        h = affine_of(code, first)
        if code.draws > 1:
            # before later layers, whose dropout is another for each draw
            h = h.expand(code.draws, *h.shape).flatten(0, 1)
        for module in later:
            h = module(h)
        return h
