"""A function of tensors, written down once as a flat list of tensor operations and then mapped over a new first axis.

A step of a small model costs little arithmetic and much Python: modules, distributions, the tape of gradients. All of
that is gone from a recording, gradients included. ``torch.func.vmap`` makes of the recorded operations those of N
members at once, and this too is written down, so that neither is paid for in a step.

Random numbers are the exception: a recording takes them as arguments, and ``draw`` has each member draw its own, by
the very calls that it would make alone, from its own stream.

Shapes: N members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

from aezoo.training.engine.trace import NotTraceableError, trace

aten = torch.ops.aten
# the shape of their argument decides their value
_CONSTANT_LIKE = {aten.ones_like.default, aten.zeros_like.default, aten.full_like.default, aten.new_zeros.default}
# whose values nobody reads before they are filled
_UNFILLED: set[Any] = {aten.empty_like.default, aten.empty.memory_format}
_VIEWS = {aten.view.default, aten._unsafe_view.default}
_RESHAPES = {*_VIEWS, aten.expand.default}
_TURNS = {aten.t.default, aten.transpose.int}


class Draw(NamedTuple):
    """One call for random numbers; ``like`` is the tensor whose shape it follows, or that it fills in place."""

    operation: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    like: fx.Node | None

    def take(self, stream: torch.Generator) -> Tensor:
        """The numbers that this call gives next from ``stream``."""
        first = () if self.like is None else (_empty_as(self.like),)
        drawn: Tensor = self.operation(*first, *self.arguments, **self.keywords, generator=stream)
        return drawn


class Recording:
    """The operations of ``function`` for arguments of these shapes.

    Args:
        function: of tensors, to a sequence of tensors; it may change its arguments in place.
        arguments: of it, of one member; they are used, and perhaps changed, while it is written down.

    Raises:
        NotTraceableError: the function looks at values to decide what to do, or its random numbers depend on values
            or come from a stream of its own.
    """

    def __init__(self, function: Callable[..., Sequence[Tensor]], arguments: Sequence[Tensor]) -> None:
        module = trace(function, arguments, values=True)
        self.draws = _lift_draws(module)
        self.module = _simplified(module)

    def draw(self, streams: Sequence[torch.Generator]) -> list[Tensor]:
        """The random numbers of one call, (N, …) each; every member takes its own from its stream, in turn."""
        if len(self.draws) == 1:
            return [torch.stack([self.draws[0].take(stream) for stream in streams])]
        # a member takes all of its numbers before the next does: it is the order within a stream that counts
        return [torch.stack(same) for same in zip(*([d.take(s) for d in self.draws] for s in streams), strict=True)]

    def mapped(self, arguments: Sequence[Tensor], streams: Sequence[torch.Generator]) -> fx.GraphModule:
        """The same operations for N members, whose ``arguments`` are stacked (N, …); draws follow the arguments.

        The arguments may be changed, as by the function itself.
        """
        every = torch.func.vmap(self.module, randomness="error")
        with torch.no_grad():
            module = trace(every, [*arguments, *self.draw(streams)], values=True)
        return _simplified(module)

    def same_as(self, other: Recording) -> bool:
        """Whether both are the same operations, number for number."""
        if self.module.code != other.module.code or len(self.draws) != len(other.draws):
            return False
        if any(a[:3] != b[:3] for a, b in zip(self.draws, other.draws, strict=True)):
            return False
        ours, theirs = dict(self.module.named_buffers()), dict(other.module.named_buffers())
        return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def _lift_draws(module: fx.GraphModule) -> list[Draw]:
    """Turns each call for random numbers into an argument of the module, in the order of the calls."""
    graph = module.graph
    draws: list[Draw] = []
    last = [node for node in graph.nodes if node.op == "placeholder"][-1]
    for node in list(graph.nodes):
        if not (isinstance(node.target, OpOverload) and torch.Tag.nondeterministic_seeded in node.target.tags):
            continue
        draws.append(_draw_of(node))
        with graph.inserting_after(last):
            last = graph.placeholder(f"drawn_{len(draws)}")
        last.meta = dict(node.meta)
        if node.target._schema.is_mutable:
            # what it fills is read under its own name as well
            later = set(node.args[0].users) - {node}
            node.args[0].replace_all_uses_with(last, delete_user_cb=lambda user, later=later: user in later)
        node.replace_all_uses_with(last)
        graph.erase_node(node)
    graph.eliminate_dead_code()
    module.recompile()
    return draws


def _draw_of(node: fx.Node) -> Draw:
    target = node.target
    assert isinstance(target, OpOverload)
    name = target._schema.name
    shaped = name.endswith("_like") or target._schema.is_mutable
    like, rest = (node.args[0], node.args[1:]) if shaped else (None, node.args)
    keywords = {key: value for key, value in node.kwargs.items() if value is not None}
    if any(isinstance(value, fx.Node) for value in (*rest, *keywords.values())):
        raise NotTraceableError(f"the numbers that {name} draws depend on values")
    if not (like is None or isinstance(like, fx.Node)):
        raise NotTraceableError(f"{name} follows the shape of no tensor")
    if target._schema.is_mutable and (like is None or like.target not in _UNFILLED):
        raise NotTraceableError(f"{name} fills a tensor that holds something")
    draw = Draw(target.overloadpacket, tuple(rest), keywords, like)
    try:
        draw.take(torch.Generator(node.meta["val"].device))
    except Exception as error:
        raise NotTraceableError(f"{name} takes no stream") from error
    return draw


def _empty_as(node: fx.Node) -> Tensor:
    value = node.meta["val"]
    return torch.empty(value.shape, dtype=value.dtype, device=value.device)


def _simplified(module: fx.GraphModule) -> fx.GraphModule:
    """Leaves out operations that give back what they got, and computes what depends on no argument, once."""
    graph = module.graph
    changes = any(isinstance(n.target, OpOverload) and n.target._schema.is_mutable for n in graph.nodes)
    for node in list(graph.nodes):
        source = _unchanged(node, changes)
        if source is not None:
            node.replace_all_uses_with(source)
            graph.erase_node(node)
        elif node.target in _VIEWS and node.args[0].target in _VIEWS:
            # a view of a view is one of what lies beneath
            node.replace_input_with(node.args[0], node.args[0].args[0])
    if not changes:
        _fold(module)
    graph.eliminate_dead_code()
    module.recompile()
    return module


def _unchanged(node: fx.Node, changes: bool) -> fx.Node | None:
    """The argument that ``node`` hands on as it is, by name or as a copy that nothing changes."""
    target, arguments = node.target, node.args
    if target is aten.detach.default:
        return arguments[0]  # type: ignore[return-value]
    if target in _RESHAPES and node.meta["val"].shape == arguments[0].meta["val"].shape:  # type: ignore[union-attr]
        return arguments[0]  # type: ignore[return-value]
    if target in _TURNS and arguments[0].target is target and arguments[0].args[1:] == arguments[1:]:  # type: ignore[union-attr]
        return arguments[0].args[0]  # type: ignore[union-attr, return-value]
    copies = target is aten.mul.Scalar or target is aten.pow.Tensor_Scalar
    if copies and arguments[1] == 1 and not changes:
        return arguments[0]  # type: ignore[return-value]
    return None


def _fold(module: fx.GraphModule) -> None:
    graph = module.graph
    known: dict[fx.Node, Tensor] = {}
    for node in list(graph.nodes):
        if node.op == "get_attr":
            value = getattr(module, str(node.target))
            if isinstance(value, Tensor):
                known[node] = value
        if not isinstance(node.target, OpOverload):
            continue
        inputs = node.all_input_nodes
        if node.target in _CONSTANT_LIKE:
            value = node.target(_empty_as(inputs[0]), *node.args[1:], **node.kwargs)
        elif "val" in node.meta and all(i in known for i in inputs):
            arguments, keywords = fx.node.map_arg((node.args, node.kwargs), lambda n: known[n])
            value = node.target(*arguments, **keywords)
        else:
            continue
        known[node] = value
    for index, (node, value) in enumerate(known.items()):
        if node.op == "get_attr" or all(user in known for user in node.users):
            continue
        name = f"folded_{index}"
        module.register_buffer(name, value, persistent=False)
        with graph.inserting_before(node):
            constant = graph.get_attr(name)
        constant.meta = dict(node.meta)
        node.replace_all_uses_with(constant)
        graph.erase_node(node)
