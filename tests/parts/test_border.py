"""At the zoo's border torch's own checks of arguments are off, and only there."""

import threading

import pytest
import torch
from torch import distributions as td

import aezoo
from aezoo.parts import Decoder, Encoder, Likelihood, Prior

SPEC = aezoo.DataSpec(shape=(2,))


@pytest.fixture(autouse=True)
def checks():
    """As torch begins with them: its compiler, once used, turns them off for the whole process."""
    before = td.Distribution._validate_args
    td.Distribution.set_default_validate_args(True)
    yield
    td.Distribution.set_default_validate_args(before)


class OfTorch(Likelihood):
    def forward(self, output):
        return td.Independent(td.Normal(output, 1.0), 1)


class Codes(Encoder):
    def forward(self, x):
        return td.Independent(td.Normal(x, 1.0), 1)


class Mixture(Prior):
    def forward(self, encode=None):
        parts = td.Independent(td.Normal(torch.zeros(3, 2), 1.0), 1)
        return td.MixtureSameFamily(td.Categorical(logits=torch.zeros(3)), parts)


def made(loc):
    yield Codes()(loc), loc
    yield OfTorch(SPEC)(loc), loc
    yield Decoder(torch.nn.Identity(), OfTorch(SPEC))(loc[None]), loc[None]
    yield Mixture()(), loc


def test_distributions_of_torch_let_what_is_not_finite_through():
    loc = torch.full((4, 2), torch.nan)
    for distribution, value in made(loc):
        assert not distribution.log_prob(value).isfinite().any()


def test_what_a_user_makes_elsewhere_is_checked_as_ever():
    for distribution, value in made(torch.zeros(4, 2)):
        assert distribution.log_prob(value).isfinite().all()
    with pytest.raises(ValueError, match="constraint"):
        td.Normal(0.0, -1.0)


def test_checks_are_back_after_a_part_that_raises():
    class Broken(Codes):
        def forward(self, x):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        Broken()(torch.zeros(1))
    with pytest.raises(ValueError, match="constraint"):
        td.Normal(0.0, -1.0)


def test_threads_leave_the_checks_as_they_were():
    inside = threading.Barrier(2)

    class Waiting(Codes):
        def forward(self, x):
            inside.wait(timeout=60)
            return super().forward(x)

    threads = [threading.Thread(target=Waiting(), args=(torch.zeros(1, 2),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(ValueError, match="constraint"):
        td.Normal(0.0, -1.0)
