"""A registered part under check: composed into a model of aezoo's own that takes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aezoo import registry
from aezoo.core.config import Choice
from aezoo.core.options import WeightedChoice
from aezoo.errors import PluginError, ZooError
from aezoo.registry import Kind, Part
from aezoo.testing.flipping import EPOCHS, Flips
from aezoo.testing.fresh import Fresh
from aezoo.testing.result import Broken
from aezoo.testing.subject import Subject, first_difference
from aezoo.testing.values import WEIGHT, groups

# models, and which of their options takes the part: the first that can be built is the one
HOSTS: dict[str, list[tuple[str, str]]] = {
    "regularizer": [(name, "regularizers") for name in ("undercomplete", "vae", "sparse-kl", "jumprelu", "vq-vae")],
    "corruption": [("undercomplete", "corruption")],
    "likelihood": [("vae", "likelihood")],
    "prior": [(name, "prior") for name in ("vae", "bernoulli-vae", "categorical-vae")],
    "network": [("undercomplete", "network")],
    "activation": [("undercomplete", "activation"), ("undercomplete", "code_activation")],
}


class PartSubject(Subject):
    """A model that holds the part.

    Args:
        kind: of the part.
        part: what is checked.
        folder, fresh, plugins: as for every subject.
    """

    def __init__(
        self,
        kind: Kind,
        part: Part,
        folder: Path,
        fresh: Fresh | None = None,
        plugins: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.kind = kind
        self.part = part
        first: ZooError | None = None
        for host, option in HOSTS[kind]:
            super().__init__(registry.models[host], folder, fresh, plugins)
            self.option = option
            try:
                self.build()
            except PluginError as error:
                first = first if isinstance(first, PluginError) else error
            except ZooError as error:
                first = first or error
            else:
                return
            self.__dict__.pop("_chosen", None)
        assert first is not None
        raise first

    @property
    def owner(self) -> Part:
        """The part, and not the model that holds it."""
        return self.part

    def chosen(self, **options: Any) -> Any:
        """The part, as the host's option takes it."""
        if self.kind == "regularizer":
            return (WeightedChoice(name=self.part.name, weight=WEIGHT, options=options),)
        return Choice(name=self.part.name, options=options)

    def _small(self) -> Iterator[dict[str, Any]]:
        for values in super()._small():
            yield {**values, self.option: self.chosen()}


def described(subject: PartSubject) -> None:
    """A part has a summary, and each of its options a description where it has a config class."""
    if not subject.part.summary.strip():
        raise Broken("it has no summary: aezoo.Part(..., summary=...)")
    for name, field in subject.part.options.model_fields.items() if subject.part.config else ():
        if not (field.description or "").strip():
            raise Broken(f"option {name} has no description: Field(..., description=...)")


def every_option(subject: PartSubject) -> None:
    """The part changes something, and so does every option of it."""
    flips = Flips(subject)
    usual = subject.entry.options.model_fields[subject.option].default
    if usual != subject.chosen() and not _does_something(flips, usual):
        raise Broken(f"the model is the same without it ({subject.option} {usual})")
    options = subject.part.options.model_fields
    found = {
        name: groups(subject.part.options, name, None if field.is_required() else field.default)
        for name, field in options.items()
    }
    for name, forms in found.items():
        others = [{other: group[0]} for other in options if other != name for group in found[other]]
        for group in forms:
            if (
                not any(_changes(flips, {name: value}, {}) for value in group)
                and not any(_changes(flips, {name: value}, other) for other in others for value in group)
                and not any(
                    _changes(other, {name: value}, {}, EPOCHS[:2])
                    for other in flips.on_other_data
                    for value in group[:2]
                )
            ):
                raise Broken(f"{name} changes nothing (tried {', '.join(map(str, group[:3]))})")


def _does_something(flips: Flips, usual: Any) -> bool:
    """Whether the host is another without the part, apart from a figure of that name."""
    subject = flips.subject
    assert isinstance(subject, PartSubject)
    for epochs in EPOCHS:
        found = [flips.figures(values, epochs) for values in ({}, {subject.option: usual})]
        told = [{n: v for n, v in figures.items() if subject.part.name not in n} for figures in found]
        if first_difference(*told) is not None:
            return True
    return False


def _changes(flips: Flips, options: dict[str, Any], others: dict[str, Any], stages: tuple[int, ...] = EPOCHS) -> bool:
    """Whether the part's ``options`` change anything, beside ``others`` of it."""
    subject = flips.subject
    assert isinstance(subject, PartSubject)
    try:
        plain, changed = (subject.chosen(**chosen) for chosen in (others, {**others, **options}))
        return flips.differ({subject.option: plain}, {subject.option: changed}, stages)
    except PluginError:
        raise
    except ZooError:
        # out of its range, or refused by the host
        return False
