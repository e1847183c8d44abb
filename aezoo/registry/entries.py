"""What a plugin registers: models, parts and datasets, each a small value with a name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import create_model

from aezoo.config import Config, DataSpec
from aezoo.errors import PluginError
from aezoo.options import ModelConfig

Kind = Literal[
    "model", "dataset", "regularizer", "prior", "corruption", "likelihood", "network", "activation", "inspection"
]
CONTEXT = ("spec", "code_shape", "hidden", "activation", "code_outputs", "data_outputs")
"""What a part's constructor may ask for by argument name, beside its own options: the data as the model sees it
(a DataSpec), the shape of one code, and for networks the hidden sizes, a function that makes the activation, the
encoder's number of outputs and the decoder's Outputs."""


@dataclass(frozen=True)
class Entry:
    """Something registered. ``plugin`` and ``distribution`` are filled in by the loader, never by the plugin."""

    name: str
    summary: str = field(default="", kw_only=True)
    references: tuple[str, ...] = field(default=(), kw_only=True)
    family: str = field(default="", kw_only=True)
    plugin: str = field(default="", kw_only=True)
    distribution: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "references", tuple(self.references))
        object.__setattr__(self, "summary", " ".join(self.summary.split()))

    @property
    def options(self) -> type[Config]:
        """The pydantic class of the entry's options."""
        raise NotImplementedError

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the options."""
        return self.options.model_json_schema()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the thing can do, derived from its parts; imports torch."""
        return ()


@dataclass(frozen=True)
class Model(Entry):
    """A model: ``build(config, spec)`` returns an Autoencoder; given as a function or as ``"module:function"``."""

    config: type[ModelConfig]
    build: Callable[..., Any] | str

    @property
    def options(self) -> type[ModelConfig]:  # noqa: D102
        return self.config

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the model can do with its default options, read off a built one; imports torch.

        Empty for a model that cannot be built by its defaults for small binary rows or images, for whatever reason:
        who only looks a model up is not to be stopped by it.
        """
        for shape in ((8,), (1, 8, 8)):
            try:
                spec = DataSpec(shape=shape, low=0.0, high=1.0, levels=2, scaling="scale")
                return tuple(self.resolve()(self.config(), spec).capabilities)
            except (Exception, SystemExit):
                continue
        return ()

    def resolve(self) -> Callable[..., Any]:
        """The build function, imported on first use."""
        return resolve(self.build, self)


@dataclass(frozen=True)
class Part(Entry):
    """A part: a class or function, or ``"module:name"``, called with its options and the context that it asks for.

    ``config`` is the pydantic class of its options; left out, it is read off the constructor's signature.
    """

    target: Callable[..., Any] | str
    config: type[Config] | None = None

    @property
    def options(self) -> type[Config]:  # noqa: D102
        return self.config or options_of(self.resolve(), self)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The class's own ``capabilities``; imports it."""
        return tuple(getattr(self.resolve(), "capabilities", ()))

    def resolve(self) -> Callable[..., Any]:
        """The class or function, imported on first use."""
        return resolve(self.target, self)


@dataclass(frozen=True)
class DatasetEntry(Part):
    """A dataset: ``target(**options)`` returns an ``aezoo.data.Dataset``."""


@dataclass(frozen=True)
class Inspection(Part):
    """A way to look at a trained model: ``target(subject, options)`` returns an ``aezoo.inspection.Finding``.

    ``options`` is an instance of ``config``; left out, there are none.
    """

    @property
    def options(self) -> type[Config]:  # noqa: D102
        return self.config or Config


def resolve(target: Callable[..., Any] | str, entry: Entry) -> Callable[..., Any]:
    """``target`` itself, or what ``"module:name"`` names; raises PluginError when it cannot be imported."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise PluginError(
            f"{entry.name!r} of plugin {entry.plugin!r} ({entry.distribution}) names {target!r}, "
            f"which cannot be imported: {type(error).__name__}: {error}."
        ) from error
    return found


def options_of(target: Callable[..., Any], entry: Entry) -> type[Config]:
    """A config class read off the signature of ``target``, its context arguments left out."""
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(target, eval_str=True).parameters.items():
        if name in CONTEXT:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PluginError(
                f"{entry.name!r} of plugin {entry.plugin!r} ({entry.distribution}) takes *args or **kwargs: "
                "name its options, or give the entry a config class."
            )
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        fields[name] = (annotation, ... if parameter.default is parameter.empty else parameter.default)
    made: type[Config] = create_model(
        f"{entry.name}Options", __base__=Config, __config__=None, __doc__=entry.summary or None, **fields
    )
    return made


def asks_for(target: Callable[..., Any], vocabulary: tuple[str, ...]) -> list[str]:
    """Which names of ``vocabulary`` are arguments of ``target``."""
    return [name for name in inspect.signature(target).parameters if name in vocabulary]


def arguments(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments of ``function``."""
    return list(inspect.signature(function).parameters)
