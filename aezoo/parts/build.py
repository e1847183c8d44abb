"""From a name and options to a part: the one place where registered parts are made."""

from __future__ import annotations

from typing import Any

from torch import nn

from aezoo import registry
from aezoo.core.config import Choice, Config
from aezoo.core.options import WeightedChoice
from aezoo.errors import STOPS, PluginError, UsageError, ZooError, is_out_of_memory, reason_of
from aezoo.parts.corruption import Corruption
from aezoo.parts.likelihood import Likelihood, Outputs
from aezoo.parts.prior import Prior
from aezoo.parts.regularizer import Regularizer

BASES: dict[registry.Kind, type[nn.Module]] = {
    "regularizer": Regularizer,
    "prior": Prior,
    "corruption": Corruption,
    "likelihood": Likelihood,
}
"""What a part of a kind must be; of the others, any module."""


def part_options(kind: registry.Kind, choice: Choice) -> Config:
    """The validated options of a chosen part, defaults filled in.

    Raises:
        UnknownNameError: no such part or option.
        UsageError: an option of the wrong type or range, given twice, or a bare value for a part that takes none.

    Examples:
        >>> aezoo.parts.part_options("corruption", aezoo.Choice(name="gaussian", value=0.5)).strength
        0.5
    """
    entry = registry.parts[kind][choice.name]
    values = dict(choice.options)
    if choice.value is not None:
        keys = entry.options.keys()
        if not keys:
            raise UsageError(f"{kind} {choice.name!r} takes no value (got {choice.value!r}).")
        if keys[0] in values:
            raise UsageError(f"{kind} {choice.name!r} is given {keys[0]} twice: as {choice.value!r} and by name.")
        values[keys[0]] = choice.value
    return entry.options.parse(values, owner=f"{kind} {choice.name!r}")


def build_part(kind: registry.Kind, choice: Choice | str, **context: Any) -> Any:
    """Makes the chosen part, handing its constructor the context that it asks for by name.

    Examples:
        >>> activation = aezoo.parts.build_part("activation", "leaky-relu=0.1")
        >>> activation(torch.tensor([-10.0, 1.0])).tolist()
        [-1.0, 1.0]
    """
    if isinstance(choice, str):
        choice = Choice.model_validate(choice)
    options = part_options(kind, choice)
    entry = registry.parts[kind][choice.name]
    target = entry.resolve()
    wanted = registry.asks_for(target, registry.CONTEXT)
    missing = [name for name in wanted if name not in context]
    if missing:
        raise UsageError(f"{kind} {choice.name!r} needs {missing[0]!r}, which is not known here.")
    try:
        made = target(**options.chosen(), **{name: context[name] for name in wanted})
    except ZooError as error:
        raise registry.signed(error, entry) from error.__cause__
    except STOPS:
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise
        raise PluginError(f"{kind} {choice.name!r} of {entry.source} failed: {reason_of(error)}.") from error
    _refuse_other(kind, entry, made)
    return registry.mark(made, kind, entry)


def _refuse_other(kind: registry.Kind, entry: registry.Part, made: Any) -> None:
    """Raises PluginError unless what was made is a part of its kind, and whole."""
    base = BASES.get(kind, nn.Module)
    pair = kind == "network"
    if pair and not (isinstance(made, tuple | list) and len(made) == 2):
        raise PluginError(
            f"network {entry.name!r} of {entry.source} returned {type(made).__name__}: it must return two modules, the "
            "encoder's network and the decoder's."
        )
    for part in made if pair else (made,):
        if not isinstance(part, base):
            wanted = "torch.nn.Module" if base is nn.Module else f"aezoo.parts.{base.__name__}"
            raise PluginError(f"{kind} {entry.name!r} of {entry.source} made {type(part).__name__}, no {wanted}.")
        whole = "_parameters" in vars(part) and (
            base is not Likelihood or isinstance(getattr(part, "outputs", None), Outputs)
        )
        if not whole:
            raise PluginError(
                f"{kind} {entry.name!r} of {entry.source} is not whole: its constructor must call super().__init__()."
            )


def resolved(kind: registry.Kind, choice: Choice) -> Choice:
    """The same choice with every option spelled out, as a saved config holds it.

    Examples:
        >>> str(aezoo.parts.resolved("network", aezoo.Choice(name="mlp")))
        'mlp,tied=false,dropout=0.0,norm=none'
    """
    options = part_options(kind, choice).model_dump(mode="json")
    if isinstance(choice, WeightedChoice):
        return WeightedChoice(name=choice.name, options=options, weight=choice.weight)
    return Choice(name=choice.name, options=options)
