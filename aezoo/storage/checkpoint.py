"""Checkpoints: safetensors that describe themselves. No pickle, and nothing in the file is trusted.

The header's metadata holds one JSON text under the key ``aezoo``: the model's name and config, the data's
description, who provides the model, and, since format 2, the digest of its tensors.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field, JsonValue, ValidationError
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from aezoo import registry
from aezoo.core.config import Config, listed
from aezoo.core.options import ModelConfig
from aezoo.core.rng import random_stream
from aezoo.core.spec import DataSpec
from aezoo.errors import STOPS, CheckpointError, PluginError, UnknownNameError, ZooError, is_out_of_memory, reason_of
from aezoo.model.assembly import part_sources
from aezoo.model.autoencoder import Autoencoder
from aezoo.storage import tensors

FORMAT = 2
KEY = "aezoo"
MODEL_FILE = "model.safetensors"

FLOATS = ("F64", "F32", "F16", "BF16")
# what else a model's tensors are, by the names of the format
OTHERS = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.complex64: "C64",
}
# what a model may take beside the tensors in its file, whatever its options say
ROOM = 256 << 20
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?(==[\w.+!]{1,100})?")


class Header(Config):
    """What a checkpoint says of itself.

    Examples:
        >>> header = aezoo.training.read_header("runs/vae")
        >>> header.model, header.config["latent_dim"], header.data.name
        ('vae', 2, 'digits')
    """

    format: int = Field(FORMAT, ge=1)
    model: str
    config: dict[str, JsonValue]
    data: DataSpec
    plugin: str = ""
    distribution: str = ""
    requires: Annotated[tuple[str, ...], Field(max_length=1000), BeforeValidator(listed)] = ()
    versions: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    digest: str = ""


def build_model(name: str, values: dict[str, Any], spec: DataSpec) -> Autoencoder:
    """Builds a registered model from its name, its options and the data's description.

    Raises:
        UnknownNameError, UsageError, CompositionError: a name or option that does not exist or does not fit.
        PluginError: the model's build function broke.

    Examples:
        >>> model = aezoo.training.build_model("vae", {"latent_dim": 3}, aezoo.DataSpec(shape=(6,)))
        >>> model.capabilities
        ('stochastic', 'samples', 'bound', 'density')
    """
    entry = registry.models[name]
    config = entry.options.parse(values, owner=f"model {name!r}")
    with contextlib.nullcontext() if entry.distribution == registry.OURS else registry.unchanged():
        model = _built(entry, config, spec)
    if not isinstance(model, Autoencoder):
        raise PluginError(f"model {name!r} of {entry.source} built {type(model).__name__}, no aezoo.Autoencoder.")
    _refuse_ignored(entry, config, model)
    return registry.mark(model, "model", entry)


def _built(entry: registry.Model, config: ModelConfig, spec: DataSpec) -> Any:
    try:
        return entry.resolve()(config, spec)
    except ZooError as error:
        raise registry.signed(error, entry) from error.__cause__
    except STOPS:
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise
        # a part chosen by name can be somebody else's than the model
        who = registry.culprit(error)
        if not who and entry.distribution == registry.OURS:
            who = " or ".join(part_sources(config))
        if not who or who.endswith(entry.source):
            who = f"model {entry.name!r} of {entry.source}"
        raise PluginError(f"{who} failed to build: {reason_of(error)}.") from error


def _refuse_ignored(entry: registry.Model, config: ModelConfig, model: Autoencoder) -> None:
    """Refuses a shared option that was set and of which the built model shows nothing."""
    plain = type(config).model_fields
    likelihood = registry.likelihoods[config.likelihood.name].resolve()
    ignored = {
        "regularizers": len(model.regularizers) < len(config.regularizers),
        "corruption": config.corruption is not None and model.corruption is None,
        "likelihood": isinstance(likelihood, type) and not isinstance(model.decoder.likelihood, likelihood),
        "preprocess": config.preprocess != "none" and model.preprocess is None,
    }
    for option, missed in ignored.items():
        if missed and getattr(config, option) != plain[option].default:
            raise PluginError(
                f"model {entry.name!r} of plugin {entry.plugin!r} ({entry.distribution}) leaves its option {option!r} "
                "aside: leave it out; its author can build with aezoo.assemble, which follows every option."
            )


def save_model(
    path: str | Path, model: Autoencoder, header: Header, weights: Mapping[str, Tensor] | None = None
) -> None:
    """Writes header and weights, the model's own unless others are given, whole or not at all; raises OutputError.

    Examples:
        >>> model, header = aezoo.training.load_model("runs/vae")
        >>> aezoo.training.save_model("copy.safetensors", model, header)
        >>> aezoo.training.read_header("copy.safetensors").model
        'vae'
    """
    found = model.state_dict() if weights is None else weights
    tensors.write_tensors(path, found, KEY, header.model_dump(mode="json", exclude={"digest"}))


def find_model_file(path: str | Path) -> Path:
    """The checkpoint of a run's folder, or the file itself; raises CheckpointError when there is none."""
    path = Path(path)
    try:
        file = path / MODEL_FILE if path.is_dir() else path
        if file.is_file():
            return file
        what = f"{path} has no {MODEL_FILE}" if path.is_dir() else f"no file or run folder {path}"
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror})"
    raise CheckpointError(f"{what}: give a run's folder, as printed by aezoo train, or a .safetensors file.")


