"""The maths, imported only when a model is built."""

import aezoo
from aezoo.parts import Regularizer, Weighted


class Hoyer(Regularizer):
    """‖z‖₁ / ‖z‖₂ of each code: between 1, for one active unit, and √Z."""

    def forward(self, z):
        return z.abs().sum(-1) / z.square().sum(-1).add(1e-12).sqrt()


def build(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("hoyer", Hoyer(), config.hoyer)])
