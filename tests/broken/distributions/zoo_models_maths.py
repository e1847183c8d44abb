"""The maths of ``zoo_models``."""

import sys

import torch

import aezoo
from aezoo.errors import CompositionError
from aezoo.parts import PointEncoder, Regularizer, Weighted


def dictionary(config, spec):
    return {"encoder": None}


def nobody(config, spec):
    return None


def breaks(config, spec):
    raise ValueError("no\nway")


def quits(config, spec):
    sys.exit("enough")


def composed(config, spec):
    raise CompositionError("two left feet: use a right one.")


class Labels(Regularizer):
    def forward(self, z, labels):
        return z.sum(-1)


class Wide(Regularizer):
    def forward(self, z):
        return z


class NaN(Regularizer):
    def forward(self, z):
        return z.sum(-1) * float("nan")


class Late(Regularizer):
    """NaN from the tenth call on."""

    calls = 0

    def forward(self, z):
        self.calls += self.training
        return z.sum(-1) * (float("nan") if self.calls > 10 else 1.0)


def labels(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("labels", Labels())])


def wide(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("wide", Wide())])


def nan(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("nan", NaN())])


def late(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("late", Late())])


class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise ArithmeticError("no way back")


class Encoder(PointEncoder):
    def forward(self, x):
        q = super().forward(x)
        q.mean = Fails.apply(q.mean)
        return q


def backward(config, spec):
    return aezoo.assemble(config, spec, encoder=Encoder)
