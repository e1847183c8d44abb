"""From a model's config and the data's description to an Autoencoder: what the build functions of models share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from torch import nn

from aezoo import registry
from aezoo.core.config import Choice
from aezoo.core.options import ModelConfig, PointConfig
from aezoo.core.spec import DataSpec
from aezoo.data import make_preprocess, scaled_spec
from aezoo.errors import CompositionError
from aezoo.model.autoencoder import Autoencoder
from aezoo.model.objective import Bound
from aezoo.parts import (
    ColumnInput,
    Decoder,
    Encoder,
    Gradient,
    Likelihood,
    MaskChannel,
    Outputs,
    PointEncoder,
    Prior,
    Table,
    Weighted,
    build_part,
    initialise,
    resolved,
)

C = TypeVar("C", bound=ModelConfig)


def assemble(
    config: ModelConfig,
    spec: DataSpec,
    *,
    encoder: Callable[[nn.Module], Encoder] | None = None,
    regularizers: Sequence[Weighted] = (),
    prior: Prior | Choice | None = None,
    draws: int = 1,
    bound: Bound = "mean",
    gradient: Gradient = "reparameterised",
    code_shape: tuple[int, ...] | None = None,
    copies: int = 1,
) -> Autoencoder:
    """Builds an autoencoder from a config's shared options and a model's own parts.

    Args:
        config: network, likelihood, corruption, further regularizers and preprocessing are read from it.
        spec: the raw data.
        encoder: makes the encoder of its network; None is a point encoder with the config's ``code_activation``.
            Its attribute ``outputs_per_code`` says how many values of the network a value of the code takes.
        regularizers: the model's own; those of the config follow.
        prior: p(z), as a part or by name.
        draws: K.
        bound: ``"mean"`` or ``"importance"``.
        gradient: ``"reparameterised"`` or ``"score-function"``.
        code_shape: of one code *Z; None is ``(latent_dim,)``.
        copies: of each row in a step, corrupted apart.

    Raises:
        UnknownNameError, UsageError, CompositionError: a part is unknown, misconfigured, or does not fit.

    Examples:
        >>> spec = aezoo.DataSpec(shape=(6,))
        >>> model = aezoo.assemble(aezoo.ModelConfig(latent_dim=2, likelihood="laplace"), spec)
        >>> model.reconstruct(np.zeros((5, 6))).shape
        (5, 6)
    """
    seen = scaled_spec(config.preprocess, spec)
    code_shape = code_shape or (config.latent_dim,)
    likelihood = build_part("likelihood", config.likelihood, spec=seen)
    encoder = encoder or _point_encoder(config, seen, code_shape)
    default = type(config).model_fields["activation"].default
    if not config.hidden and resolved("activation", config.activation) != resolved("activation", default):
        raise CompositionError(
            f"activation {config.activation} has no hidden layer to act on: give hidden, such as 128, or leave it out."
        )
    networks = partial(
        build_part,
        "network",
        config.network,
        code_shape=code_shape,
        code_outputs=math.prod(code_shape) * getattr(encoder, "outputs_per_code", 1),
        data_outputs=likelihood.outputs,
        hidden=config.hidden,
        activation=partial(build_part, "activation", config.activation, spec=seen),
    )
    corruption = None if config.corruption is None else build_part("corruption", config.corruption, spec=seen)
    told = corruption is not None and corruption.marks_missing
    if seen.is_mixed or likelihood.entry is not None:
        encoder_network, decoder_network = _of_columns(networks, seen, likelihood, masks=told)
    else:
        encoder_network, decoder_network = networks(spec=seen)
        if told:
            encoder_network = _told_of_masks(networks, seen, likelihood)
    further = [
        Weighted(choice.name, build_part("regularizer", choice, code_shape=code_shape, spec=seen), choice.weight)
        for choice in config.regularizers
    ]
    for network in (encoder_network, decoder_network):
        initialise(network, config.init)
    made = encoder(encoder_network)
    _refuse_other_outputs(encoder, made, encoder_network)
    return Autoencoder(
        made,
        Decoder(decoder_network, likelihood),
        spec=spec,
        prior=build_part("prior", prior, code_shape=code_shape, spec=seen) if isinstance(prior, Choice) else prior,
        regularizers=[*regularizers, *further],
        corruption=corruption,
        copies=copies,
        preprocess=make_preprocess(config.preprocess, spec, clip=likelihood.unit_interval),
        draws=draws,
        bound=bound,
        gradient=gradient,
    )


def _of_columns(
    networks: Callable[..., Any], seen: DataSpec, likelihood: Likelihood, masks: bool
) -> tuple[nn.Module, nn.Module]:
    """An encoder's network that takes the columns of a mixed table apart, and the decoder's beside it."""
    if likelihood.entry is None:
        lacks = "missing values" if any(column.holes for column in seen.columns) else "columns that are no numbers"
        raise CompositionError(
            f"{seen.name} has {lacks}, of which likelihood {type(likelihood).__name__} knows nothing: use "
            "--likelihood table."
        )
    entry = ColumnInput(seen, masks=masks) if isinstance(likelihood, Table) else likelihood.entry
    if masks and not isinstance(likelihood, Table):
        raise CompositionError(
            f"{type(likelihood).__name__} knows of no missing values: use masking without a channel."
        )
    flat = DataSpec(name=seen.name, shape=(entry.width if isinstance(likelihood, Table) else seen.size,))
    network, decoder = networks(spec=flat, data_outputs=likelihood.outputs)
    # one chain of layers, so that what looks for the first of them finds it
    return nn.Sequential(entry, *network) if type(network) is nn.Sequential else nn.Sequential(entry, network), decoder


def _told_of_masks(networks: Callable[..., Any], seen: DataSpec, likelihood: Likelihood) -> nn.Module:
    """An encoder's network that sees twice the channels or columns, the second half a mask of missing values."""
    twice = seen.model_copy(update={"shape": (2 * seen.shape[0], *seen.shape[1:])})
    outputs = Outputs(twice.shape, likelihood.outputs.channels, likelihood.outputs.scalars)
    return MaskChannel(networks(spec=twice, data_outputs=outputs)[0])


