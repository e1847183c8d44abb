"""The kit: holds models to the contract that every model of the zoo keeps. ``aezoo check MODEL`` from the shell.

From Python, ``aezoo.testing.check("mymodel")`` returns a list of ``Result(check, status, reason)``.

As tests of a distribution, with pytest: in ``conftest.py`` at the top of the tests

    pytest_plugins = ["aezoo.testing"]

in ``pyproject.toml``

    [tool.pytest.ini_options]
    aezoo_distribution = "my-distribution"

(or ``pytest --aezoo-distribution my-distribution``), and one test, which becomes one for each model and part of the
distribution and each check:

    def test_contract(aezoo_check):
        aezoo_check()

A check that fails fails the test with its reason; one that does not apply is skipped; a warning is a
``ContractWarning``. An option whose other values cannot be guessed, such as a text, says one:
``Field("a", description="...", json_schema_extra={"check": "b"})``. A model whose gradient is meant to be another than
the loss's has a module with ``surrogate_gradient = True``.

PYTEST_DONT_REWRITE: it has no asserts, and may have been imported before pytest looks for plugins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aezoo.core.lazy import exporter
from aezoo.testing.collecting import (
    ContractWarning,
    pytest_addoption,
    pytest_configure,
    pytest_generate_tests,
    pytest_unconfigure,
)

if TYPE_CHECKING:
    from aezoo.testing.contract import CHECKS, PART_CHECKS, Contract, check
    from aezoo.testing.result import Check, Result

_NAMES = {
    "CHECKS": "aezoo.testing.contract",
    "Check": "aezoo.testing.result",
    "Contract": "aezoo.testing.contract",
    "PART_CHECKS": "aezoo.testing.contract",
    "Result": "aezoo.testing.result",
    "check": "aezoo.testing.contract",
}
__getattr__ = exporter(__name__, _NAMES)
__all__ = [
    "CHECKS",
    "PART_CHECKS",
    "Check",
    "Contract",
    "ContractWarning",
    "Result",
    "check",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_unconfigure",
]
