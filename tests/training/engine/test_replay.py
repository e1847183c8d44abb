"""A function of tensors as straight code: the same bits, and refused where it is not the same at every call."""

import pytest
import torch
import torch.nn.functional as F

from aezoo.training.engine.replay import Program
from aezoo.training.engine.trace import NotTraceableError


def tensors(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def same(a, b):
    return len(a) == len(b) and all(
        x.shape == y.shape and x.stride() == y.stride() and torch.equal(x, y) for x, y in zip(a, b, strict=True)
    )


def gradients(function):
    def traced(held, x):
        with torch.enable_grad():
            loss = function(held, x)
        return [loss.detach(), *torch.autograd.grad(loss, held)]

    return traced


def _renamed(a):
    b = a.clone()
    c = b.add_(1.0)
    b.mul_(2.0)
    return (b * c).sum() + c.sum()


FUNCTIONS = {
    "linear": lambda h, x: F.linear(x, h[0], h[1]).square().mean(),
    "relu": lambda h, x: F.linear(F.linear(x, h[0], h[1]).relu(), h[0].t()).relu().sum(),
    "sigmoid": lambda h, x: (F.linear(x, h[0]).sigmoid() - h[1]).abs().sum(),
    "tanh twice used": lambda h, x: (lambda a: (a + a.tanh() * a).sum())(F.linear(x, h[0], h[1])),
    "in place": lambda h, x: F.linear(x, h[0], h[1]).clone().add_(1.0).mul_(2.0).relu_().square().sum(),
    "in place, by its first name": lambda h, x: _renamed(F.linear(x, h[0], h[1])),
    "read after": lambda h, x: (lambda a: a.relu().sum() + a.exp().sum())(F.linear(x, h[0], h[1])),
    "a view read after": lambda h, x: (lambda a: a.relu().sum() + a.view(-1)[3] * a.t().sum())(F.linear(x, h[0], h[1])),
    "of a view of what is held": lambda h, x: (x @ h[0].t().exp()).sum(),
    "views of views": lambda h, x: (
        F.linear(x, h[0], h[1])[None].view(1, 5, 2, 2).view(5, 4)[None].square().sum((0, 1))[1]
    ),
    "kept axes": lambda h, x: (lambda s: (s.view(4) * s).sum() + s.sum((0, 1), True).view(()))(
        F.linear(x, h[0], h[1]).sum(0, True)
    ),
    "a turned view": lambda h, x: (x @ h[0].t()).t().reshape(2, 10)[None].view(20).exp()[3:7].sum(),
    "spread": lambda h, x: (h[1].view(1, 4).expand(5, 4).reshape(20).view(4, 5) * (x @ h[0].t()).view(4, 5)).sum(),
    "grown": lambda h, x: ((h[1] * 2) + F.linear(x, h[0])).square().sum(),
    "norm": lambda h, x: F.layer_norm(F.linear(x, h[0], h[1]), (4,)).pow(3).logsumexp(0).sum(),
    "sorted": lambda h, x: F.linear(x, h[0], h[1]).topk(2, dim=-1).values.sum(),
    "a square, transposed": lambda h, x: (lambda a: (a @ a.t() * a.t()).sum())(F.linear(x, h[0], h[1])[:4]),
    "clamped": lambda h, x: F.linear(x, h[0], h[1]).clamp(-0.5, 0.5).square().sum() + h[1].sum(),
    "an operation made of others": lambda h, x: F.binary_cross_entropy_with_logits(F.linear(x, h[0])[:, :3], x),
    "an unused value": lambda h, x: (F.linear(x, h[0], h[1]).sum(), h[0].exp())[0],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_loss_and_gradients_have_the_bits_of_automatic_differentiation(name):
    held = [h.requires_grad_() for h in tensors((4, 3), (4,))]
    function = FUNCTIONS[name]
    if name in ("sorted", "linear"):
        assert function(held, tensors((5, 3))[0]).requires_grad
    traced = gradients(lambda h, x: function(h, x) + 0 * h[1].sum())
    program = Program(traced, held, tensors((5, 3)))
    for seed in range(3):
        (x,) = tensors((5, 3), seed=seed)
        found = program(x)
        assert same(found, traced(held, x))
        assert not any(value.requires_grad for value in found)
        with torch.no_grad():
            held[0].mul_(1.1)  # what is held may move, as an optimizer moves it


def test_draws_come_from_the_stream_in_their_order_even_those_that_nobody_needs():
    def function(held, x):
        torch.randn(7)
        noise = torch.randn_like(x) * torch.rand(x.shape)
        return [x + held[0] * noise, torch.bernoulli(torch.full((3,), 0.5))]

    held = tensors((3,))
    program = Program(function, held, tensors((2, 3)))
    (x,) = tensors((2, 3), seed=1)
    for seed in (3, 4):
        torch.manual_seed(seed)
        found, after = program(x), torch.get_rng_state()
        torch.manual_seed(seed)
        assert same(found, function(held, x))
        assert torch.equal(after, torch.get_rng_state())


def test_two_equal_draws_are_two_draws():
    program = Program(lambda held, x: [torch.randn(3), torch.randn(3)], [], tensors((1,)))
    a, b = program(torch.zeros(1))
    assert not torch.equal(a, b)


def test_constants_are_not_written_into():
    def function(held, x):
        ones = torch.ones(3)
        ones.mul_(x)  # on a copy of the constant, or the next call would start from what this one left
        return [ones.exp()]

    program = Program(function, [], tensors((3,)))
    for seed in range(3):
        (x,) = tensors((3,), seed=seed)
        assert same(program(x), [x.exp()])


def test_inputs_are_not_written_into():
    program = Program(lambda held, x: [x.relu(), held[0].neg()], tensors((3,)), tensors((3,)))
    (x,), (h,) = tensors((3,), seed=0), tensors((3,), seed=0)
    before = x.clone()
    program(x)
    assert torch.equal(x, before)
    assert torch.equal(program(x)[1], -h)


def _counts_a_part(held, x):
    held[0][:1].add_(1)
    return [x * held[0]]


def _writes(held, x):
    x.mul_(2)
    return [x.sum()]


def _reads(held, x):
    return [x * 2 if float(x.sum()) > 0 else x]


def _fails(held, x):
    raise ZeroDivisionError("by design")


@pytest.mark.parametrize("function", [_counts_a_part, _writes, _reads, _fails])
def test_what_is_not_the_same_at_every_call_is_refused(function):
    with pytest.raises(NotTraceableError):
        Program(function, tensors((3,)), tensors((3,)))


def _counts(held, x):
    held[0].add_(1)
    return [x * held[0]]


def _follows(held, x):
    before = x * held[0]
    held[1].lerp_(x, 0.25)
    held[0].copy_(torch.where(x > 0, held[1], held[0] + 1))
    held[0].mul_(2)
    return [before, x * held[0] + held[1]]


def _swaps(held, x):
    first = held[0].clone()
    held[0].copy_(held[1] * 1)
    held[1].copy_(first)
    return [x + held[0]]


@pytest.mark.parametrize("function", [_counts, _follows, _swaps])
def test_what_is_held_moves_as_the_function_moves_it(function):
    held, theirs, inputs = tensors((3,), (3,)), tensors((3,), (3,)), tensors((3,), (3,), (3,))
    program = Program(function, held, inputs[:1])
    assert all(map(torch.equal, held, theirs))
    for x in inputs:
        found, truth = program(x), function(theirs, x)
        assert len(found) == len(truth)
        assert all(map(torch.equal, [*found, *held], [*truth, *theirs]))
    assert not torch.equal(held[0], tensors((3,), (3,))[0])


def test_two_held_tensors_that_take_each_others_values_are_refused():
    def swaps(held, x):
        held[0].copy_(held[1])
        return [x + held[0]]

    with pytest.raises(NotTraceableError):
        Program(swaps, tensors((3,), (3,)), tensors((3,)))


def test_a_tensor_from_outside_is_refused():
    outside = torch.ones(3)
    with pytest.raises(NotTraceableError):
        Program(lambda held, x: [x * outside], [], tensors((3,)))


def test_batch_normalisation_is_refused():
    mean, variance = torch.zeros(3), torch.ones(3)

    def function(held, x):
        return [F.batch_norm(x, held[0], held[1], training=True)]

    with pytest.raises(NotTraceableError):
        Program(function, [mean, variance], tensors((5, 3)))
