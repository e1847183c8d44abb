"""Models with a will or a memory of their own: randomness without a seed, and what no checkpoint holds."""

import datetime as dt
import random
import time

import numpy as np
import torch
from faults import Scaled, breaks
from torch import nn

import aezoo
from aezoo.parts import (
    Corruption,
    PointEncoder,
    Regularizer,
    Weighted,
)

STREAM = torch.Generator().manual_seed(0)


class Noise(Corruption):
    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def forward(self, x):
        return x + 0.1 * self.draw(x)


def noisy(draw):
    def build(config, spec):
        model = aezoo.assemble(config, spec)
        model.corruption = Noise(draw)
        return model

    return build


breaks("seeds", "randomness that the seed does not reach", "stream-of-the-module")(
    noisy(lambda x: torch.randn(x.shape, generator=STREAM))
)
breaks("seeds", "randomness that the seed does not reach", "noise-of-python")(noisy(lambda x: random.gauss(0, 1)))
breaks("outside", "NumPy's random stream", "noise-of-numpy")(noisy(lambda x: float(np.random.normal())))
breaks("seeds", "it reads the clock", "noise-of-the-clock")(noisy(lambda x: time.time() // 1000 % 97))


breaks("seeds", "it reads the clock", "noise-of-the-day")(
    noisy(lambda x: dt.date.today().toordinal() % 7 + dt.datetime.now().day % 2)
)


class Shared(nn.Module):
    """All models of the kind share one number."""

    level = 1.0

    def __init__(self, network):
        super().__init__()
        self.network = network
        Shared.level = 1.0

    def forward(self, x):
        if self.training:
            Shared.level += 0.01 * float(x.mean())
        return Shared.level * self.network(x)


@breaks("seeds", "training another model of the kind changes")
def state_of_the_class(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Shared(network)))


class InPlace(Corruption):
    def forward(self, x):
        return x.mul_(self.uniform(x) < 0.7)


@breaks("rows", "changes its batch in place")
def corruption_in_place(config, spec):
    model = aezoo.assemble(config, spec)
    model.corruption = InPlace()
    return model


class Summed(Regularizer):
    def forward(self, z):
        return z.square().sum()


@breaks("rows", "twice as large")
def penalty_summed_over_rows(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("summed", Summed(), 1e-3)])


@breaks("streams", "a random stream of its own")
def stream_of_its_own(config, spec):
    stream = torch.Generator().manual_seed(0)
    return noisy(lambda x: torch.randn(x.shape, generator=stream))(config, spec)


@breaks("seeds", "it reads the clock")
def seeded_by_the_clock(config, spec):
    torch.manual_seed(int(time.time()))
    return aezoo.assemble(config, spec)


@breaks("seeds", "begins with the same values whatever the seed")
def weights_of_a_fixed_seed(config, spec):
    model = aezoo.assemble(config, spec)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)) * 0.1)
    return model


@breaks("seeds", "two seeds give the same weights")
def weights_that_are_not_drawn(config, spec):
    model = aezoo.assemble(config, spec)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.linspace(-0.2, 0.2, parameter.numel()).reshape(parameter.shape))
    # the order of the rows follows the seed as well
    model.requires_grad_(False)
    model.decoder.log_scale = nn.Parameter(torch.zeros(()))
    plain = model.decoder.likelihood.forward
    model.decoder.likelihood.forward = lambda o: Scaled(plain(o), lambda v: v - 0 * model.decoder.log_scale)
    return model


@breaks("outside", "NumPy's handling of errors")
def setting_changed(config, spec):
    np.seterr(under="warn")
    return aezoo.assemble(config, spec)


class Counting(nn.Module):
    """Grows its code by what happened in training."""

    def __init__(self, network, kept, in_use):
        super().__init__()
        self.network, self.in_use = network, in_use
        self.count = 0.0
        if kept == "buffer":
            del self.count
            self.register_buffer("count", torch.zeros(()), persistent=False)

    def forward(self, x):
        if self.training and torch.is_grad_enabled():
            self.count = self.count + 0.01
        return self.network(x) * (1 + self.count) if self.training or self.in_use else self.network(x)


def counting(kept, in_use):
    return lambda config, spec: aezoo.assemble(
        config, spec, encoder=lambda network: PointEncoder(Counting(network, kept, in_use))
    )


breaks("saved", "a buffer with persistent=False", "buffer-not-saved")(counting("buffer", True))
breaks("saved", "a plain attribute", "attribute-not-saved")(counting("attribute", True))
breaks("resumed", "a plain attribute", "attribute-not-resumed")(counting("attribute", False))
breaks("streams", "something that no checkpoint holds", "attribute-in-a-step")(counting("attribute", False))


class Hidden(nn.Module):
    """Holds a layer where torch does not see it."""

    def __init__(self, network, code):
        super().__init__()
        self.network, self.layers = network, [nn.Linear(code, code)]

    def forward(self, x):
        return self.layers[0](self.network(x))


@breaks("saved", "loaded, encode differs")
def layer_not_saved(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Hidden(network, config.latent_dim)))