def _refuse_other_outputs(encoder: Callable[[nn.Module], Encoder], made: Encoder, network: nn.Module) -> None:
    """Refuses a function that makes an encoder of two values a code, and does not say so as the class itself does."""
    told, needed = (getattr(one, "outputs_per_code", 1) for one in (encoder, made))
    # who leaves the network aside may need anything of one of their own
    if told != needed and any(module is network for module in made.modules()):
        raise CompositionError(
            f"{type(made).__name__} needs {needed} values of its network for each value of the code, and what makes it "
            f"has no outputs_per_code = {needed}: give the class itself, or set that on the function."
        )


def _point_encoder(config: ModelConfig, spec: DataSpec, code_shape: tuple[int, ...]) -> Callable[[nn.Module], Encoder]:
    choice = config.code_activation if isinstance(config, PointConfig) else Choice(name="identity")
    activation = build_part("activation", choice, spec=spec, code_shape=code_shape)
    return lambda network: PointEncoder(network, activation)


def _chosen(config: ModelConfig) -> Iterator[tuple[str, Any, Choice | tuple[Choice, ...]]]:
    """Each field of a config that names registered parts: its name, their kind, and the choice or choices."""
    for name, field in type(config).model_fields.items():
        extra = field.json_schema_extra
        kind = extra.get("kind") if isinstance(extra, dict) else None
        value = getattr(config, name)
        if kind and isinstance(value, Choice | tuple):
            yield name, kind, value


def chosen_parts(config: ModelConfig) -> Iterator[tuple[str, registry.Part]]:
    """The chosen parts, each with its kind, in the order of the config's fields."""
    for _, kind, value in _chosen(config):
        for choice in value if isinstance(value, tuple) else (value,):
            yield kind, registry.parts[kind][choice.name]


def distributions(config: ModelConfig) -> tuple[str, ...]:
    """The distributions that the chosen parts come from."""
    return tuple(sorted({part.distribution for _, part in chosen_parts(config)}))


def part_sources(config: ModelConfig) -> tuple[str, ...]:
    """The chosen parts that are not aezoo's own, each with its plugin and distribution, for messages."""
    others = [(kind, part) for kind, part in chosen_parts(config) if part.distribution != registry.OURS]
    return tuple(sorted({f"{kind} {part.name!r} of {part.source}" for kind, part in others}))


def complete(config: C) -> C:
    """The same config with every option of every chosen part spelled out, as it is saved.

    Raises:
        UnknownNameError, UsageError: a part or an option that does not exist, or is out of range.
    """
    spelled: dict[str, Any] = {}
    for name, kind, value in _chosen(config):
        if isinstance(value, tuple):
            spelled[name] = tuple(resolved(kind, choice) for choice in value)
        else:
            spelled[name] = resolved(kind, value)
    return config.model_copy(update=spelled)
