"""What must hold of randomness: it follows the seed, and a step depends on nothing that is not saved."""

from __future__ import annotations

import datetime as dt
import gc
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any, Self
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from aezoo.core.rng import random_stream
from aezoo.testing.result import Broken, Doubtful
from aezoo.testing.subject import OTHER_SEED, SEED, Subject, Trained, first_difference, outputs, state_of

# after which memory is to grow no more
STEPS = 9


def seeds(subject: Subject) -> None:
    """The same seed gives the same bits, whatever happened before, and another seed others."""
    first = subject.briefly
    with _elsewhere(subject):
        again = subject.train()
    what = _differs(first, again)
    if what:
        runs = []
        for place in (4, 5):
            with _elsewhere(subject, place, standing=True):
                runs.append(subject.train())
        why = "randomness that the seed does not reach" if _differs(*runs) else "it reads the clock"
        raise Broken(f"trained twice with the same seed, {what} differs: {why}")
    before = outputs(first.model, subject.x)
    other = subject.train(OTHER_SEED)
    what = first_difference(before, outputs(first.model, subject.x))
    if what:
        raise Broken(f"training another model of the kind changes what this one gives: {what}")
    if first_difference(first.state, other.state) is None:
        raise Broken("two seeds give the same weights")
    if first_difference(outputs(first.model, subject.x), outputs(other.model, subject.x)) is None:
        raise Broken("two seeds give the same codes, reconstructions and scores")
    _same_at_first(subject)


def _same_at_first(subject: Subject) -> None:
    """Weights that look drawn, and are the same for every seed."""
    one, two = (state_of(subject.build(seed)) for seed in (SEED, OTHER_SEED))
    for name, parameter in subject.build().named_parameters():
        drawn = parameter.requires_grad and len(one[name].unique()) > 0.9 * one[name].numel() > 8
        if drawn and torch.equal(one[name], two[name]):
            raise Doubtful(f"{name} begins with the same values whatever the seed")


def _differs(first: Trained, again: Trained) -> str | None:
    if first.history != again.history:
        return "the history"
    return first_difference(first.state, again.state)


@contextmanager
def _elsewhere(subject: Subject, place: int = 3, standing: bool = False) -> Iterator[None]:
    """The world at another place and time: all random streams moved on, and the clock by two days."""
    streams = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(place)
    np.random.seed(place)
    torch.rand(place)
    try:
        with _other_clock(subject, standing):
            yield
    finally:
        random.setstate(streams[0])
        np.random.set_state(streams[1])
        torch.set_rng_state(streams[2])


@contextmanager
def _other_clock(subject: Subject, standing: bool) -> Iterator[None]:
    """The clock is ahead, or stands still, under whatever name the model's own modules took it."""
    real, ahead = time.time, 2 * 86_399

    def now() -> float:
        return ahead if standing else real() + ahead

    class Moment(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(now(), tz)

    class Day(dt.date):
        @classmethod
        def today(cls) -> Self:
            return cls.fromtimestamp(now())

    moved: list[tuple[Any, Any]] = [
        (time.time, now),
        (time.time_ns, lambda: int(now() * 1e9)),
        (time.perf_counter, now),
        (time.perf_counter_ns, lambda: int(now() * 1e9)),
        (dt.datetime, Moment),
        (dt.date, Day),
    ]
    own = {part.__module__.split(".")[0] for part in (subject.entry.options, subject.entry.resolve())}
    with ExitStack() as stack:
        for name, module in [*sys.modules.items()]:
            if module in (time, dt) or name.split(".")[0] in own:
                for held, value in [*vars(module).items()]:
                    for was, becomes in moved:
                        if value is was:
                            stack.enter_context(mock.patch.object(module, held, becomes))
        yield


def streams(subject: Subject) -> None:
    """A step of training depends on the seed and the checkpoint's tensors alone."""
    model, x = subject.untrained()
    kept = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    found = []
    for _ in range(2):
        # with gradients, as in training, where a part may move what it counts
        with random_stream(SEED):
            outcome = model.step(x, 0)
        found.append({"loss": outcome.loss, **outcome.terms})
        model.load_state_dict(kept)
    name = first_difference(*found)
    if name:
        raise Broken(
            f"the {name} of a batch is another one the second time, with the same weights and seed: something that no "
            "checkpoint holds moves, or a random stream of its own"
        )


def released(subject: Subject) -> None:
    """Nothing of a step lives after it: memory does not grow with the steps."""
    model, x = subject.untrained()
    counts = []
    for step in range(STEPS):
        with random_stream(SEED):
            outcome = model.step(x, step)
            outcome.loss.backward()
            model.after_step(outcome.values, step)
        del outcome
        model.zero_grad(set_to_none=True)
        gc.collect()
        counts.append(sum(issubclass(type(held), Tensor) for held in gc.get_objects()))
    # the first steps may make what stays
    later = counts[STEPS // 3 :]
    if all(more > less for less, more in pairwise(later)):
        raise Broken(
            f"{later[1] - later[0]} tensors of every step live on after it: memory grows until it is full; keep "
            "what is needed in buffers of a fixed size"
        )
