"""The loss and gradients of a model as straight code: a list of tensor operations, and nothing else.

``torch.fx`` writes down which operations a step calls, forward and backward. They are then called one after the other,
without modules, distributions, argument checks or automatic differentiation around them, which on small models take
three quarters of the time. It is the same operations on the same values in the same order, so the result has the same
bits; what is left out is what changes nothing:

- views of views, and views of parameters, which are taken once
- what is computed twice, and what depends on nothing but shapes
- memory for a result that can take the place of an operand that nobody needs any more
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_map

from aezoo.training.engine.trace import NotTraceableError, trace
from aezoo.training.engine.writes import VIEWS, form, packet, put_off, refuse_mutation, write_anew, writes

aten = torch.ops.aten

# of a shape: the same at every call
CONSTANTS: set[Any] = {aten.ones_like, aten.zeros_like, aten.full_like, aten.new_zeros, aten.new_ones, aten.new_full}
CONSTANTS |= {aten.zeros, aten.ones, aten.full, aten.arange, aten.eye, aten.scalar_tensor, aten.linspace}
RESHAPES: set[Any] = {aten.view, aten._unsafe_view, aten.unsqueeze, aten.squeeze, aten.expand}
IN_PLACE: dict[Any, Callable[..., Any]] = {
    aten.relu.default: aten.relu_.default,
    aten.sigmoid.default: aten.sigmoid_.default,
    aten.tanh.default: aten.tanh_.default,
    aten.neg.default: aten.neg_.default,
    aten.exp.default: aten.exp_.default,
    aten.mul.Tensor: aten.mul_.Tensor,
    aten.div.Tensor: aten.div_.Tensor,
    aten.add.Tensor: aten.add_.Tensor,
    aten.sub.Tensor: aten.sub_.Tensor,
}
INTO_GRADIENT: dict[Any, Callable[..., Any]] = {
    aten.threshold_backward.default: aten.threshold_backward.grad_input,
    aten.sigmoid_backward.default: aten.sigmoid_backward.grad_input,
    aten.tanh_backward.default: aten.tanh_backward.grad_input,
}
CONSTANT_SIZE = 1 << 20


class Program:
    """A traced function of tensors.

    Args:
        function: of a list of ``held`` tensors and of ``inputs``; returns a list of tensors.
        held: tensors that stay where they are from call to call: parameters and buffers.
        inputs: examples of the tensors that differ from call to call, of which only the form is read.
        compiled: hand the operations to ``torch.compile``, which fuses some of them and so rounds otherwise.

    Raises:
        NotTraceableError: it writes into its arguments, or reads values while it decides what to do.
    """

    def __init__(
        self,
        function: Callable[..., list[Tensor]],
        held: Sequence[Tensor],
        inputs: Sequence[Tensor],
        *,
        compiled: bool = False,
    ) -> None:
        def flat(*given: Tensor) -> list[Tensor]:
            return function(list(given[: len(held)]), *given[len(held) :])

        traced = trace(flat, [*held, *inputs])
        write_anew(traced.graph)
        wanted = len(traced.graph.output_node().args[0])  # type: ignore[arg-type]
        written = put_off(traced.graph, len(held))
        if any(map(writes, traced.graph.nodes)):
            if written:
                raise NotTraceableError("it writes into what is held, and elsewhere too")
            # torch knows every way to write, but takes some operations apart, which rounds otherwise
            traced = trace(torch.func.functionalize(traced), [*held, *inputs])
        refuse_mutation(traced.graph)
        writer = _Writer(traced.graph, held)
        self._call = writer.function()
        self._wanted = wanted
        self.written = [held[number] for number in written]
        """The held tensors that a call moves, such as running means."""
        self.text = writer.text
        """The operations, as Python."""
        if compiled:
            self._call = _compiled(traced, held)
        if inputs[0].device.type == "cuda":
            try:
                self._call = _Replayed(self._call, inputs)
            except Exception as error:  # the plain step is there
                raise NotTraceableError(f"{type(error).__name__}: {error}") from error
        self.exact = not compiled and inputs[0].device.type == "cpu"
        """Whether results have the bits of the function's own; sums on a GPU have no order."""

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """What the function returns; on a GPU in memory that the next call writes over."""
        with torch.no_grad():
            found = self._call(*inputs)
            for tensor, value in zip(self.written, found[self._wanted :], strict=True):
                tensor.copy_(value)
        return found[: self._wanted]


def _compiled(traced: fx.GraphModule, held: Sequence[Tensor]) -> Callable[..., list[Tensor]]:
    fixed = list(held)

    def call(*inputs: Tensor) -> list[Tensor]:
        # the compiler, which is loaded and does its work at the first call, warns of its own doings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not compiled:
                # torch's own random numbers, or a compiled run would draw others than a plain one
                compiled.append(torch.compile(traced, options={"fallback_random": True}))
            return compiled[0](*fixed, *inputs)  # type: ignore[no-any-return]

    compiled: list[Callable[..., Any]] = []
    return call


