"""When the state of training is saved, and how a run is stopped so that nothing is lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from aezoo.core.text import split_every
from aezoo.errors import TerminatedError


class Saving:
    """Says when a save is due, by an option such as ``epoch``, ``500 steps`` or ``10 minutes``.

    After every epoch, saving takes at most a tenth of the time: of epochs that are over within milliseconds, some are
    passed over, so that a kill loses at most ten times what a save takes. Whatever is asked for in numbers is obeyed.
    """

    MOST_OF_THE_TIME = 0.1

    def __init__(self, every: str) -> None:
        self.count, self.unit = split_every(every)
        self._last = time.monotonic()
        self._cost = 0.0

    def after_step(self, step: int) -> bool:
        """Whether to save after this step, in the middle of an epoch."""
        if self.unit == "step":
            return step % self.count == 0
        return self.unit == "minute" and time.monotonic() - self._last >= 60 * self.count

    def after_epoch(self, epoch: int) -> bool:
        """Whether to save after this epoch."""
        if self.unit != "epoch" or epoch % self.count:
            return False
        rest = self._cost * (1 / self.MOST_OF_THE_TIME - 1)
        return self.count > 1 or time.monotonic() - self._last >= rest

    def done(self, seconds: float = 0.0) -> None:
        """Notes that there was a save, and how long it took."""
        self._last, self._cost = time.monotonic(), seconds


class Stop:
    """What Ctrl-C or SIGTERM asked for while a step was under way."""

    def __init__(self) -> None:
        self.signal = 0

    def error(self) -> BaseException:
        """What is raised once everything is saved."""
        return TerminatedError() if self.signal == signal.SIGTERM else KeyboardInterrupt()


HEARD: list[int] = []
"""The signals that a command was sent: what was at work may take the error that is raised for one for its own."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """A command's handler of Ctrl-C.

    Examples:
        >>> import signal
        >>> handler = signal.signal(signal.SIGINT, aezoo.training.interrupt)
        >>> signal.signal(signal.SIGINT, handler) is aezoo.training.interrupt
        True
    """
    HEARD.append(number)
    raise KeyboardInterrupt


def terminate(number: int, frame: FrameType | None) -> None:
    """A command's handler of SIGTERM, which lets it take the way of an error: files and messages are finished.

    Examples:
        >>> import signal
        >>> handler = signal.signal(signal.SIGTERM, aezoo.training.terminate)
        >>> signal.signal(signal.SIGTERM, handler) is aezoo.training.terminate
        True
    """
    HEARD.append(number)
    raise TerminatedError


@contextmanager
def finishing_steps(enabled: bool = True) -> Iterator[Stop]:
    """Notes Ctrl-C and SIGTERM instead of breaking off; the second one breaks off at once.

    Handlers that a user's program has set are left alone, and outside of the main thread there can be none.
    """
    stop = Stop()
    stop.signal = HEARD[-1] if HEARD else 0

    def note(number: int, frame: FrameType | None) -> None:
        if stop.signal:
            raise stop.error()
        stop.signal = number

    known = (signal.default_int_handler, signal.SIG_DFL, interrupt, terminate)
    before = {}
    if enabled and threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) in known:
                before[number] = signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stop.signal:
        # it came after the last step, when nobody looked any more
        raise stop.error()
