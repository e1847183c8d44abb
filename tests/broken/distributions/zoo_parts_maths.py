"""The parts of ``zoo_parts``."""

import os
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.distributions import Normal

from aezoo.parts import Corruption, Likelihood, Prior, Regularizer

if TYPE_CHECKING:
    from collections.abc import Hashable


class flat(Corruption):  # noqa: N801
    def forward(self, x):
        return x.flatten()


class fifth(Corruption):  # noqa: N801
    calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls == 5:
            raise KeyError("five")
        return x + self.normal(x)


class unborn(Corruption):  # noqa: N801
    def __init__(self):
        pass

    def forward(self, x):
        return x


class unsummed(Likelihood):  # noqa: N801
    def forward(self, output):
        return Normal(self._shaped(output), 1.0)


class bare(Likelihood):  # noqa: N801
    def __init__(self, spec):
        nn.Module.__init__(self)

    def forward(self, output):
        return None


class scalar(Prior):  # noqa: N801
    def forward(self, encode):
        return Normal(torch.zeros(()), torch.ones(()))


def text():
    return "normal"


def word():
    return "relu"


class last_batch(nn.Module):  # noqa: N801
    def forward(self, x):
        if self.training and len(x) not in (2, 128):
            raise IndexError("a batch of another size")
        return x.relu()


def single(spec, code_shape, code_outputs):
    return nn.Linear(spec.size, code_outputs)


def narrow(spec, code_shape, code_outputs, data_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.size, code_outputs)), nn.Linear(code_shape[0], 3)


def quoted(spec, depth: "Hashable" = 3):
    return None


class Odd(nn.Module):
    def forward(self, x):
        raise KeyError("odd")


def odd(spec, code_shape):
    return Odd(), Odd()


class chatty(Regularizer):  # noqa: N801
    def forward(self, z):
        print("chatty")
        os.write(1, b"chatty: descriptor\n")
        return z.abs().sum(-1)


class integer(Regularizer):  # noqa: N801
    def forward(self, z):
        return 3


def anything(**options):
    return None


def rows():
    return [[1.0, 2.0]]


def stare(subject, options):
    raise OSError("blinked")