class _Replayed:
    """A call as a CUDA graph: one launch instead of one for each operation."""

    WARM_UP = 3

    def __init__(self, call: Callable[..., list[Tensor]], inputs: Sequence[Tensor]) -> None:
        self.inputs = [value.detach().clone() for value in inputs]
        self.graph = torch.cuda.CUDAGraph()
        device = self.inputs[0].device
        with torch.no_grad(), torch.random.fork_rng(devices=[device]), torch.cuda.device(device):
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(self.WARM_UP):
                    call(*self.inputs)
            torch.cuda.current_stream().wait_stream(beside)
            with torch.cuda.graph(self.graph):
                self.outputs = call(*self.inputs)

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        for place, value in zip(self.inputs, inputs, strict=True):
            place.copy_(value, non_blocking=True)
        self.graph.replay()
        return self.outputs


class _Writer:
    """Turns a graph into the text of a function.

    Shorthand: a *name* is an expression of the text, such as ``v7``; a *held* node is worked out once, here.
    """

    def __init__(self, graph: fx.Graph, held: Sequence[Tensor]) -> None:
        self.nodes = list(graph.nodes)
        self.same: dict[fx.Node, fx.Node] = {}
        self.values: dict[fx.Node, Any] = {}
        self.scope: dict[str, Any] = {}
        self.lines: list[str] = []
        self.text = ""
        places = [node for node in self.nodes if node.op == "placeholder"]
        self.values.update(zip(places, held, strict=False))
        self.inputs = places[len(held) :]
        # held nodes whose values change from call to call: parameters, buffers and their views
        self.variable = set(self.values)

    def function(self) -> Callable[..., list[Any]]:
        """The compiled function."""
        self._simplify()
        self._work_out_held()
        calls = self._needed()
        self._write(calls)
        arguments = ", ".join(self._name(node) for node in self.inputs)
        self.text = f"def program({arguments}):\n" + "\n".join(f"    {line}" for line in self.lines)
        exec(compile(self.text, "<program>", "exec"), self.scope)
        found: Callable[..., list[Any]] = self.scope["program"]
        return found

    # ------------------------------------------------------------------ what need not be computed

    def _simplify(self) -> None:
        seen: dict[Any, fx.Node] = {}
        for node in self.nodes:
            if node.op != "call_function":
                continue
            source = self._as_before(node)
            if source is not None:
                self.same[node] = source
                continue
            key = self._key(node)
            if key is None:
                continue
            if key in seen:
                self.same[node] = seen[key]
            else:
                seen[key] = node

    def _as_before(self, node: fx.Node) -> fx.Node | None:
        """A node with the same values in the same places of memory; views of views become views of what is below."""
        kind = packet(node)
        if kind not in VIEWS or kind is operator.getitem or not isinstance(node.args[0], fx.Node):
            return None
        source = self._real(node.args[0])
        if kind in (aten.detach, aten.alias) or form(node) == form(source):
            return source
        if kind is aten.t and source.op == "call_function" and packet(source) is aten.t:
            return self._real(source.args[0])  # type: ignore[arg-type]
        if not _reshapes(node):
            return None
        if _drops_kept_axis(node, source):
            source.args = (*source.args[:2], False)
            source.meta["val"] = node.meta["val"]
            return source
        below = source
        while below.op == "call_function" and _reshapes(below):
            below = self._real(below.args[0])  # type: ignore[arg-type]
            if form(node) == form(below):
                return below
        if below is not source and below.meta["val"].is_contiguous() and node.meta["val"].is_contiguous():
            node.target, node.args, node.kwargs = aten.view.default, (below, list(node.meta["val"].shape)), {}
        return None

    def _key(self, node: fx.Node) -> Any:
        """Equal for two calls that give the same values; None for one that draws."""
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            return None
        arguments = tree_map(lambda a: self._real(a) if isinstance(a, fx.Node) else a, (node.args, node.kwargs))
        return repr((node.target, arguments))

    def _real(self, node: fx.Node) -> fx.Node:
        while node in self.same:
            node = self.same[node]
        return node

    def _work_out_held(self) -> None:
        """Views of what is held, and what depends on nothing but shapes."""
        for node in self.nodes:
            if node.op != "call_function" or node in self.same:
                continue
            sources = [self._real(source) for source in node.all_input_nodes]
            example = node.meta.get("val")
            small = isinstance(example, Tensor) and example.numel() <= CONSTANT_SIZE
            held = all(source in self.values for source in sources)
            fixed = held and all(source not in self.variable for source in sources)
            if packet(node) in CONSTANTS and small:
                self._hold(node, shapes_only=True)
            elif held and packet(node) in VIEWS:
                self._hold(node)
                if not fixed:
                    self.variable.add(node)
            elif fixed and small and self._key(node) is not None:
                self._hold(node)

    def _hold(self, node: fx.Node, shapes_only: bool = False) -> None:
        def value(argument: Any) -> Any:
            if not isinstance(argument, fx.Node):
                return argument
            real = self._real(argument)
            if shapes_only:
                example = real.meta["val"]
                return torch.empty_strided(example.shape, example.stride(), dtype=example.dtype, device=example.device)
            return self.values[real]

        arguments, options = tree_map(value, (node.args, node.kwargs))
        with torch.no_grad():
            self.values[node] = node.target(*arguments, **options)  # type: ignore[operator]

    # ------------------------------------------------------------------ the text

    def _needed(self) -> list[fx.Node]:
        """The calls that the result depends on, in their order."""
        wanted = {self._real(node) for node in self.nodes[-1].all_input_nodes}
        calls = []
        for node in reversed(self.nodes):
            # a draw moves the random stream, whether or not its values are needed
            draws = node.op == "call_function" and self._key(node) is None
            if node.op != "call_function" or node in self.values or not (node in wanted or draws):
                continue
            calls.append(node)
            wanted |= {self._real(source) for source in node.all_input_nodes}
        return calls[::-1]

    def _write(self, calls: Sequence[fx.Node]) -> None:
        last: dict[fx.Node, int] = {}
        users: dict[fx.Node, int] = {}
        for number, node in enumerate([*calls, self.nodes[-1]]):
            for source in dict.fromkeys(map(self._real, node.all_input_nodes)):
                last[source] = number
                users[source] = users.get(source, 0) + 1
        for number, node in enumerate(calls):
            self.lines.append(f"{self._name(node)} = {self._call(node, users)}")
            done = [s for s in dict.fromkeys(map(self._real, node.all_input_nodes)) if last[s] == number]
            free = [self._name(source) for source in done if source not in self.values]
            if free:
                self.lines.append(f"del {', '.join(free)}")
        self.lines.append(f"return {self._text(self.nodes[-1].args[0])}")

    def _call(self, node: fx.Node, users: dict[fx.Node, int]) -> str:
        if node.target is operator.getitem:
            return f"{self._text(node.args[0])}[{node.args[1]}]"
        operation: Any = node.target
        options = dict(node.kwargs)
        if self._can_overwrite(node, users):
            if operation in IN_PLACE:
                operation = IN_PLACE[operation]
            elif operation in INTO_GRADIENT:
                operation = INTO_GRADIENT[operation]
                options["grad_input"] = node.args[0]
        name = str(operation).replace(".", "_")
        # without the frame of Python that an overload's own call is
        self.scope[name] = getattr(operation, "_op", operation)
        arguments = [self._text(argument) for argument in node.args]
        arguments += [f"{key}={self._text(value)}" for key, value in options.items()]
        return f"{name}({', '.join(arguments)})"

    def _can_overwrite(self, node: fx.Node, users: dict[fx.Node, int]) -> bool:
        """Whether the result may take the place of the first argument: its memory is its own, and nobody else reads."""
        first = node.args[0] if node.args else None
        if not isinstance(first, fx.Node):
            return False
        source = self._real(first)
        if source.op != "call_function" or source in self.values or users[source] > 1:
            return False
        fresh = packet(source) not in VIEWS and all(
            returned.alias_info is None
            for returned in source.target._schema.returns  # type: ignore[union-attr]
        )
        return fresh and form(source) == form(node)

    def _text(self, value: Any) -> str:
        if isinstance(value, fx.Node):
            return self._name(self._real(value))
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._text, value))}]"
        if value is None or isinstance(value, bool | int | str):
            return repr(value)
        # floats may be infinite, and types and devices have no literal
        name = f"c{len(self.scope)}"
        self.scope[name] = value
        return name

    def _name(self, node: fx.Node) -> str:
        if node in self.values:
            name = f"h_{node.name}"
            self.scope[name] = self.values[node]
            return name
        return f"v_{node.name}"


def _reshapes(node: fx.Node) -> bool:
    """Whether the node is a view of all values in their order."""
    if packet(node) not in RESHAPES or not isinstance(node.args[0], fx.Node):
        return False
    before, after = node.args[0].meta.get("val"), node.meta.get("val")
    return isinstance(before, Tensor) and isinstance(after, Tensor) and before.numel() == after.numel()


def _drops_kept_axis(node: fx.Node, source: fx.Node) -> bool:
    """Whether ``node`` only takes away the axes that a sum, for its sake alone, has kept."""
    if source.target is not aten.sum.dim_IntList or source.args[2:] != (True,) or len(source.users) > 1:
        return False
    axes = {axis % source.meta["val"].dim() for axis in source.args[1]}  # type: ignore[union-attr]
    left = [size for axis, size in enumerate(source.meta["val"].shape) if axis not in axes]
    return left == list(node.meta["val"].shape) and node.meta["val"].is_contiguous()
