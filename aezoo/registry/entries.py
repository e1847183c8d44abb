"""What a plugin registers: models, parts and datasets, each a small value with a name."""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from aezoo.errors import STOPS, PluginError, reason_of
from aezoo.registry.distributions import OURS
from aezoo.registry.guard import guarded

# a look-up of names waits for no class of options, nor for what builds them
if TYPE_CHECKING:
    from aezoo.core.config import Config
    from aezoo.core.options import ModelConfig

Kind = Literal[
    "model", "dataset", "regularizer", "prior", "corruption", "likelihood", "network", "activation", "inspection"
]
CONTEXT = ("spec", "code_shape", "hidden", "activation", "code_outputs", "data_outputs")
"""What a part's constructor may ask for by argument name, beside its own options: the data as the model sees it
(a DataSpec), the shape of one code, and for networks the hidden sizes, a function that makes the activation, the
encoder's number of outputs and the decoder's Outputs."""


@dataclass(frozen=True)
class Entry:
    """Something registered. ``plugin`` and ``distribution`` are filled in by the loader, never by the plugin.

    Examples:
        >>> entry = aezoo.registry.models["vae"]
        >>> entry.family, entry.distribution, entry.references[0][:22]
        ('variational', 'aezoo', 'Kingma & Welling 2014,')
    """

    name: str
    summary: str = field(default="", kw_only=True)
    references: tuple[str, ...] = field(default=(), kw_only=True)
    family: str = field(default="", kw_only=True)
    plugin: str = field(default="", kw_only=True)
    distribution: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        # a lone reference is one, not its letters; and without docstrings (python -OO) a summary is None
        references = (self.references,) if isinstance(self.references, str) else tuple(self.references or ())
        object.__setattr__(self, "references", references)
        summary = "" if self.summary is None else self.summary
        object.__setattr__(self, "summary", " ".join(summary.split()) if isinstance(summary, str) else summary)

    def brought_by(self, plugin: str, distribution: str) -> Self:
        """The same entry, with whose it is; what it gives by name stays a name."""
        found = copy.copy(self)
        object.__setattr__(found, "plugin", plugin)
        object.__setattr__(found, "distribution", distribution)
        return found

    @property
    def source(self) -> str:
        """Who provides it, for messages: ``plugin 'hoyer' (aezoo-hoyer)``."""
        return f"plugin {self.plugin!r} ({self.distribution})"

    @property
    def options(self) -> type[Config]:
        """The pydantic class of the entry's options."""
        raise NotImplementedError

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the options; raises PluginError where they have none."""
        try:
            return self.options.model_json_schema()
        except PluginError:
            raise
        except Exception as error:
            raise PluginError(
                f"the options of {self.name!r} of {self.source} have no JSON schema: {reason_of(error)}."
            ) from error

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the thing can do, derived from its parts; imports torch."""
        return ()


