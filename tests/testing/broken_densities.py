"""Models whose densities, noise or rows are not what they are said to be."""

import threading
import time

import torch
from faults import as_a, breaks, decoding, encoding, options, variational
from pydantic import Field
from torch import nn

import aezoo
from aezoo.parts import (
    KL,
    Corruption,
    GaussianEncoder,
    PointEncoder,
    Regularizer,
    StandardNormal,
    Weighted,
)


@breaks("densities", "a mean over the datum where a sum is due")
def error_averaged_over_the_datum(config, spec):
    return decoding(config, spec, log_prob=lambda value: value / spec.size)


@breaks("densities", "is a factor missing")
def error_without_its_half(config, spec):
    return decoding(config, spec, log_prob=lambda value: 2 * value)


class Averaged(GaussianEncoder):
    def forward(self, x):
        q = super().forward(x)
        plain = q.log_prob
        q.log_prob = lambda z: plain(z) / z.shape[-1]
        return q


class ByVariance(GaussianEncoder):
    def forward(self, x):
        q = super().forward(x)
        q.rsample = lambda shape=(): q.loc + q.scale.square() * torch.randn_like(q.loc.expand(*shape, *q.loc.shape))
        return q


class OfTheBatch(GaussianEncoder):
    def forward(self, x):
        q = super().forward(x)
        q.rsample = lambda shape=(): q.loc + q.scale * torch.randn_like(q.loc[:1].expand(*shape, 1, q.loc.shape[-1]))
        return q


def coded(encoder):
    return lambda config, spec: aezoo.assemble(config, spec, **variational(config, spec, encoder=encoder))


breaks("densities", "draws of q(z | x) are not of its log-density", "density-averaged-over-the-code")(coded(Averaged))
breaks("densities", "draws of q(z | x) are not of its log-density", "variance-for-deviation")(coded(ByVariance))
breaks("capabilities", "noise that the rows of a batch share", "noise-of-the-batch")(coded(OfTheBatch))


class Wide(StandardNormal):
    def forward(self, encode=None):
        p = super().forward(encode)
        plain = p.sample
        p.sample = lambda shape=(): 2 * plain(shape)
        return p


@breaks("densities", "draws of p(z) are not of its log-density")
def prior_wider_than_its_density(config, spec):
    return aezoo.assemble(config, spec, **variational(config, spec, prior=Wide((config.latent_dim,))))


class Changed(KL):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, q, z, prior):
        return self.change(super().forward(q, z, prior), z)


def divergence(change):
    def build(config, spec):
        kl = [Weighted("kl", Changed(change), 0.01)]
        return aezoo.assemble(config, spec, **variational(config, spec, regularizers=kl))

    return build


breaks("densities", "divided by the size of the code, 8", "kl-averaged-over-the-code")(
    divergence(lambda kl, z: kl / z.shape[-1])
)
breaks("densities", "is −KL(q ‖ p)", "kl-backwards")(divergence(lambda kl, z: -kl))


class HalfAsLarge(Regularizer):
    def forward(self, z):
        return z.square().flatten(2).sum(-1) / z.shape[1]


@breaks("rows", "half as large")
def penalty_averaged_twice(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("size", HalfAsLarge(), 0.1)])


class Noise(Corruption):
    def __init__(self, rows, fixed):
        super().__init__()
        self.rows, self.fixed = rows, fixed

    def forward(self, x):
        kept = self.uniform(x[: self.rows])
        if self.fixed:
            kept = torch.rand(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
        return x * (kept > 0.3)


def corrupted(rows, fixed):
    def build(config, spec):
        model = aezoo.assemble(config, spec)
        model.corruption = Noise(rows, fixed)
        return model

    return build


breaks("capabilities", "noise that they share", "mask-of-the-batch")(corrupted(1, False))
breaks("capabilities", "noise that stays", "mask-that-stays")(corrupted(None, True))


@breaks("repeats", "it sees more")
def decoder_that_sees_the_rows(config, spec):
    model = aezoo.assemble(config, spec)
    encode, decode, seen = model.encoder.forward, model.decoder.forward, threading.local()

    def encoded(x):
        seen.x = x
        return encode(x)

    def decoded(z):
        px = decode(z)
        if px.loc.shape[1:] == seen.x.shape:
            px.loc = 0.5 * (px.loc + seen.x)
        return px

    model.encoder.forward, model.decoder.forward = encoded, decoded
    return model


breaks("neighbours", "last of a thousand", "rows-left-out")(
    encoding(lambda network, x: network(x) * (torch.arange(len(x), device=x.device) < 256)[:, None])
)
breaks("neighbours", "in another number of threads", "by-the-number-of-threads")(
    encoding(lambda network, x: network(x) * (1 + 0.1 * torch.get_num_threads()))
)
breaks("seeds", "it reads the clock", "noise-of-the-stopwatch")(
    encoding(lambda network, x: network(x) * (1 + 1e-6 * (time.perf_counter() // 1000)))
)


class Lazy(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        if self.training and not hasattr(self, "gain"):
            self.gain = nn.Parameter(x.new_ones(()))
        return self.network(x) * getattr(self, "gain", 1)


@breaks("gradients", "encoder.network.gain is made in training")
def parameter_made_late(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Lazy(network)))


class Squeezing(aezoo.Autoencoder):
    def sample(self, n, **options):
        found = super().sample(n, **options)
        return found[0] if n == 1 else found


class Noiseless(aezoo.Autoencoder):
    def sample(self, n, *, noise=False, **options):
        return super().sample(n, **options)


class ScoreOfOneDraw(aezoo.Autoencoder):
    def score(self, x, *, draws=None, **options):
        return super().score(x, draws=draws and 1, **options)


class LikelihoodOfOneDraw(aezoo.Autoencoder):
    def log_likelihood(self, x, *, draws=100, **options):
        return super().log_likelihood(x, draws=1, **options)


class OneDraw(aezoo.Autoencoder):
    def reconstruct(self, x, *, draws=None, **options):
        return super().reconstruct(x, **options)


def variational_as_a(kind):
    def build(config, spec):
        model = aezoo.assemble(config, spec, **variational(config, spec))
        model.__class__ = kind
        return model

    return build


breaks("samples", "sample(1) has shape", "sample-of-one")(variational_as_a(Squeezing))
breaks("samples", "samples with noise are those without", "samples-without-noise")(variational_as_a(Noiseless))
breaks("shapes", "reconstruct with two draws", "reconstruct-of-one-draw")(as_a(OneDraw))
breaks("capabilities", "score() by five draws is that by one", "score-of-one-draw")(variational_as_a(ScoreOfOneDraw))
breaks("capabilities", "log_likelihood() by fifty", "likelihood-of-one-draw")(variational_as_a(LikelihoodOfOneDraw))


@breaks("nan", "log p(x | z) is finite for codes of NaN")
def error_that_swallows_nan(config, spec):
    return decoding(config, spec, log_prob=lambda value: value.nan_to_num())


@breaks("config", "changes its config", config=options("sizes", sizes=(list[int], Field([1], description="sizes"))))
def config_changed(config, spec):
    config.sizes.append(2)
    return aezoo.assemble(config, spec)
