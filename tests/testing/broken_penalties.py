"""Models whose penalties, densities or memory are wrong though the loss falls; and right ones that look like them."""

import math

import torch
from faults import breaks, variational
from torch import distributions as td
from torch import nn

import aezoo
from aezoo.parts import GaussianEncoder, Likelihood, PointEncoder, Prior, Regularizer, Weighted

MEANT = set()


def penalised(penalty, weight=0.01):
    """A build function of a plain model under a penalty."""
    return lambda config, spec: aezoo.assemble(config, spec, regularizers=[Weighted("own", penalty(), weight)])


def by_code(function):
    """A penalty that is a function of the codes."""

    class Own(Regularizer):
        def forward(self, z):
            return function(z.flatten(2))

    return Own


def divergence(function):
    class Own(Regularizer):
        def forward(self, q):
            return function(q.loc, q.scale).sum(-1)

    def build(config, spec):
        kl = [Weighted("kl", Own(), 0.01)]
        return aezoo.assemble(config, spec, **variational(config, spec, regularizers=kl))

    return build


def kl(loc, scale):
    return 0.5 * (loc.square() + scale.square() - 1) - scale.log()


for called, words, function in (
    ("kl-twice", "2.000 × KL(q ‖ p) in every batch", lambda m, s: 2 * kl(m, s)),
    ("kl-halved", "0.500 × KL(q ‖ p) in every batch", lambda m, s: kl(m, s) / 2),
    ("kl-without-means", "no multiple of KL(q ‖ p)", lambda m, s: kl(0 * m, s)),
    ("kl-exchanged", "no multiple of KL(q ‖ p)", lambda m, s: s.log() + 0.5 * (1 + m.square()) / s.square() - 0.5),
    ("kl-by-deviation", "no multiple of KL(q ‖ p)", lambda m, s: 0.5 * (m.square() + s - 1 - s.log())),
):
    breaks("densities", words, called)(divergence(function))
    MEANT.add(called)


class WithoutPi(Likelihood):
    """A Gaussian but for its constant."""

    capabilities = ("density",)

    def forward(self, output):
        return Unnormalised(self._shaped(output), len(self.shape))


class Unnormalised(td.Independent):
    def __init__(self, loc, dims):
        super().__init__(td.Normal(loc, 1.0), dims)

    def log_prob(self, value):
        return super().log_prob(value) + 0.5 * math.log(2 * math.pi) * self.event_shape.numel()


class Counts(Likelihood):
    """A Poisson distribution, with or without its factorial."""

    factorial = False

    def forward(self, output):
        return Poisson(self._shaped(output).exp(), len(self.shape), self.factorial)


class WholeCounts(Counts):
    factorial = True


class Poisson(td.Independent):
    def __init__(self, rate, dims, factorial):
        self.factorial = factorial
        super().__init__(td.Poisson(rate), dims)

    def log_prob(self, value):
        left_out = 0 if self.factorial else (value + 1).lgamma().sum(tuple(range(-len(self.event_shape), 0)))
        return super().log_prob(value) + left_out


def decoded(likelihood):
    def build(config, spec):
        model = aezoo.assemble(config, spec, **variational(config, spec))
        model.decoder.likelihood = likelihood(aezoo.data.scaled_spec(config.preprocess, spec))
        return model

    return build


breaks("densities", "not normalised: the integral over all reals 2.507", "gaussian-without-pi")(decoded(WithoutPi))
breaks("densities", "is a constant missing?", "poisson-without-factorial")(decoded(Counts))
MEANT.add("poisson-without-factorial")


def share(z):
    return z.abs() / z.abs().sum(-1, keepdim=True)


def floored(z):
    return z.abs() / (z.abs().sum(-1, keepdim=True) + 1e-3)


