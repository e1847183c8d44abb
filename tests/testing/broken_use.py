"""Models that are broken in use."""

import numpy as np
import torch
import torch.nn.functional as F
from faults import as_a, breaks, encoding, options
from pydantic import Field
from torch import nn

import aezoo
from aezoo.parts import (
    Corruption,
    Point,
    PointEncoder,
    Regularizer,
    Weighted,
)


@breaks("shapes", "rows of shape (5,)")
def hard_coded_shape(config, spec):
    layer = nn.Linear(64, config.latent_dim)
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(nn.Sequential(nn.Flatten(), layer)))


class EvenSizes(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x if x.dim() == 2 else F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0))


@breaks("shapes", "rows of shape (1, 7, 5)")
def even_sizes_alone(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(EvenSizes(network)))


breaks("shapes", "RuntimeError", "one-row-squeezed")(encoding(lambda network, x: network(x).squeeze(0)))
breaks("repeats", "differs between two calls", "dropout-in-use")(encoding(lambda n, x: F.dropout(n(x), 0.3, True)))
breaks("neighbours", "one by one", "softmax-over-the-batch")(encoding(lambda network, x: network(x).softmax(0)))
breaks("neighbours", "encode", "statistics-of-the-batch")(
    encoding(lambda network, x: (network(x) - network(x).mean(0)) if len(x) > 1 else network(x))
)
breaks("neighbours", "encode", "largest-of-the-batch")(
    encoding(lambda network, x: (z := network(x)) * (z >= z.flatten().topk(z.numel() // 2).values.min()))
)
breaks("nan", "finite codes of NaN", "nan-swallowed")(encoding(lambda network, x: network(x).nan_to_num()))
breaks("float64", "same dtype", "float32-inside")(encoding(lambda network, x: network(x) @ torch.eye(8)))
breaks("float64", "the digits of float32", "float32-in-silence")(encoding(lambda n, x: n(x).float().to(x.dtype)))


breaks("neighbours", "among other rows", "a-little-of-the-others")(encoding(lambda n, x: n(x) + 1e-4 * n(x).mean(0)))
breaks("gpu", "made on the processor", "device-hard-coded")(
    encoding(lambda network, x: network(x) + torch.zeros(8, dtype=x.dtype))
)


class Cleaning(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.clamp_(max=0.9))


@breaks("repeats", "changed in place", config=options("raw", preprocess=(str, Field("none", description="x"))))
def rows_cleaned_in_place(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Cleaning(network)))


@breaks("shapes", "(1, 7, 5) are refused, and others of their kind are not")
def one_image_alone(config, spec):
    if spec.shape == (1, 7, 5):
        raise aezoo.errors.CompositionError("an even number of rows, please")
    return aezoo.assemble(config, spec)


breaks("shapes", "values that are not finite", "not-finite-alone")(
    encoding(lambda network, x: network(x) / (len(x) > 1))
)
breaks("float64", "is not what it is in float32", "another-in-float64")(
    encoding(lambda network, x: network(x) * (2 if x.dtype == torch.float64 else 1))
)


class NeedsTwo(Regularizer):
    def forward(self, z):
        if z.shape[1] == 1:
            raise ValueError("the variance of one row")
        return z.var(1).sum(-1).mean()


@breaks("shapes", "batches of one row")
def penalty_of_two_rows(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("two", NeedsTwo(), 0.1)])


@breaks("nan", "the decoder makes finite data of NaN")
def nan_swallowed_by_the_decoder(config, spec):
    model = aezoo.assemble(config, spec)
    plain = model.decoder.forward
    model.decoder.forward = lambda z: plain(z.nan_to_num())
    return model


class Flat(aezoo.Autoencoder):
    def reconstruct(self, x, **options):
        found = super().reconstruct(x, **options)
        return found.reshape(*found.shape[:-2], -1) if found.ndim > 2 else found


class Precise(aezoo.Autoencoder):
    def encode(self, x, **options):
        found = super().encode(x, **options)
        return found if isinstance(found, torch.Tensor) else found.astype("float64")


class Modest(aezoo.Autoencoder):
    @property
    def capabilities(self):
        return ()

    def sample(self, n, **options):
        return torch.zeros(n, *self.spec.shape)


breaks("shapes", "reconstruct", "flat-reconstructions")(as_a(Flat))
breaks("shapes", "gives float64", "codes-of-another-type")(as_a(Precise))
breaks("capabilities", "is not among its capabilities", "capability-it-hides")(as_a(Modest))


class Restless(Point):
    def rsample(self, shape=()):
        return super().rsample(shape) + 0.1 * torch.randn(*shape, *self.mean.shape)


class RestlessEncoder(PointEncoder):
    def forward(self, x):
        return Restless(super().forward(x).mean)


@breaks("capabilities", "have no density, and their draws differ")
def draws_without_a_density(config, spec):
    return aezoo.assemble(config, spec, encoder=RestlessEncoder)


class Used(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("uses", torch.zeros(()))

    def forward(self, x):
        self.uses += 1
        return self.network(x)


@breaks("repeats", "encoder.network.uses is another one after use")
def counts_its_use(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Used(network)))


class Averaging(nn.Module):
    """Takes what it sees in use for training data."""

    def __init__(self, network, code):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.zeros(code))

    def forward(self, x):
        z = self.network(x)
        self.mean.lerp_(z.detach().mean(0), 0.1)
        return z - self.mean


@breaks("repeats", "differs between two calls")
def learns_in_use(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Averaging(network, config.latent_dim)))


class Trusting(aezoo.Autoencoder):
    """Does not look at what it is given."""

    def encode(self, x, **options):
        return super().encode(np.nan_to_num(np.asarray(x)), **options)


breaks("nan", "encode takes rows with nan", "nan-let-in")(as_a(Trusting))


class Boasting(aezoo.Autoencoder):
    @property
    def capabilities(self):
        return (*super().capabilities, "samples")


class Backwards(aezoo.Autoencoder):
    def score(self, x, **options):
        return -super().score(x, **options)


breaks("learns", "score() of rows", "score-backwards")(as_a(Backwards))


class Louder(Corruption):
    noise_variance = 0.01

    def forward(self, x):
        return x + 0.2 * self.normal(x)


@breaks("capabilities", "says that it adds noise")
def louder_than_it_says(config, spec):
    model = aezoo.assemble(config, spec)
    model.corruption = Louder()
    return model


breaks("capabilities", "says 'samples'", "capability-it-lacks")(as_a(Boasting))
