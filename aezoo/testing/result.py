"""What a check finds, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from aezoo.errors import ZooError

Status = Literal["held", "failed", "skipped", "warning"]


@dataclass(frozen=True)
class Result:
    """What one check of one model found: the check's name, whether it held, and why not, in one line.

    Examples:
        >>> from aezoo import testing
        >>> testing.Result("built", "held").status
        'held'
    """

    check: str
    status: Status
    reason: str = ""


class Broken(Exception):  # noqa: N818 - a finding of the check, no error of its own
    """Raised by a check whose subject does not hold: the reason, in one line."""


class Skipped(Exception):  # noqa: N818
    """Raised by a check that does not apply, and why."""


class Doubtful(Exception):  # noqa: N818
    """Raised by a check that found something which its author should know, and which may be meant: a warning."""


@dataclass(frozen=True)
class Check:
    """One thing that a model must hold: a short name, and a function that raises where it does not.

    Examples:
        >>> from aezoo import testing
        >>> testing.CHECKS[0].name, len(testing.CHECKS) > 20
        ('built', True)
    """

    name: str
    function: Callable[[Any], None]

    @property
    def summary(self) -> str:
        """What is held, in one line."""
        return (self.function.__doc__ or "").split("\n")[0].rstrip(".")

    def __call__(self, subject: Callable[[], Any]) -> Result:
        """Checks what ``subject`` returns; whatever is raised on the way is the reason why the check failed."""
        try:
            self.function(subject())
        except Broken as found:
            return Result(self.name, "failed", one_line(found))
        except Skipped as found:
            return Result(self.name, "skipped", one_line(found))
        except Doubtful as found:
            return Result(self.name, "warning", one_line(found))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return Result(self.name, "failed", _said(error))
        return Result(self.name, "held")


def one_line(found: Any, length: int = 400) -> str:
    """The text of ``found`` without line breaks, cut where it is too long for a table."""
    text = " ".join(str(found).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _said(error: BaseException) -> str:
    return one_line(error) if isinstance(error, ZooError) else one_line(f"{type(error).__name__}: {error}")
