"""The contractive penalty, for any encoder."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

# the base class of every batch normalisation, in torch's own words
from torch.nn.modules.batchnorm import _BatchNorm

from aezoo.errors import CompositionError
from aezoo.parts import Regularizer
from aezoo_contractive.layers import are_cheap, layers_of, squared_norm


class Contraction(Regularizer):
    """‖∂f/∂x‖²_F, the squared Frobenius norm of the encoder's Jacobian at the clean input. Rifai et al. 2011.

    Exactly: in closed form for the code of a model of one fully connected layer, or of more where the first is
    narrow; for any other encoder by one backward pass for each value of the code, taken together. Or estimated without
    bias as Z/P·Σ_p ‖Jᵀv_p‖² from P random orthonormal directions v_p, which is exact again when P = Z.

    Args:
        projections: P; None for the exact norm.
    """

    def __init__(self, projections: int | None = None) -> None:
        super().__init__()
        self.projections = projections

    def check(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Raises CompositionError for an encoder whose rows depend on each other, so that no row has a Jacobian."""
        if any(isinstance(module, _BatchNorm) for module in encoder.modules()):
            raise CompositionError(
                "contraction needs the Jacobian of each row by itself, and batch normalisation mixes rows: "
                "use norm=layer or none."
            )

    def forward(self, x: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """(B,), nats: unitless squared norms."""
        layers = layers_of(encode, x)
        if layers and are_cheap(layers):
            size = layers[-1].affine.out_features
            if self._count(size) == size:
                return squared_norm(layers, x.detach().flatten(1))
        return self._by_passes(x, encode)

    def _by_passes(self, x: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        trained = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            code = encode(x).flatten(1)
            directions = self._directions(code)
            (products,) = torch.autograd.grad(code, x, directions, is_grads_batched=True, create_graph=trained)
        penalty: Tensor = products.square().flatten(2).sum((0, 2))
        return penalty

    def _count(self, size: int) -> int:
        """P for a code of ``size`` values: no more than those."""
        return min(self.projections or size, size)

    def _directions(self, code: Tensor) -> Tensor:
        """P directions for each row (P, B, Z), scaled so that E Σ v·vᵀ = I."""
        rows, size = code.shape
        count = self._count(size)
        if count == size:
            eye = torch.eye(size, dtype=code.dtype, device=code.device)
            return eye[:, None].expand(size, rows, size)
        # one basis a batch is enough: independent signs give every row a rotation of its own
        gaussian = torch.randn(size, count, dtype=code.dtype, device=code.device)
        basis: Tensor = torch.linalg.qr(gaussian).Q.t()
        signs = torch.randint(0, 2, (rows, size), device=code.device).to(code.dtype) * 2 - 1
        scale = math.sqrt(size / count)
        return scale * basis[:, None] * signs
