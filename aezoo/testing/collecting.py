"""The pytest plugin: a test that takes ``aezoo_check`` becomes one for each model and part of a distribution."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from aezoo import registry
from aezoo.errors import PluginError, UsageError, ZooError, near_misses
from aezoo.registry import Entry, Kind, Lookup

if TYPE_CHECKING:
    import pytest

    from aezoo.testing.contract import Contract
    from aezoo.testing.result import Check

OPTION = "aezoo_distribution"


class ContractWarning(UserWarning):
    """Something that a check found and that may be meant.

    Examples:
        >>> from aezoo import testing
        >>> issubclass(testing.ContractWarning, UserWarning)
        True
    """


class Case:
    """One check of one model or part, to be called by a test."""

    def __init__(self, contract: Contract, title: str, check: Check) -> None:
        self.contract = contract
        self.title = title
        self.check = check

    def __call__(self) -> None:
        """Runs the check; fails, skips or warns with its reason."""
        import pytest

        __tracebackhide__ = True
        result = self.contract.run(self.title, self.check)
        line = f"{self.title}: {self.check.summary}: {result.reason}"
        if result.status == "failed":
            pytest.fail(line, pytrace=False)
        if result.status == "skipped":
            pytest.skip(result.reason)
        if result.status == "warning":
            warnings.warn(line, ContractWarning, stacklevel=2)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--aezoo-distribution`` and the ini option of the same name."""
    text = "distribution whose models and parts are held to the contract of aezoo.testing"
    parser.addini(OPTION, text)
    parser.addoption("--aezoo-distribution", dest=OPTION, metavar="NAME", help=text)


def pytest_configure(config: Any) -> None:
    """Nothing is opened before a test asks for it."""
    config.aezoo_contract = None


def pytest_unconfigure(config: Any) -> None:
    """Closes what was opened."""
    if getattr(config, "aezoo_contract", None) is not None:
        config.aezoo_contract.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes one test for each model or part and each check of a function that takes ``aezoo_check``."""
    if "aezoo_check" not in metafunc.fixturenames:
        return
    import pytest

    config: Any = metafunc.config
    try:
        names, parts = brought_by(config.getoption(OPTION) or config.getini(OPTION))
        # what follows imports torch
        from aezoo.testing.contract import Contract

        config.aezoo_contract = config.aezoo_contract or Contract(names, parts)
    except ZooError as error:
        raise pytest.UsageError(str(error)) from None
    cases = [Case(config.aezoo_contract, title, check) for title, check in config.aezoo_contract.cases()]
    ids = [f"{case.title.replace(' ', '-')}-{case.check.name}" for case in cases]
    metafunc.parametrize("aezoo_check", cases, ids=ids)


def brought_by(distribution: str) -> tuple[list[str], list[tuple[Kind, str]]]:
    """The names of the models that a distribution registers, and the kinds and names of its parts.

    Raises:
        UsageError: none is named, or it registers neither.
        PluginError: a plugin of it cannot be used.
    """
    if not distribution:
        raise UsageError(
            'no distribution to check: set aezoo_distribution = "my-distribution" in [tool.pytest.ini_options], or '
            "give --aezoo-distribution."
        )
    for plugin in registry.plugins:
        if plugin.error and _plain(plugin.distribution) == _plain(distribution):
            raise PluginError(f"{plugin.title} cannot be used: {plugin.error}")
    models = [entry.name for entry in _of(distribution, registry.models)]
    parts = [(kind, entry.name) for kind, lookup in registry.parts.items() for entry in _of(distribution, lookup)]
    if not models and not parts:
        others = [plugin for plugin in registry.plugins if _plain(plugin.distribution) == _plain(distribution)]
        if others:
            raise UsageError(
                f"distribution {others[0].distribution!r} has no models or parts, which are what is checked: aezoo "
                "plugins shows what it brings."
            )
        known = sorted({plugin.distribution for plugin in registry.plugins if plugin.entries})
        hint = near_misses(distribution, known, f"; distributions with models or parts are {', '.join(known)}.")
        raise UsageError(f"no models or parts of a distribution {distribution!r}{hint}")
    return models, parts


def _of(distribution: str, lookup: Lookup[Any]) -> list[Entry]:
    return [entry for entry in lookup.find() if _plain(entry.distribution) == _plain(distribution)]


def _plain(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