def read_header(path: str | Path) -> Header:
    """What a checkpoint says of itself; raises CheckpointError when it is broken or was not written by aezoo.

    Examples:
        >>> aezoo.training.read_header("runs/vae").data.shape
        (1, 8, 8)
    """
    file = find_model_file(path)
    values = tensors.read_header(file, KEY, "aezoo")
    written = values.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise CheckpointError(f"{file} has format {written}, and this aezoo reads up to {FORMAT}: upgrade aezoo.")
    try:
        return Header.model_validate(values)
    # among them text that is none, such as half a character
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"the header of {file} is not one that aezoo writes ({_line(error)}).") from None


def load_model(
    path: str | Path, device: str | torch.device = "cpu", into: Autoencoder | None = None
) -> tuple[Autoencoder, Header]:
    """The model of a checkpoint, in evaluation mode, and its header; ``into`` is a model composed by hand to fill.

    Nothing that the file names is imported, opened or run: models and parts are looked up among the registered ones.
    Before memory is taken for the model, its tensors' names, shapes and types are compared with the file's.

    Raises:
        CheckpointError: the file is missing, broken or foreign, its model is not registered (the message says what
            to install), its tensors do not fit the model, or they hold what no training has saved.

    Examples:
        >>> model, header = aezoo.training.load_model("runs/vae")
        >>> header.model
        'vae'
    """
    file = find_model_file(path)
    header = read_header(file)
    if into is None:
        _refuse_unregistered(file, header)
    with tensors.opened(file) as opened:
        stored = {name: _Stored(opened.get_slice(name)) for name in opened.keys()}  # noqa: SIM118
        model = _rebuilt(file, header, stored) if into is None else into
        _fits(file, model, stored)
        weights = {name: opened.get_tensor(name) for name in stored}
    if header.format > 1:
        tensors.check_digest(file, weights, header.digest)
    _refuse_senseless(file, model, weights)
    if any(name in stored and stored[name].dtype == "F64" for name, _ in model.named_parameters()):
        model.double()
    model.load_state_dict(weights)
    return model.to(device).eval(), header


def _rebuilt(file: Path, header: Header, stored: dict[str, _Stored]) -> Autoencoder:
    """The model that the header describes, with any weights."""
    room = ROOM + 8 * file.stat().st_size
    layers = header.config.get("hidden")
    if isinstance(layers, list) and len(layers) > len(stored):
        raise CheckpointError(f"{file} names {len(layers)} hidden layers and holds {len(stored)} tensors.")

    def check(skeleton: Autoencoder) -> None:
        _fits(file, skeleton, stored)
        _refuse_more(file, skeleton, room)

    try:
        with random_stream(0):
            values = registry.models[header.model].options.recorded(header.config)
            return build_within(room, check, header.model, values, header.data)
    except (PluginError, CheckpointError):
        raise
    except ZooError as error:
        raise CheckpointError(f"{file} cannot be rebuilt: {_missing(header) or error}") from None
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise CheckpointError(f"{file} names a model that takes far more memory than the file has tensors.") from None


def _refuse_unregistered(file: Path, header: Header) -> None:
    if not header.model:
        raise CheckpointError(f"{file} holds a model composed by hand: use aezoo.load(path, into=model).")
    try:
        registry.models[header.model]
    except UnknownNameError as error:
        command = install(header.distribution)
        hint = f"install it: {command}" if command else str(error)
        for plugin in registry.plugins:
            if plugin.distribution == header.distribution and (plugin.error or plugin.disabled):
                hint = f"{plugin.title} cannot be used: {plugin.error or 'it is disabled'}"
        raise CheckpointError(
            f"{file} holds a {header.model!r} model of plugin {header.plugin!r} ({header.distribution}), which is not "
            f"installed or disabled: {hint.removesuffix('.')}."
        ) from None


