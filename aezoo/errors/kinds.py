"""The classes of errors that a user can meet, and how each is shown."""

from __future__ import annotations

from aezoo.errors.wording import one_line


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
