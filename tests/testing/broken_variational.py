"""Variational models that are broken."""

import numpy as np
import torch
from faults import breaks, variational

import aezoo
from aezoo.parts import (
    GaussianEncoder,
    StandardNormal,
)


class Unseeded(StandardNormal):
    """Samples from a stream of its own."""

    def forward(self, encode=None):
        p = super().forward(encode)
        stream = np.random.default_rng()
        plain = p.sample
        p.sample = lambda shape=(): plain(shape) + torch.tensor(stream.normal(), dtype=torch.float32)
        return p


@breaks("samples", "samples of the same seed differ")
def samples_without_seed(config, spec):
    return aezoo.assemble(config, spec, **variational(config, spec, prior=Unseeded((config.latent_dim,))))


def sampling(change):
    """A build function of a model whose codes are drawn from ``change(drawn)``."""

    def build(config, spec):
        class Changed(StandardNormal):
            def forward(self, encode=None):
                p = super().forward(encode)
                plain = p.sample
                p.sample = lambda shape=(): change(plain(shape))
                return p

        return aezoo.assemble(config, spec, **variational(config, spec, prior=Changed((config.latent_dim,))))

    return build


breaks("samples", "are not finite", "samples-of-nan")(sampling(lambda z: z * torch.nan))
breaks("samples", "samples run from", "samples-out-of-range")(sampling(lambda z: 40 * z))
breaks("samples", "most values of samples lie outside", "samples-far-off")(sampling(lambda z: 14 + z))
breaks("samples", "all samples are the same", "samples-alike")(sampling(lambda z: z[:1].expand_as(z)))
breaks("samples", "samples of two seeds are the same", "samples-of-one-seed")(
    sampling(lambda z: torch.linspace(-1, 1, len(z))[:, None].expand_as(z))
)


class Unscaled(aezoo.Autoencoder):
    def sample(self, n, **options):
        return super().sample(n, **options) / 16


@breaks("samples", "are they in raw units")
def samples_off_scale(config, spec):
    model = aezoo.assemble(config, spec, **variational(config, spec))
    model.__class__ = Unscaled
    return model


class Overrated(GaussianEncoder):
    """Its log-density is too high by far."""

    def forward(self, x):
        q = super().forward(x)
        plain = q.log_prob
        q.log_prob = lambda z: plain(z) + 200
        return q


@breaks("capabilities", "below its own lower bound")
def density_too_high(config, spec):
    return aezoo.assemble(config, spec, **variational(config, spec, encoder=Overrated))


class OffCentre(GaussianEncoder):
    """Its draws are not around its mean."""

    def forward(self, x):
        q = super().forward(x)
        plain = q.rsample
        q.rsample = lambda shape=(): plain(shape) + 3
        return q


@breaks("capabilities", "the mean of a code's draws")
def draws_off_centre(config, spec):
    return aezoo.assemble(config, spec, **variational(config, spec, encoder=OffCentre))


class Certain(GaussianEncoder):
    """Says that it has a density, and always draws the same."""

    def forward(self, x):
        q = super().forward(x)
        q.rsample = lambda shape=(): q.mean.expand(*shape, *q.mean.shape)
        return q


@breaks("capabilities", "says 'stochastic'")
def draws_that_do_not_differ(config, spec):
    return aezoo.assemble(config, spec, **variational(config, spec, encoder=Certain))