@dataclass(frozen=True)
class Model(Entry):
    """A model: ``build(config, spec)`` returns an Autoencoder.

    Both the config class and the function are given as they are or as ``"module:name"``; then looking the model up
    imports neither. Read, ``config`` is the class in any case.

    ``training`` holds options of training that suit the model better than those of all models: who gives none of them
    gets these.

    Examples:
        >>> entry = aezoo.registry.models["contractive"]
        >>> entry.family, entry.config().latent_dim
        ('contractive', 32)
        >>> aezoo.registry.models["linear"].training
        {'steps': 6000, 'lr': 0.01, 'schedule': 'cosine'}
    """

    config: type[ModelConfig] | str
    build: Callable[..., Any] | str
    training: dict[str, Any] = field(default_factory=dict, hash=False, kw_only=True)

    def training_with(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options of training that a user gave, and beside them the model's own."""
        length = ("epochs", "steps")
        left_out = {*given, *(length if any(given.get(name) is not None for name in length) else ())}
        return {**{name: value for name, value in self.training.items() if name not in left_out}, **given}

    @property
    def options(self) -> type[ModelConfig]:  # noqa: D102
        return cast("type[ModelConfig]", self.config)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the model can do with its default options, read off a built one; imports torch.

        Empty for a model that cannot be built by its defaults for small binary rows or images, for whatever reason:
        who only looks a model up is not to be stopped by it.
        """
        from aezoo.core.spec import DataSpec

        for shape in ((8,), (1, 8, 8)):
            try:
                spec = DataSpec(shape=shape, low=0.0, high=1.0, levels=2, scaling="scale")
                return tuple(self.resolve()(self.options(), spec).capabilities)
            except STOPS:
                raise
            except BaseException:
                continue
        return ()

    def resolve(self) -> Callable[..., Any]:
        """The build function, imported on first use."""
        return resolve(self.build, self)


@dataclass(frozen=True)
class Part(Entry):
    """A part: a class or function, or ``"module:name"``, called with its options and the context that it asks for.

    ``config`` is the pydantic class of its options, or its ``"module:name"``; left out, it is read off the
    constructor's signature. Read, it is the class in any case.

    Examples:
        >>> aezoo.registry.regularizers["l1"].options().unit_norm
        False
    """

    target: Callable[..., Any] | str
    config: type[Config] | str | None = None

    @property
    def options(self) -> type[Config]:  # noqa: D102
        if self.config is None:
            return options_of(self.resolve(), self)
        return cast("type[Config]", self.config)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The class's own ``capabilities``; imports it. Empty where they are no texts."""
        found = getattr(self.resolve(), "capabilities", ())
        whole = isinstance(found, tuple | list) and all(isinstance(name, str) for name in found)
        return tuple(found) if whole else ()

    def resolve(self) -> Callable[..., Any]:
        """The class or function, imported on first use."""
        return resolve(self.target, self)


@dataclass(frozen=True)
class DatasetEntry(Part):
    """A dataset: ``target(**options)`` returns an ``aezoo.data.Dataset``.

    Examples:
        >>> entry = aezoo.DatasetEntry("mine", "my_package.data:load", summary="My data.")
        >>> entry.name, entry.summary
        ('mine', 'My data.')
    """


@dataclass(frozen=True)
class Inspection(Part):
    """A way to look at a trained model: ``target(subject, options)`` returns an ``aezoo.inspection.Finding``.

    ``options`` is an instance of ``config``; left out, there are none.

    Examples:
        >>> aezoo.registry.inspections["plane"].summary
        "Data decoded over a plane of codes, at the prior's quantiles."
    """

    @property
    def options(self) -> type[Config]:  # noqa: D102
        if self.config is None:
            from aezoo.core.config import Config

            return Config
        return super().options


class _Named:
    """A field that may be given as ``"module:name"`` and is read as what that names, imported when it is read."""

    def __init__(self, field: str) -> None:
        self._field = field

    def __get__(self, entry: Any, owner: type[Any] | None = None) -> Any:
        if entry is None:
            return self
        given = entry.__dict__[self._field]
        return resolve(given, entry) if isinstance(given, str) else given

    def __set__(self, entry: Any, value: Any) -> None:
        entry.__dict__[self._field] = value


# beside the dataclasses, which take a descriptor among their fields for a default
Model.config = _Named("config")  # type: ignore[assignment]
Part.config = _Named("config")  # type: ignore[assignment]


def resolve(target: Callable[..., Any] | str, entry: Entry) -> Callable[..., Any]:
    """``target`` itself, or what ``"module:name"`` names; raises PluginError when that is nothing to be called."""
    found: Any = target
    if isinstance(target, str):
        module, colon, name = target.partition(":")
        if not (module and colon and name):
            raise PluginError(
                f"{entry.name!r} of {entry.source} names {target!r}, which cannot be imported: give 'module:name'."
            )
        try:
            with contextlib.nullcontext() if entry.distribution in (OURS, "") else guarded():
                found = getattr(importlib.import_module(module), name)
        except STOPS:
            raise
        except BaseException as error:
            raise PluginError(
                f"{entry.name!r} of {entry.source} names {target!r}, which cannot be imported: {reason_of(error)}."
            ) from error
    if not callable(found):
        raise PluginError(
            f"{entry.name!r} of {entry.source} names {target!r}, which is {type(found).__name__} and cannot be called: "
            "give a class, a function, or 'module:name'."
        )
    called: Callable[..., Any] = found
    return called


def options_of(target: Callable[..., Any], entry: Entry) -> type[Config]:
    """A config class read off the signature of ``target``, its context arguments left out."""
    from pydantic import create_model

    from aezoo.core.config import Config

    fields: dict[str, Any] = {}
    try:
        parameters = inspect.signature(target, eval_str=True).parameters
    # an annotation is any expression, and some callables have no signature
    except Exception as error:
        raise PluginError(
            f"the arguments of {entry.name!r} of {entry.source} cannot be read: {reason_of(error)}; give "
            "the entry a config class, or import what its annotations name."
        ) from error
    # a module that leaves its constructor to torch has none of its own to name options in
    inherited = inspect.isclass(target) and str(getattr(target.__init__, "__module__", "")).startswith("torch.")
    # what an abstract class takes by keyword alone, its subclasses say of themselves, and not their users
    owner = (
        next((c for c in inspect.getmro(target) if "__init__" in vars(c)), None) if inspect.isclass(target) else None
    )
    of_subclasses = owner is not None and inspect.isabstract(owner)
    for name, parameter in parameters.items():
        if name in CONTEXT or (of_subclasses and parameter.kind is parameter.KEYWORD_ONLY):
            continue
        if inherited and parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PluginError(
                f"{entry.name!r} of {entry.source} takes *args or **kwargs: "
                "name its options, or give the entry a config class."
            )
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        fields[name] = (annotation, ... if parameter.default is parameter.empty else parameter.default)
    try:
        made: type[Config] = create_model(
            f"{entry.name}Options", __base__=Config, __config__=None, __doc__=entry.summary or None, **fields
        )
        made.model_rebuild()
    # of a type that no option can have
    except Exception as error:
        raise PluginError(
            f"the arguments of {entry.name!r} of {entry.source} are no options: {reason_of(error)}; give the entry a "
            "config class."
        ) from error
    return made


def asks_for(target: Callable[..., Any], vocabulary: tuple[str, ...]) -> list[str]:
    """Which names of ``vocabulary`` are arguments of ``target``; none of one without a signature.

    Examples:
        >>> aezoo.registry.asks_for(lambda spec, width: None, aezoo.registry.CONTEXT)
        ['spec']
    """
    try:
        parameters = inspect.signature(target).parameters
    except (ValueError, TypeError):
        return []
    return [name for name in parameters if name in vocabulary]


def arguments(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments of ``function``.

    Examples:
        >>> aezoo.registry.arguments(lambda run, metrics: None)
        ['run', 'metrics']
    """
    return list(inspect.signature(function).parameters)
