"""A variational model whose evidence and posterior are known in closed form: x = Wz + b + σε with z ~ N(0, I)."""

import math

import torch
from torch import distributions as td
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import KL, Decoder, Gaussian, GaussianEncoder, StandardNormal, Weighted

D, Z, SIGMA = 6, 3, 0.7


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class LinearGaussian:
    """The model in float64, rows drawn from it, and the truth about them.

    ``orthogonal`` columns of W make the exact posterior diagonal, so that the encoder holds it. ``shift`` is added to
    the encoder's means and ``stretch`` to its log σ.
    """

    def __init__(self, orthogonal=True, shift=0.0, stretch=0.0, rows=20, **options):
        w = torch.linalg.qr(drawn(D, Z)).Q * torch.tensor([2.0, 1.0, 0.5]) if orthogonal else 0.7 + 0.7 * drawn(D, Z)
        b, eye = drawn(D, seed=1), torch.eye(Z, dtype=torch.float64)
        precision = eye + w.T @ w / SIGMA**2
        back = torch.linalg.solve(precision, w.T) / SIGMA**2
        up, down = nn.Linear(D, 2 * Z), nn.Linear(Z, D)
        spec = DataSpec(shape=(D,), scaling="none")
        options = {"prior": StandardNormal((Z,)), "regularizers": [Weighted("kl", KL())]} | options
        likelihood = Gaussian(spec, "shared", min_log_scale=-10.0)
        self.model = Autoencoder(GaussianEncoder(up), Decoder(down, likelihood), spec=spec, **options).double()
        # the best scale of a diagonal Gaussian is that of the conditionals: the precision's diagonal
        log_variance = -precision.diagonal().log()
        up.weight.data = torch.cat([back, torch.zeros(Z, D)])
        up.bias.data = torch.cat([shift - back @ b, log_variance + 2 * stretch])
        down.weight.data, down.bias.data = w.clone(), b.clone()
        raw = math.log(math.expm1(math.log(SIGMA) + 10)) - 10
        likelihood.log_scale.data = torch.tensor(raw, dtype=torch.float64)
        self.evidence = td.MultivariateNormal(b, w @ w.T + SIGMA**2 * torch.eye(D, dtype=torch.float64))
        self.x = self.evidence.mean + drawn(rows, D, seed=2) @ torch.linalg.cholesky(self.evidence.covariance_matrix).T
        self.split = Dataset(self.x.numpy(), spec=spec).all()
        self.posterior = td.MultivariateNormal((self.x - b) @ back.T, precision_matrix=precision)

    @property
    def log_evidence(self):
        """log p(x) (n,)."""
        return self.evidence.log_prob(self.x)

    def divergence(self, mean, log_scale):
        """KL (n,) of a diagonal Gaussian from the exact posterior."""
        q = td.MultivariateNormal(mean, torch.diag_embed((2 * log_scale).exp()))
        return td.kl_divergence(q, self.posterior)
