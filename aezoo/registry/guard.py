"""What a plugin's code must not do to everyone else: write to standard output, or leave the process changed."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def guarded() -> Iterator[list[str]]:
    """Runs a stranger's code apart: what it prints goes to standard error, and what it sets for all is put back.

    Gives a list that names, once the block is left, what was put back: the working directory, Ctrl-C, and torch's
    default type, device, gradients, determinism and threads.

    Examples:
        >>> with aezoo.registry.guarded() as put_back:
        ...     torch.set_default_dtype(torch.float64)
        >>> put_back, torch.get_default_dtype()
        (["torch's default dtype"], torch.float32)
    """
    with aside(), unchanged() as put_back:
        yield put_back


@contextlib.contextmanager
def unchanged() -> Iterator[list[str]]:
    """The same without a word on output.

    Examples:
        >>> with aezoo.registry.unchanged():
        ...     torch.set_default_dtype(torch.float64)
        >>> torch.get_default_dtype()
        torch.float32
    """
    put_back: list[str] = []
    before = _state()
    try:
        yield put_back
    finally:
        after = _state()
        for what, (value, restore) in before.items():
            if value is not None and after[what][0] != value:
                restore(value)
                put_back.append(what)


def _state() -> dict[str, tuple[Any, Callable[[Any], Any]]]:
    """What is held together for all: its value, None where it is not known, and how it is set."""
    torch = sys.modules.get("torch")
    if not hasattr(torch, "set_default_device"):
        torch = None

    def of_torch(read: str, otherwise: Any) -> Any:
        return otherwise if torch is None else getattr(torch, read)()

    def setter(name: str) -> Callable[[Any], Any]:
        # torch may have come with the very import that is guarded
        return lambda value: getattr(sys.modules["torch"], name)(value)

    def read_dtype(value: str) -> None:
        loaded: Any = sys.modules["torch"]
        loaded.set_default_dtype(getattr(loaded, value.removeprefix("torch.")))

    return {
        "the working directory": (_folder(), os.chdir),
        "what Ctrl-C does": (_on_interrupt(), lambda handler: signal.signal(signal.SIGINT, handler)),
        "torch's default dtype": (str(of_torch("get_default_dtype", "torch.float32")), read_dtype),
        "torch's default device": (
            str(of_torch("get_default_device", "cpu")),
            # a device that is set, be it the usual one, costs time at every call
            lambda name: setter("set_default_device")(None if name == "cpu" else name),
        ),
        "whether torch makes gradients": (of_torch("is_grad_enabled", True), setter("set_grad_enabled")),
        "whether torch is deterministic": (
            of_torch("are_deterministic_algorithms_enabled", False),
            setter("use_deterministic_algorithms"),
        ),
        "torch's number of threads": (of_torch("get_num_threads", None), setter("set_num_threads")),
    }


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - the text is compared
    except OSError:
        return None


def _on_interrupt() -> Any:
    return signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None


class _Aside(io.TextIOBase):
    """Standard error under another name; closing it closes nothing."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        with contextlib.suppress(AttributeError, ValueError, OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(AttributeError, ValueError, OSError):
            sys.stderr.flush()

    def fileno(self) -> int:
        return sys.stderr.fileno()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        self.flush()

    @property
    def buffer(self) -> Any:
        """Where bytes go; nowhere, where standard error is a text alone."""
        return getattr(sys.stderr, "buffer", None) or io.BytesIO()


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Standard output is standard error for a while: for Python, for C, and for processes that are started.

    Examples:
        >>> with aezoo.registry.aside():
        ...     print("to standard error")
    """
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr", "__stdout__", "__stderr__")}
    with _descriptor_aside():
        # the first streams too, since one that was closed cannot be opened again
        sys.stdout = sys.__stdout__ = _Aside()  # type: ignore[misc, assignment]
        try:
            yield
        finally:
            for name, stream in streams.items():
                setattr(sys, name, stream)
            if sys.stderr is not None and sys.stderr.closed:
                sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open till the end


@contextlib.contextmanager
def _descriptor_aside() -> Iterator[None]:
    kept: dict[int, int] = {}
    try:
        for number in (1, 2):
            kept[number] = os.dup(number)
        _flush()
        os.dup2(2, 1)
    except OSError:
        # a stream that the shell has closed
        pass
    try:
        yield
    finally:
        _flush()
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


def _flush() -> None:
    """What was written so far goes where it was written to."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        sys.__stdout__.flush()  # type: ignore[union-attr]
    # C keeps a buffer of its own, which only who has loaded ctypes is likely to have filled
    if "ctypes" in sys.modules:
        with contextlib.suppress(AttributeError, TypeError, OSError):
            sys.modules["ctypes"].CDLL(None).fflush(None)
