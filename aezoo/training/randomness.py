"""The random streams that training draws from, as tensors: torch's, Python's, NumPy's, and those that parts keep."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aezoo.errors import CheckpointError
from aezoo.storage.tensors import kind_of, line_of

# of the Mersenne Twister, which torch, Python and NumPy draw from
KEYS = 624
# how torch's generator begins: its seed, how many numbers are left, whether it was seeded, and the next number's place
ENGINE, ENGINE_BYTES = struct.Struct("=QiiQ"), 5056
STREAMS = {
    "stream/python": (torch.int64, ((KEYS + 1,),)),
    "stream/python-gauss": (torch.float64, ((0,), (1,))),
    "stream/numpy": (torch.int64, ((KEYS,),)),
    "stream/numpy-gauss": (torch.float64, ((3,),)),
}


def streams(device: torch.device) -> dict[str, Tensor]:
    """The states of the random streams that a run draws from: torch's, and those that a user's own code may take."""
    _, python, gauss = random.getstate()
    numpy: Any = np.random.get_state(legacy=True)
    _, keys, place, has_gauss, cached = numpy
    found = {
        "stream/cpu": torch.get_rng_state(),
        "stream/python": torch.tensor(python, dtype=torch.int64),
        "stream/python-gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
        "stream/numpy": torch.from_numpy(keys.astype(np.int64)),
        "stream/numpy-gauss": torch.tensor([place, has_gauss, cached], dtype=torch.float64),
    }
    if device.type == "cuda":
        found["stream/cuda"] = torch.cuda.get_rng_state(device)
    return found


@contextmanager
def streams_of(found: Mapping[str, Tensor] | None, device: torch.device) -> Iterator[None]:
    """Lets the streams go on from where they were ``found``; Python's and NumPy's are the caller's again afterwards."""
    if found is None:
        yield
        return
    theirs = random.getstate(), np.random.get_state()
    try:
        try:
            _set_streams(found, device)
        except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise CheckpointError(f"the random streams of the state of training are none: {line_of(error)}.") from error
        yield
    finally:
        random.setstate(theirs[0])
        np.random.set_state(theirs[1])


def _set_streams(found: Mapping[str, Tensor], device: torch.device) -> None:
    """Sets the streams to where they were; that of a GPU only where there was one."""
    for name, (dtype, sizes) in STREAMS.items():
        if found[name].dtype != dtype or tuple(found[name].shape) not in sizes:
            raise ValueError(f"{name} is {kind_of(found[name])}")
    if kind_of(found["stream/cpu"]) != kind_of(torch.get_rng_state()):
        raise ValueError(f"stream/cpu is {kind_of(found['stream/cpu'])}")
    gauss = found["stream/python-gauss"].tolist()
    place, has_gauss, cached = found["stream/numpy-gauss"].tolist()
    if not 0 <= place <= KEYS:
        raise ValueError(f"NumPy's stream is at {place} of {KEYS} numbers")
    set_generator(torch.default_generator, found["stream/cpu"])
    random.setstate((3, tuple(found["stream/python"].tolist()), gauss[0] if gauss else None))
    keys = found["stream/numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(place), int(has_gauss), cached))
    if device.type == "cuda" and "stream/cuda" in found:
        torch.cuda.set_rng_state(found["stream/cuda"], device)


def generators(model: nn.Module) -> dict[str, Tensor]:
    """The states of the generators that parts keep for themselves, by module and attribute."""
    return {f"{path}:{name}": generator.get_state() for path, name, generator in _kept(model) if generator is not None}


def set_generators(model: nn.Module, found: Mapping[str, Tensor]) -> None:
    """Gives parts the generators that they had; one that a part makes at its first use is made.

    Raises:
        ValueError: a part keeps no generator there, or the state is none of a generator.
    """
    kept = {f"{path}:{name}": (path, name, generator) for path, name, generator in _kept(model)}
    for key, state in found.items():
        if key not in kept:
            raise ValueError(f"no part keeps a generator {key!r}")
        path, name, generator = kept[key]
        generator = generator or torch.Generator(getattr(model, "device", "cpu"))
        set_generator(generator, state)
        setattr(model.get_submodule(path), name, generator)


def set_generator(generator: torch.Generator, state: Tensor) -> None:
    """Sets a generator to where another was; raises ValueError for a state that it would read beyond the end of."""
    if state.dtype != torch.uint8:
        raise ValueError(f"the state of a random stream is {kind_of(state)}")
    if generator.device.type == "cpu" and state.numel() == ENGINE_BYTES:
        _, left, _, place = ENGINE.unpack_from(bytes(state.view(-1).tolist()))
        # torch itself looks at each of the two alone
        if left + place > KEYS + 1:
            raise ValueError(f"a random stream is at {place} with {left} left, of {KEYS} numbers")
    generator.set_state(state)


def _kept(model: nn.Module) -> Iterator[tuple[str, str, torch.Generator | None]]:
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Generator) or (value is None and "generator" in name):
                yield path, name, value
