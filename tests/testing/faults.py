"""What the modules of broken models share: each registers models that are broken in one way, and what must be found.

``FAULTS`` maps the name of a model to the check that must find its fault, and to words of the reason.
"""

import torch
from pydantic import create_model
from torch import nn

import aezoo
from aezoo.parts import (
    KL,
    GaussianEncoder,
    PointEncoder,
    Regularizer,
    StandardNormal,
    Weighted,
)

FAULTS = {}
MODELS = []


def options(name, base=aezoo.ModelConfig, **fields):
    made = create_model(f"{name.title().replace('-', '')}Config", __base__=base, **fields)
    made.__doc__ = "Options."
    return made


def breaks(check, words, name="", config=None, **texts):
    """Registers the build function as a model in which ``check`` must find a fault, in these ``words``."""

    def register(build):
        called = name or build.__name__.replace("_", "-")
        told = {"family": "broken", "summary": "Broken.", "references": ["Nobody 2000"], **texts}
        MODELS.append(aezoo.Model(called, config or options(called), build, **told))
        FAULTS[called] = (check, words)
        return build

    return register


def encoding(function):
    """A build function of a model whose code is ``function(network, x)``."""

    def build(config, spec):
        class Code(nn.Module):
            def __init__(self, network):
                super().__init__()
                self.network = network

            def forward(self, x):
                return function(self.network, x)

        return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Code(network)))

    return build


def as_a(kind):
    """A build function of a model of another class."""

    def build(config, spec):
        model = aezoo.assemble(config, spec)
        model.__class__ = kind
        return model

    return build


class Counter:
    """Grows by each call."""

    def __init__(self):
        self.calls = 0

    def next(self):
        self.calls += 1
        return self.calls


COUNT = Counter()


class Scaled:
    """A distribution whose log-density, or mean, is another."""

    def __init__(self, px, log_prob=lambda v: v, mean=lambda v: v):
        self.px, self._log_prob, self._mean = px, log_prob, mean

    @property
    def mean(self):
        return self._mean(self.px.mean)

    def log_prob(self, x):
        return self._log_prob(self.px.log_prob(x))

    def sample(self, shape=()):
        return self.px.sample(shape)


def decoding(config, spec, parts=None, **changes):
    """A model whose distribution of the data is changed."""
    model = aezoo.assemble(config, spec, **(parts or {}))
    likelihood = model.decoder.likelihood
    plain = likelihood.forward
    likelihood.forward = lambda output: Scaled(plain(output), **changes)
    return model


class HalfDetached(nn.Module):
    """The trunk learns by the mean alone."""

    def __init__(self, size, code):
        super().__init__()
        self.trunk, self.loc, self.scale = nn.Linear(size, 8), nn.Linear(8, code), nn.Linear(8, code)

    def forward(self, x):
        h = self.trunk(x.flatten(1)).tanh()
        return torch.cat([self.loc(h), self.scale(h.detach())], 1)


class Size(Regularizer):
    """The code's squared length."""

    def forward(self, z):
        return z.square().flatten(2).sum(-1)


def variational(config, spec, **changes):
    parts = {"encoder": GaussianEncoder, "prior": StandardNormal((config.latent_dim,)),
             "regularizers": [Weighted("kl", KL())]}  # fmt: skip
    return {**parts, **changes}
