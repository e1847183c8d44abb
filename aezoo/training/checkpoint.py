"""Checkpoints: safetensors that describe themselves. No pickle, and nothing in the file is trusted.

The header's metadata holds one JSON text under the key ``aezoo``: the model's name and config, the data's
description, and who provides the model.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, JsonValue, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from aezoo import registry
from aezoo.autoencoder import Autoencoder
from aezoo.config import Config, DataSpec, listed
from aezoo.errors import CheckpointError, PluginError, UnknownNameError, ZooError, is_out_of_memory
from aezoo.options import ModelConfig
from aezoo.streams import random_stream
from aezoo.training.files import write_whole

FORMAT = 1
MODEL_FILE = "model.safetensors"


class Header(Config):
    """What a checkpoint says of itself."""

    format: int = FORMAT
    model: str
    config: dict[str, JsonValue]
    data: DataSpec
    plugin: str = ""
    distribution: str = ""
    requires: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    versions: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


def build_model(name: str, values: dict[str, Any], spec: DataSpec) -> Autoencoder:
    """Builds a registered model from its name, its options and the data's description.

    Raises:
        UnknownNameError, UsageError, CompositionError: a name or option that does not exist or does not fit.
        PluginError: the model's build function broke.
    """
    entry = registry.models[name]
    config = entry.config.parse(values, owner=f"model {name!r}")
    try:
        model = entry.resolve()(config, spec)
    except ZooError:
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        raise PluginError(
            f"model {name!r} of plugin {entry.plugin!r} ({entry.distribution}) failed to build: "
            f"{type(error).__name__}: {error}."
        ) from error
    if not isinstance(model, Autoencoder):
        raise PluginError(
            f"model {name!r} of plugin {entry.plugin!r} ({entry.distribution}) built {type(model).__name__}, "
            "no aezoo.Autoencoder."
        )
    _refuse_ignored(entry, config, model)
    return model


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


def save_model(path: str | Path, model: Autoencoder, header: Header) -> None:
    """Writes weights and header to ``path``, whole or not at all; raises OutputError."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {"aezoo": json.dumps(header.model_dump(mode="json"), sort_keys=True)}

    def write(beside: Path) -> None:
        try:
            save_file(tensors, beside, metadata)
        except SafetensorError as error:
            # safetensors wraps what the system said, such as that the disk is full
            raise OSError(str(error)) from error

    write_whole(path, write)


def find_model_file(path: str | Path) -> Path:
    """The checkpoint of a run's folder, or the file itself; raises CheckpointError when there is none."""
    path = Path(path)
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        what = f"{path} has no {MODEL_FILE}" if path.is_dir() else f"no file or run folder {path}"
        raise CheckpointError(f"{what}: give a run's folder, as printed by aezoo train, or a .safetensors file.")
    return file


def read_header(path: str | Path) -> Header:
    """What a checkpoint says of itself; raises CheckpointError when it is broken or was not written by aezoo."""
    file = find_model_file(path)
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} is no whole safetensors file ({_line(error)}): train again, or copy it again."
        ) from None
    if "aezoo" not in metadata:
        raise CheckpointError(f"{file} was not written by aezoo: its header has no 'aezoo' entry.")
    try:
        values = json.loads(metadata["aezoo"])
        written = values.get("format") if isinstance(values, dict) else None
        if isinstance(written, int) and written > FORMAT:
            raise CheckpointError(f"{file} has format {written}, and this aezoo reads up to {FORMAT}: upgrade aezoo.")
        return Header.model_validate(values)
    except (ValueError, ValidationError, RecursionError) as error:
        raise CheckpointError(f"the header of {file} is not one that aezoo writes ({_line(error)}).") from None


def load_model(
    path: str | Path, device: str | torch.device = "cpu", into: Autoencoder | None = None
) -> tuple[Autoencoder, Header]:
    """The model of a checkpoint, in evaluation mode, and its header; ``into`` is a model composed by hand to fill.

    Raises:
        CheckpointError: the file is missing, broken or foreign, its model is not registered (the message says what
            to install), or its tensors do not fit the model.
    """
    file = find_model_file(path)
    header = read_header(file)
    if into is None:
        _refuse_unregistered(file, header)
    with safe_open(file, framework="pt") as opened:
        stored = {name: _Stored(opened.get_slice(name)) for name in opened.keys()}  # noqa: SIM118
        try:
            if into is None:
                _fits(file, _skeleton(header), stored)
            with random_stream(0):
                model = into or build_model(header.model, header.config, header.data)
        except (PluginError, CheckpointError):
            raise
        except ZooError as error:
            raise CheckpointError(f"{file} cannot be rebuilt: {_missing(header) or error}") from None
        _fits(file, model, stored)
        weights = {name: opened.get_tensor(name) for name in stored}
    if any(name in stored and stored[name].dtype == "F64" for name, _ in model.named_parameters()):
        model.double()
    model.load_state_dict(weights)
    return model.to(device).eval(), header


def _refuse_unregistered(file: Path, header: Header) -> None:
    if not header.model:
        raise CheckpointError(f"{file} holds a model composed by hand: use aezoo.load(path, into=model).")
    try:
        registry.models[header.model]
    except UnknownNameError as error:
        hint = f"install it: pip install {header.distribution}" if header.distribution else str(error)
        raise CheckpointError(
            f"{file} holds a {header.model!r} model of plugin {header.plugin!r} ({header.distribution}), which is not "
            f"installed or disabled: {hint}."
        ) from None


def _missing(header: Header) -> str:
    """What to install, where a distribution that a part came from is not there."""
    for name in header.requires:
        try:
            importlib.metadata.version(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            return f"it needs a part of {name}: pip install {name}"
    return ""


class _Stored:
    """Shape and type of a stored tensor, read without its values."""

    def __init__(self, piece: Any) -> None:
        self.shape = tuple(piece.get_shape())
        self.dtype = piece.get_dtype()


def _skeleton(header: Header) -> Autoencoder | None:
    """The model without memory behind it, so that sizes are compared before any is taken; None if it cannot be had."""
    try:
        with torch.device("meta"), random_stream(0):
            return build_model(header.model, header.config, header.data)
    except PluginError:
        return None


def _fits(file: Path, model: Autoencoder | None, stored: dict[str, _Stored]) -> None:
    if model is None:
        return
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
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


def _line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split())[:200]