def _missing(header: Header) -> str:
    """What to install, where a distribution that a part came from is not there."""
    for name in header.requires:
        try:
            importlib.metadata.version(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            return f"it needs a part of {name}: {install(name) or 'which is no name of a distribution'}"
    return ""


def install(name: str) -> str:
    """The command that installs a distribution, ``NAME`` or ``NAME==VERSION``; "" for a text that could be another."""
    return f"pip install {name}" if DISTRIBUTION.fullmatch(name) else ""


class _Stored:
    """Shape and type of a stored tensor, read without its values."""

    def __init__(self, piece: Any) -> None:
        self.shape = tuple(piece.get_shape())
        self.dtype = piece.get_dtype()


def build_within(
    room: int, check: Callable[[Autoencoder], None], name: str, values: dict[str, Any], spec: DataSpec
) -> Autoencoder:
    """``build_model`` of what a file says, which ``check`` sees before any memory is taken.

    Raises:
        MemoryError: a plugin's part reads values while it is built, so that nothing can be seen before, and more than
            ``room`` bytes are asked for.
        UnknownNameError, UsageError, CompositionError, PluginError: as ``build_model``.
    """
    skeleton = build_skeleton(name, values, spec)
    if skeleton is not None:
        check(skeleton)
    with contextlib.nullcontext() if skeleton is not None else _Bounded(room):
        return build_model(name, values, spec)


def build_skeleton(name: str, values: dict[str, Any], spec: DataSpec) -> Autoencoder | None:
    """``build_model`` without memory behind it, or None where a part of it reads values while it is built."""
    try:
        with torch.device("meta"), random_stream(0):
            return build_model(name, values, spec)
    except PluginError:
        return None


class _Bounded(TorchDispatchMode):
    """Lets no more than ``room`` bytes of tensors be made, all together."""

    def __init__(self, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.room = room

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        size = args[0] if args else ()
        if isinstance(size, list | tuple) and all(isinstance(axis, int) for axis in size):
            # a function that makes a tensor takes its shape first
            self.room -= 8 * math.prod(size)
        if self.room < 0:
            raise MemoryError
        return func(*args, **(kwargs or {}))


def _refuse_more(file: Path, skeleton: Autoencoder, room: int) -> None:
    """Raises CheckpointError for a model that takes much beside what is in its file."""
    held = sum(tensor.numel() * tensor.itemsize for tensor in (*skeleton.parameters(), *skeleton.buffers()))
    if held > room:
        raise CheckpointError(
            f"{file} names a model of {held / 2**30:.1f} GiB, most of which is not in the file: it is not its model."
        )


def _fits(file: Path, model: Autoencoder, stored: dict[str, _Stored]) -> None:
    known = model.state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in known.items()}
    for name in sorted(wanted.keys() ^ stored.keys()):
        problem = "lacks" if name in wanted else "has an unknown"
        raise CheckpointError(
            f"{file} {problem} tensor {name!r}: it does not belong to the model that its header names."
        )
    for name, shape in wanted.items():
        if stored[name].shape != shape:
            raise CheckpointError(
                f"tensor {name!r} of {file} has shape {stored[name].shape}, and the model needs {shape}."
            )
        kinds = FLOATS if known[name].is_floating_point() else (OTHERS.get(known[name].dtype, stored[name].dtype),)
        if stored[name].dtype not in kinds:
            raise CheckpointError(
                f"tensor {name!r} of {file} is of type {stored[name].dtype}, and the model needs {' or '.join(kinds)}."
            )


def _refuse_senseless(file: Path, model: Autoencoder, weights: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError for values that no training leaves: weights and scalings without end, and NaN."""
    known, parameters = model.state_dict(), dict(model.named_parameters())
    for name, tensor in weights.items():
        if tensor.is_floating_point() and tensor.numel():
            # the extremes of values with NaN among them are NaN, and take no memory
            low, high = (float(value) for value in torch.aminmax(tensor))
            if name in parameters or name in ("preprocess.shift", "preprocess.scale"):
                is_senseless = not math.isfinite(low + high) or (name == "preprocess.scale" and low <= 0)
            else:
                # a buffer may begin with infinity, or with NaN for what is not known yet
                is_senseless = math.isnan(low) and not bool(known[name].isnan().any())
            if is_senseless:
                raise CheckpointError(
                    f"tensor {name!r} of {file} has values from {low:g} to {high:g}: its training diverged; train "
                    "again with a lower lr, or copy the file again."
                )


def _line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return tensors.line_of(error)
