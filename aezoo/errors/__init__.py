"""Every error that a user can meet.

Each carries one line: the thing, the reason, and the remedy. The command line prints that line and exits with
``exit_status``: 2 for a usage mistake, 1 for anything else.
"""

from aezoo.errors.kinds import (
    STOPS,
    CapabilityError,
    CheckpointError,
    CompositionError,
    DataError,
    DivergenceError,
    OutputError,
    PluginError,
    RunInterruptedError,
    TerminatedError,
    UnknownNameError,
    UsageError,
    ZooError,
)
from aezoo.errors.wording import is_out_of_memory, near_misses, one_line, reason_of

__all__ = [
    "STOPS",
    "CapabilityError",
    "CheckpointError",
    "CompositionError",
    "DataError",
    "DivergenceError",
    "OutputError",
    "PluginError",
    "RunInterruptedError",
    "TerminatedError",
    "UnknownNameError",
    "UsageError",
    "ZooError",
    "is_out_of_memory",
    "near_misses",
    "one_line",
    "reason_of",
]
