"""What a traced step writes: into memory of its own, which need not be, and into what is held, which is put off.

A list of operations that write nothing can be called in any order that its values allow, and leaves it to the caller
when a held tensor, such as a running mean, takes its new value.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from aezoo.training.engine.trace import NotTraceableError

aten = torch.ops.aten

VIEWS: set[Any] = {aten.t, aten.view, aten._unsafe_view, aten.transpose, aten.permute, aten.unsqueeze, aten.squeeze}
VIEWS |= {aten.expand, aten.select, aten.slice, aten.alias, aten.detach, aten.split, aten.diagonal, operator.getitem}


def packet(node: fx.Node) -> Any:
    """The operation of a node, whichever of its overloads."""
    return getattr(node.target, "overloadpacket", node.target)


def form(node: fx.Node) -> Any:
    """What a node's value is like; equal to no other where that is not known."""
    example = node.meta.get("val")
    if not isinstance(example, Tensor):
        return object()
    return example.shape, example.stride(), example.dtype, example.device


def writes(node: fx.Node) -> bool:
    """Whether an operation writes into an argument."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def write_anew(graph: fx.Graph) -> None:
    """Turns what writes into memory of its own, as formulas of derivatives do, into what returns a new value."""
    for node in list(graph.nodes):
        if not writes(node) or not node.target.name().split(".")[0].endswith("_"):
            continue
        written = node.args[0]
        name, overload = node.target._schema.name.split("::")[1][:-1], node.target._overloadname
        pure = getattr(getattr(aten, name, None), overload, None)
        views = any(packet(user) in VIEWS for user in written.users)
        made_here = written.op == "call_function" and packet(written) not in VIEWS and not writes(written)
        if pure is None or not made_here or views:
            continue
        # a trace goes on by the name of the result
        node.target = pure


def put_off(graph: fx.Graph, held: int) -> list[int]:
    """Turns writes into held tensors as a whole into further results; returns which of the held ones these are for.

    What reads such a tensor after a write reads the result. Writes of other kinds are left as they are.
    """
    places = [node for node in graph.nodes if node.op == "placeholder"][:held]
    now: dict[fx.Node, fx.Node] = {}
    passed: set[fx.Node] = set()
    for node in list(graph.nodes):
        for old, moved in now.items():
            node.replace_input_with(old, moved)
        passed.add(node)
        target = node.args[0] if writes(node) and node.args and not node.kwargs else None
        place = next((one for one in places if target is now.get(one, one)), None)
        if place is None:
            continue
        # a view that is read later sees what is written
        views = [user for user in place.users if user is not node and packet(user) in VIEWS]
        if any(later not in passed for view in views for later in view.users):
            continue
        new = _pure(node)
        if new is None or new in places or form(new) != form(place):
            continue
        now[place] = new
        if new is not node:
            node.replace_all_uses_with(new)
            graph.erase_node(node)
    output = graph.output_node()
    output.args = ([*output.args[0], *now.values()],)  # type: ignore[misc]
    return [places.index(place) for place in now]


def _pure(node: fx.Node) -> fx.Node | None:
    """The node of what ``node`` would write into its first argument, and no longer writes."""
    if node.target is aten.copy_.default:
        source = node.args[1]
        return source if isinstance(source, fx.Node) else None
    name, overload = node.target._schema.name.split("::")[1], node.target._overloadname  # type: ignore[union-attr]
    pure: Any = getattr(getattr(aten, name[:-1], None), overload, None) if name.endswith("_") else None
    if pure is None:
        return None
    node.target = pure
    return node


def refuse_mutation(graph: fx.Graph) -> None:
    """Raises NotTraceableError where a graph writes, or reads what it was not given."""
    for node in graph.nodes:
        if node.op == "get_attr":
            raise NotTraceableError("a tensor made outside of the step, whose value may change from step to step")
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        if not isinstance(node.target, torch._ops.OpOverload):
            raise NotTraceableError(f"{node.target} is no tensor operation")
        if writes(node) or "batch_norm" in node.target.name():
            raise NotTraceableError(f"{node.target} writes into its argument")
