"""How much memory a pass is found to take, and how the draws of a likelihood keep to what they are given."""

import math

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import aezoo
from aezoo.core.memory import most_bytes
from aezoo.errors import UsageError
from aezoo.parts import draw

FLOAT = 4


def test_bytes_of_tensors_that_live_at_one_time():
    x = torch.zeros(100, 100)

    def chain():
        a = x + 1
        b = a * 2
        del a
        return b.view(-1).exp().sum()

    # two of them at a time, and then their sum beside them
    most, result = most_bytes(chain)
    assert most == 2 * FLOAT * 100 * 100 + FLOAT
    assert float(result) == pytest.approx(1e4 * math.exp(2))


def test_views_and_what_was_there_before_take_nothing():
    x = torch.zeros(100, 100)
    assert most_bytes(lambda: x.view(-1)[3:].unsqueeze(0))[0] == 0
    assert most_bytes(lambda: x.add_(1))[0] == 0


def test_bytes_of_a_network_are_those_of_its_widest_layers():
    network = nn.Sequential(nn.Linear(10, 1000), nn.ReLU(), nn.Linear(1000, 5))
    with torch.no_grad():
        assert most_bytes(lambda: network(torch.zeros(7, 10)))[0] == FLOAT * 7 * (10 + 2 * 1000)


def vae(likelihood="gaussian", prior="normal", network="mlp", shape=(6,)):
    torch.manual_seed(0)
    entry = aezoo.registry.models["vae"]
    options = {"latent_dim": 3, "hidden": (40,), "likelihood": likelihood, "network": network}
    spec = aezoo.DataSpec(shape=shape, low=0.0, high=1.0, levels=2, scaling="none")
    return entry.resolve()(entry.config.parse(options), spec)


def rows(count, shape=(6,)):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1)).round()


def plainly(model, x, draws, seed):
    """log mean_k p(x | z_k) p(z_k) / q(z_k | x) with all draws of all rows in memory."""
    with torch.no_grad(), torch.random.fork_rng():
        model.eval()
        torch.manual_seed(seed)
        q, p = model.encoder(x), model.prior_distribution()
        z = draw(q, draws)
        weights = model.decoder(z).log_prob(x) + p.log_prob(z) - q.log_prob(z)
        return weights.logsumexp(0) - math.log(draws)


@pytest.mark.parametrize("memory", [1, 1000, 20_000, 300_000, 1 << 30])
@pytest.mark.parametrize(("count", "draws"), [(1, 7), (5, 100), (33, 50)])
def test_the_draws_are_the_same_whatever_the_memory(memory, count, draws):
    model, x = vae(), rows(count)
    # so little memory that not even the rows are encoded together is the one thing that changes them
    if memory < count * model._bytes_a_row()[0]:
        memory = count * model._bytes_a_row()[0]
    torch.testing.assert_close(
        model.log_likelihood(x, draws=draws, seed=4, memory=memory), plainly(model, x, draws, 4), rtol=1e-5, atol=1e-5
    )


class Largest(TorchDispatchMode):
    """The largest tensor that any operation gives, and the most that any two have together."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        found = [leaf.untyped_storage().nbytes() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.bytes = max(self.bytes, *found, 0)
        return result


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "continuous-bernoulli", "categorical"])
@pytest.mark.parametrize("memory", [64 << 10, 256 << 10, 1 << 20])
def test_a_likelihood_keeps_to_the_memory_it_is_given(likelihood, memory):
    model, x = vae(likelihood), rows(20)
    with Largest() as largest:
        most, _ = most_bytes(lambda: model.log_likelihood(x, draws=2000, memory=memory))
    assert largest.bytes <= memory / 2
    # beside it are the draws of a block and their weights, which are small, and the result
    assert most <= 1.5 * memory
    assert most >= 0.3 * memory, "memory that could have been used was not"


def test_hidden_layers_wider_than_the_data_count():
    model, x = vae(network="conv", shape=(1, 8, 8)), rows(4, (1, 8, 8))
    with Largest() as largest:
        model.log_likelihood(x, draws=500, memory=1 << 20)
    assert largest.bytes <= 1 << 20


@pytest.mark.parametrize("memory", [0, -1, 1.5, True])
def test_memory_that_is_none_is_refused(memory):
    with pytest.raises(UsageError, match="memory must be a whole number"):
        vae().log_likelihood(rows(2), memory=memory)
