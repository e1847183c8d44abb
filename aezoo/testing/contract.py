"""The contract that every model keeps: all checks in the order in which they are made, and how they are run."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from aezoo import registry
from aezoo.errors import UnknownNameError, near_misses
from aezoo.registry import Entry, Kind, Model, Part
from aezoo.testing import densities, describing, flipping, learning, parts, penalties, repeating, saving, using
from aezoo.testing.fresh import Fresh
from aezoo.testing.result import Check, Result
from aezoo.testing.subject import Subject

CHECKS = tuple(
    Check(name, function)
    for name, function in {
        "built": describing.built,
        "described": describing.described,
        "config": describing.config,
        "manifest": describing.manifest,
        "options": flipping.every_option,
        "gradients": learning.reach,
        "slopes": learning.slope,
        "learns": learning.falls,
        "frozen": learning.frozen,
        "seeds": repeating.seeds,
        "streams": repeating.streams,
        "released": repeating.released,
        "rows": learning.rows,
        "penalties": penalties.penalties,
        "outside": describing.outside,
        "shapes": using.shapes,
        "repeats": using.repeats,
        "neighbours": using.alone,
        "nan": using.nan,
        "capabilities": using.capabilities,
        "densities": densities.densities,
        "samples": using.samples,
        "float64": using.double,
        "gpu": using.gpu,
        "saved": saving.saved,
        "fresh": saving.fresh,
        "resumed": saving.resumed,
    }.items()
)
NAMES = tuple(check.name for check in CHECKS)
_WITHOUT_A_MODEL = ("built", "described", "manifest")
# a part may make a model worse at what it is for, and has no config of its own that is saved
_NOT_OF_PARTS = ("built", "described", "config", "options", "learns", "fresh")
PART_CHECKS = (
    Check("described", parts.described),
    Check("options", parts.every_option),
    *(check for check in CHECKS if check.name not in _NOT_OF_PARTS),
)


class Contract:
    """The contract, for some models and parts; what one check made of one is there for the next. To be closed.

    Args:
        models: their names.
        of_parts: kinds and names; each is composed into a model that takes it.

    Raises:
        UnknownNameError, PluginError: something that is not registered, or whose plugin is broken.

    Examples:
        >>> from aezoo import testing
        >>> with testing.Contract(["linear"]) as contract:
        ...     title, check = contract.cases()[0]
        ...     print(title, check.name, contract.run(title, check).status)
        linear built held
    """

    def __init__(self, models: Iterable[str], of_parts: Iterable[tuple[Kind, str]] = ()) -> None:
        self.entries: dict[str, Entry] = {name: registry.models[name] for name in models}
        self._kinds = {f"{kind} {name}": kind for kind, name in of_parts}
        self.entries |= {title: registry.parts[kind][title.split()[1]] for title, kind in self._kinds.items()}
        self._folder = tempfile.TemporaryDirectory(prefix="aezoo-check-")
        self._fresh = Fresh()
        self._subjects: dict[str, Subject] = {}
        self._failed: dict[str, list[Result]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cases(self) -> list[tuple[str, Check]]:
        """What is checked, "regularizer l1" for a part, and each check of it, in order."""
        return [(title, one) for title in self.entries for one in (PART_CHECKS if title in self._kinds else CHECKS)]

    def run(self, title: str, check: Check) -> Result:
        """One check of one model, or of one part."""
        # what a model prints must not end up in --json output
        with contextlib.redirect_stdout(sys.stderr):
            if self._cannot_be_built(title, check):
                return Result(check.name, "skipped", "it cannot be built, as the first check says")
            return self._once(title, check(lambda: self._subject(title)))

    def _once(self, title: str, result: Result) -> Result:
        """The result; of a failure for a reason that another check has given, that this one says no more."""
        if result.status != "failed":
            return result
        before = self._failed.setdefault(title, [])
        first = next((one for one in before if one.reason in result.reason or result.reason in one.reason), None)
        if first is not None and first.check != result.check:
            return Result(result.check, "skipped", f"it fails for the reason that {first.check} gives")
        before.append(result)
        return result

    def _cannot_be_built(self, title: str, check: Check) -> bool:
        """Whether that was said before, so that it need not be the reason of every check."""
        if title not in self._kinds:
            return check.name not in _WITHOUT_A_MODEL and not self._subject(title).can_be_built
        if check.name == PART_CHECKS[0].name:
            return False
        try:
            self._subject(title)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return True
        return False

    def close(self) -> None:
        """Ends the other process, and removes the files."""
        self._subjects.clear()
        self._fresh.close()
        self._folder.cleanup()

    def _subject(self, title: str) -> Subject:
        if title not in self._subjects:
            folder = Path(tempfile.mkdtemp(dir=self._folder.name))
            plugins = [(entry.plugin, entry.distribution) for entry in self.entries.values()]
            entry = self.entries[title]
            if isinstance(entry, Model):
                self._subjects[title] = Subject(entry, folder, self._fresh, plugins)
            elif isinstance(entry, Part):
                self._subjects[title] = parts.PartSubject(self._kinds[title], entry, folder, self._fresh, plugins)
        return self._subjects[title]


def check(name: str, checks: Sequence[str] | None = None) -> list[Result]:
    """Holds the registered model ``name`` to the contract, or to some ``checks`` of it.

    Whatever the model raises is the reason of the check in which it was raised.

    Raises:
        UnknownNameError: no such model, or no such check.

    Examples:
        >>> from aezoo import testing
        >>> [result.status for result in testing.check("linear", checks=["built", "described"])]
        ['held', 'held']
    """
    with Contract([name]) as opened:
        return [opened.run(name, one) for one in chosen(checks)]


def chosen(names: Sequence[str] | None) -> list[Check]:
    """The checks of those names, in their order; all of them for None. Raises UnknownNameError."""
    for name in names or ():
        if name not in NAMES:
            raise UnknownNameError(f"no check {name!r}{near_misses(name, NAMES)} The checks are {', '.join(NAMES)}.")
    return [one for one in CHECKS if names is None or one.name in names]
