"""One step of training, written down as a flat list of tensor operations: what is replayed, and mapped over members.

A step calls modules, distributions and automatic differentiation; what reaches the tensors in the end is a few dozen
operations, the same at each call. They are noted below all of that, gradients included.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

aten = torch.ops.aten
# mapped over members, it would be run member by member; the same numbers another way
_REWRITTEN = {aten.lerp_.Tensor: lambda start, end, weight: start.copy_(torch.lerp(start, end, weight))}


class NotTraceableError(Exception):
    """What a function does cannot be written down as operations that are the same at each call; says why."""


def trace(
    function: Callable[..., Sequence[Tensor]], arguments: Sequence[Tensor], *, values: bool = False
) -> fx.GraphModule:
    """The operations of ``function`` for arguments of these forms, as a module of the same arguments.

    Each node's ``meta["val"]`` has its form. Tensors that were there before are constants of the module. The function
    may write into its arguments.

    Args:
        function: of tensors, to a sequence of tensors.
        arguments: of it.
        values: run it on the arguments themselves, which are perhaps changed, and not on tensors that have a form
            alone, on which nothing is computed: what ``torch.func.vmap`` maps wants values.

    Raises:
        NotTraceableError: it looks at values to decide what to do, draws from a stream of its own, or raises.
    """
    forms = None if values else FakeTensorMode(allow_non_fake_inputs=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = arguments if forms is None else [forms.from_tensor(argument) for argument in arguments]
            writer = _Writer(given)
            with nullcontext() if forms is None else forms, writer:
                found = function(*given)
        writer.graph.output([writer.node_of(tensor) for tensor in found])
    # whatever a stranger's module or torch raises: the plain step either does not raise it, or raises it as it is
    except Exception as error:
        if isinstance(error, NotTraceableError):
            raise
        raise NotTraceableError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    holder = nn.Module()
    for name, tensor in writer.constants.items():
        holder.register_buffer(name, tensor, persistent=False)
    return fx.GraphModule(holder, writer.graph)


class Form(NamedTuple):
    """What a tensor is like."""

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device


class _Writer(TorchDispatchMode):
    """Notes every operation that reaches the tensors themselves, below gradients and batching."""

    def __init__(self, arguments: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        self.constants: dict[str, Tensor] = {}
        self._nodes: dict[int, fx.Node] = {}
        # a tensor that was let go would leave its id to another
        self._held: list[Tensor] = []
        for index, tensor in enumerate(arguments):
            self._know(tensor, self.graph.placeholder(f"given_{index}"))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _REWRITTEN:
            with self:
                return _REWRITTEN[func](*args, **kwargs)
        if func is aten._local_scalar_dense.default or torch.Tag.dynamic_output_shape in func.tags:
            raise NotTraceableError("what is done depends on values")
        if any(isinstance(value, torch.Generator) for value in (*args, *kwargs.values())):
            raise NotTraceableError("numbers are drawn from a stream of its own")
        if func.namespace == "prim":
            # a question after a form, such as a device
            return func(*args, **kwargs)
        inputs = tree_map_only(Tensor, self.node_of, (args, kwargs))
        found = func(*args, **kwargs)
        node = self.graph.call_function(func, *inputs)
        if isinstance(found, Tensor):
            self._know(found, node)
        else:
            for index, part in enumerate(found if isinstance(found, list | tuple) else ()):
                if isinstance(part, Tensor):
                    self._know(part, self.graph.call_function(operator.getitem, (node, index)))
        return found

    def node_of(self, tensor: Tensor) -> fx.Node:
        """Where ``tensor`` came from; one that was there before is a constant."""
        if id(tensor) not in self._nodes:
            name = f"held_{len(self.constants)}"
            self.constants[name] = tensor.detach()
            self._know(tensor, self.graph.create_node("get_attr", name))
        return self._nodes[id(tensor)]

    def _know(self, tensor: Tensor, node: fx.Node) -> None:
        # values are not kept for as long as the operations are
        is_form = isinstance(tensor, FakeTensor)
        node.meta["val"] = tensor if is_form else Form(tensor.shape, tensor.dtype, tensor.device)
        self._nodes[id(tensor)] = node
        self._held.append(tensor)