breaks("penalties", "'own' is -inf for codes of zeros", "logarithm-of-the-sum")(
    penalised(by_code(lambda z: z.abs().sum(-1).log()))
)
breaks("penalties", "'own' is nan for codes of zeros", "entropy-of-shares")(
    penalised(by_code(lambda z: -(share(z) * share(z).log()).sum(-1)))
)
breaks("penalties", "the gradient of regularizer 'own' is not finite for codes of zeros", "root-of-squares")(
    penalised(by_code(lambda z: z.square().sum(-1).sqrt()))
)
breaks("penalties", "'own' is inf for very large codes", "exponential")(penalised(by_code(lambda z: z.exp().sum(-1))))
breaks("penalties", "'own' is inf for equal rows", "inverse-of-variance")(
    penalised(by_code(lambda z: 1e-3 * z.var(1).log().sum(-1).mean().neg()))
)
breaks("penalties", "falls without bound", "reward-of-size")(penalised(by_code(lambda z: -z.abs().sum(-1)), 1e-3))
breaks("penalties", "zero wherever training goes", "clamped-low")(
    penalised(by_code(lambda z: z.abs().clamp(max=1e-3).sum(-1)))
)


class Tiring(Regularizer):
    """Acts in its first steps alone."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, z):
        self.calls += 1
        return z.square().flatten(2).sum(-1) * (self.calls < 50)


breaks("penalties", "acts no more after", "penalty-that-tires")(penalised(Tiring))


class Following(Regularizer):
    """A moving average that follows whatever is measured."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, z):
        self.mean.lerp_(z.detach().mean(), 0.1)
        return (z - self.mean).square().flatten(2).sum(-1)


breaks("repeats", "regularizers.own.mean is another one after use", "average-of-what-is-measured")(penalised(Following))


class Mixture(Prior):
    def __init__(self, code, spread):
        super().__init__()
        self.means = nn.Parameter(spread * torch.randn(4, code))

    def forward(self, encode=None):
        parts = td.Independent(td.Normal(self.means, 1.0), 1)
        return td.MixtureSameFamily(td.Categorical(logits=self.means.new_zeros(4)), parts)


@breaks("gradients", "the 4 parts of prior.means begin equal")
def components_alike(config, spec):
    return aezoo.assemble(config, spec, **variational(config, spec, prior=Mixture(config.latent_dim, 0.0)))


class Hoarding(Regularizer):
    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, z):
        self.seen.append(z.detach())
        return z.square().flatten(2).sum(-1)


breaks("released", "tensors of every step live on", "codes-kept")(penalised(Hoarding))


# ------------------------------------------------------------------ right


class TorchEncoder(GaussianEncoder):
    def forward(self, x):
        q = super().forward(x)
        return td.Independent(td.Normal(q.loc, q.scale), 1)


class Heavy(Likelihood):
    capabilities = ("density",)

    def forward(self, output):
        return td.Independent(td.StudentT(5.0, self._shaped(output), 1.0), len(self.shape))


def of_torch(config, spec):
    """Every distribution is torch's own."""
    parts = variational(config, spec, encoder=TorchEncoder, prior=Mixture(config.latent_dim, 1.0))
    model = aezoo.assemble(config, spec, **parts)
    model.decoder.likelihood = Heavy(aezoo.data.scaled_spec(config.preprocess, spec))
    return model


class Average(Regularizer):
    """A moving average that follows training alone."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, z):
        return (z - self.mean).square().flatten(2).sum(-1)

    def after_step(self, z):
        self.mean.lerp_(z.mean(), 0.1)


class Normed(nn.Module):
    def __init__(self, network, code):
        super().__init__()
        self.network, self.norm = network, nn.BatchNorm1d(code)

    def forward(self, x):
        return self.norm(self.network(x))


def normed(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Normed(network, config.latent_dim)))


RIGHT = {
    "of-torch": of_torch,
    "poisson": decoded(WholeCounts),
    "entropy-with-a-floor": penalised(by_code(lambda z: -(floored(z) * (floored(z) + 1e-6).log()).sum(-1))),
    "average-of-training": penalised(Average),
    "smooth-length": penalised(by_code(lambda z: (z.square().sum(-1) + 1e-6).sqrt())),
    "hinge": penalised(by_code(lambda z: (z.abs() - 100).relu().sum(-1))),
    "normed": normed,
}
