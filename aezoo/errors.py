"""Every error that a user can meet.

Each carries one line: the thing, the reason, and the remedy. The command line prints that line and exits with
``exit_status``: 2 for a usage mistake, 1 for anything else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_LETTERS = 800


def one_line(text: str) -> str:
    """``text`` as one line that any terminal can show, whatever a file or an argument has put into it.

    Control characters are spelled out, as ``\\x1b``, and the middle of a very long text is left out.
    """
    line = _shortened(" ".join(_shortened(text, 10 * MOST_LETTERS).split()))
    return line if line.isprintable() else _shortened("".join(c if c.isprintable() else repr(c)[1:-1] for c in line))


def _shortened(text: str, most: int = MOST_LETTERS) -> str:
    # the thing stands at the beginning, the remedy at the end
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 3 :]}"


class ZooError(Exception):
    """Base of all of aezoo's own errors; ``str(error)`` is one line."""

    exit_status = 1

    def __str__(self) -> str:
        return one_line(str(self.args[0] if self.args else ""))


class UsageError(ZooError, ValueError):
    """An option, name or argument that cannot be used as given."""

    exit_status = 2


class UnknownNameError(UsageError, KeyError):
    """A model, part, dataset or option that is not registered."""


class CompositionError(UsageError):
    """Parts that do not fit together; raised when the model is built."""


class CapabilityError(UsageError):
    """Something asked of a model that its parts cannot give, such as samples from a model without a prior."""


class DataError(ZooError, ValueError):
    """Data that is missing, malformed, or does not fit the model."""


class CheckpointError(ZooError):
    """A checkpoint that is missing, broken, foreign, or needs something not installed."""


class PluginError(ZooError):
    """A plugin that failed to import, clashes with another, or breaks its interface."""


class OutputError(ZooError):
    """A file or folder that cannot be written."""


class RunInterruptedError(ZooError):
    """Ctrl-C during a run."""

    exit_status = 130


class TerminatedError(SystemExit):
    """SIGTERM during a run; no ``Exception``, so that nothing which retries on errors takes it for one."""

    exit_status = 143

    def __init__(self, message: str = "terminated.") -> None:
        super().__init__(message)
        self.code = self.exit_status


STOPS = (KeyboardInterrupt, TerminatedError)
"""What ends a command from outside: nobody's error, and nothing that catches everything may keep it."""


class DivergenceError(ZooError):
    """Training whose loss stopped being finite."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out; torch has no class of its own for a processor's memory."""
    signs = ("alloc", "out of memory", "overflow", "too large")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(s in str(error) for s in signs))


def reason_of(error: BaseException) -> str:
    """Class and message of somebody else's error, in one line of moderate length, whatever its ``str`` does."""
    try:
        text = one_line(str(error))
    except Exception:
        text = "no message"
    return f"{type(error).__name__}: {text[:300]}".removesuffix(": ")


def near_misses(name: str, known: Iterable[str], otherwise: str = ".") -> str:
    """The end of a sentence, ``"; did you mean 'topk'?"`` with the closest known names; ``otherwise`` if none is."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(match) for match in close)}?" if close else otherwise
