"""What everything in the zoo is held to: one test for each model or part of this package and each check."""

from collections.abc import Callable


def test_contract(aezoo_check: Callable[[], None]) -> None:
    aezoo_check()
