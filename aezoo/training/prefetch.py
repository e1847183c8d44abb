"""A thread that makes what a loop will ask for next."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class _End:
    """What follows the last item."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[T], live: int = 3) -> Iterator[T]:
    """The ``items``, in their order, made by a thread while those before are used.

    At most ``live`` items are there at a time: in use, waiting, or in the making. What their making raises is raised
    here, after the items before it. The thread ends with this generator, also when that is closed half-way.
    """
    made: SimpleQueue[T | _End] = SimpleQueue()
    room = threading.Semaphore(live)
    closed = threading.Event()

    def make() -> None:
        try:
            source = iter(items)
            while room.acquire() and not closed.is_set():
                # handed on without a name, which would keep it alive while this waits for room
                made.put(next(source))
        except StopIteration:
            made.put(_End())
        except BaseException as error:
            made.put(_End(error))

    # a daemon: a loop that is neither finished nor closed must not keep the process from ending
    thread = threading.Thread(target=make, name="aezoo-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := made.get(), _End):
            yield item
            del item
            room.release()
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        room.release()
        thread.join()
