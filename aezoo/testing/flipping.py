"""Every option of a config changes something: each is set to another value in turn.

What may change: the loss of a batch and its terms, what a user gets from the model, how far training moves each
parameter, and all of that after training. All is compared to the bit, under random numbers that depend on what is
drawn alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from pydantic import ValidationError

from aezoo.core.rng import random_stream
from aezoo.errors import PluginError, ZooError
from aezoo.model.autoencoder import Autoencoder
from aezoo.testing.draws import OrderlessDraws
from aezoo.testing.result import Broken, one_line
from aezoo.testing.subject import SEED, Subject, first_difference, outputs
from aezoo.testing.values import apart, groups

# epochs of training after which two models are compared, few first: most options show at once
EPOCHS = (0, 2, 12)
Figures = dict[str, Any]
# with these no other option begins to do something
SIZES = ("latent_dim", "hidden", "activation", "preprocess")


class Refused(Exception):  # noqa: N818 - an answer like another
    """The model refused a value, and said why; ``names`` whether it said so of this very option."""

    def __init__(self, reason: str, names: bool) -> None:
        super().__init__(reason)
        self.names = names


class Flips:
    """The options of one model, and what the model does with others."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.config = subject.entry.options
        self._known: dict[tuple[str, int], Figures] = {}

    @cached_property
    def on_other_data(self) -> list[Flips]:
        """The same with data of each other kind."""
        return [Flips(subject) for subject in self.subject.on_other_data()]

    def usual(self, name: str) -> Any:
        """The value of an option that the other values are compared with."""
        return getattr(self.config.parse(self.subject.values), name)

    def figures(self, values: dict[str, Any], epochs: int) -> Figures:
        """All that can be seen of a model with options ``values``, after training."""
        key = (repr(sorted(values.items())), epochs)
        if key not in self._known:
            with OrderlessDraws():  # type: ignore[no-untyped-call]
                self._known[key] = _figures(self.subject, values, epochs)
        return self._known[key]

    def try_(self, name: str, value: Any, stages: tuple[int, ...] = EPOCHS, **others: Any) -> bool:
        """Whether ``value`` of option ``name`` changes anything after any of those epochs; raises Refused."""
        try:
            self.config.model_validate({**self.subject.values, **others, name: value})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            # a value out of the option's own range says nothing of the option; a rule of several options does
            raise Refused(first["msg"], not first["loc"] and _names(name, first["msg"])) from None
        try:
            return self.differ(others, {**others, name: value}, stages)
        except PluginError:
            raise
        except ZooError as error:
            raise Refused(str(error), _names(name, str(error))) from None

    def differ(self, some: dict[str, Any], others: dict[str, Any], stages: tuple[int, ...] = EPOCHS) -> bool:
        """Whether models of these two sets of options differ in anything after any of those epochs."""
        return any(
            first_difference(self.figures(some, epochs), self.figures(others, epochs)) is not None for epochs in stages
        )

    def dead(self, name: str) -> str | None:
        """Why option ``name`` does nothing, or not all that it says; None where it does."""
        found = groups(self.config, name, self.usual(name))
        if not found:
            return f'{name}: no other value is known: give one, json_schema_extra={{"check": value}}'
        for group in found:
            reason = self._dead_in(name, group)
            if reason:
                return reason
        return self._alike(name)

    def _dead_in(self, name: str, group: list[Any]) -> str | None:
        tried, refusals = [], []
        for value in group:
            try:
                if self.try_(name, value, EPOCHS[:2]):
                    return None
                tried.append(value)
            except Refused as refusal:
                if refusal.names:
                    return None
                refusals.append(str(refusal))
            except Exception as error:
                if not _is_of_other(error, self.subject):
                    return one_line(f"{name} = {_shown(value)} breaks: {type(error).__name__}: {error}", 250)
                refusals.append(str(error))
        if not tried:
            said = one_line(refusals[-1], 120)
            return f'{name}: no other value is allowed ({said}): give one, json_schema_extra={{"check": value}}'
        if any(self.try_(name, value, EPOCHS[2:]) for value in tried) or self._wakes(name, tried):
            return None
        if any(_shows(other, name, tried) for other in self.on_other_data):
            return None
        shown = ", ".join(_shown(value) for value in tried[:3])
        return f"{name} changes nothing (tried {shown} instead of {_shown(self.usual(name))})"

    def _wakes(self, name: str, tried: list[Any]) -> bool:
        """Whether the option does something once some other option has another value."""
        for other, values in self._others(name):
            for value in tried[:1]:
                try:
                    if self.try_(name, value, EPOCHS[1:2], **{other: values}):
                        return True
                except Exception:
                    # the two do not go together
                    continue
        return False

    def _others(self, name: str) -> Iterator[tuple[str, Any]]:
        for other in self.config.model_fields:
            if other not in (name, *SIZES):
                for group in groups(self.config, other, self.usual(other)):
                    yield from ((other, value) for value in group[:1])

    def _alike(self, name: str) -> str | None:
        """Which two words of the option mean the same."""
        usual = self.usual(name)
        words = [usual, *apart(self.config, name, usual)] if apart(self.config, name, usual) else []
        seen: list[tuple[Any, Figures]] = []
        for word in words:
            try:
                figures = self.figures({} if word == usual else {name: word}, EPOCHS[1])
            except ZooError:
                continue
            twin = next((other for other, theirs in seen if first_difference(theirs, figures) is None), None)
            if twin is not None:
                return f"{name}: {_shown(word)} does what {_shown(twin)} does"
            seen.append((word, figures))
        return None


def _shows(flips: Flips, name: str, tried: list[Any]) -> bool:
    """Whether the option does something with data of another kind."""
    for value in tried[:2]:
        try:
            if flips.try_(name, value, EPOCHS[:2]):
                return True
        except Exception:
            # the model does not take such data, or not with that value
            continue
    return False


def _figures(subject: Subject, values: dict[str, Any], epochs: int) -> Figures:
    model = subject.build(**values)
    trainer = subject.trainer(model, epochs=max(epochs, 1))
    found: Figures = {}
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    if epochs:
        for line in trainer.fit():
            found |= {
                f"{key} of epoch {line['epoch']}": torch.tensor(value, dtype=torch.float64)
                for key, value in line.items()
            }
        # how far it moved, since a parameter that is there for nothing stands where it was put
        found |= {f"movement of {name}": p.detach() - before[name] for name, p in model.named_parameters()}
    else:
        found |= _step(model, subject)
    found |= outputs(model, subject.x)
    found["capabilities"] = torch.tensor(list(",".join(model.capabilities).encode()))
    return found


def _step(model: Autoencoder, subject: Subject) -> Figures:
    """The loss of a batch and its terms."""
    x = model.train().prepare(torch.as_tensor(subject.data.x[:8]))
    with random_stream(SEED), torch.no_grad():
        outcome = model.step(x, 0)
    return {"loss": outcome.loss, **{f"term {name}": value for name, value in outcome.terms.items()}}


def _names(option: str, text: str) -> bool:
    return option in text or option.replace("_", "-") in text or option.replace("_", " ") in text


def _is_of_other(error: Exception, subject: Subject) -> bool:
    """Whether a plugin other than the model's own is to blame."""
    return isinstance(error, PluginError) and f"({subject.entry.distribution})" not in str(error)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(_shown, value)) + ")"
    return one_line(value if isinstance(value, str) else str(value), 60)


def every_option(subject: Subject) -> None:
    """Every option of the config changes something."""
    flips = Flips(subject)
    found = [reason for name in flips.config.model_fields if (reason := flips.dead(name))]
    if found:
        raise Broken("; ".join(found))
