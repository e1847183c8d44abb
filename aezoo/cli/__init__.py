"""The command line: thin, one file a group of commands."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

INTERRUPTED = "interrupted; what was written before stays"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``aezoo`` and returns the exit status: 0, 2 for a usage mistake, 1 for another error, 130 for Ctrl-C."""
    from aezoo.errors import TerminatedError

    with _signals_caught() as heard:
        # around all that is imported, too
        try:
            status = _status(arguments)
        except TerminatedError as error:
            return _say(str(error), error.exit_status)
        except KeyboardInterrupt:
            return _say(INTERRUPTED, 130)
        except Exception:
            if not heard:
                raise
            status = 1
        if heard and status in (1, 2):
            # whoever was at work took it for an error of its own
            return _say(INTERRUPTED, 128 + heard[-1])
        return status


def _status(arguments: Sequence[str] | None) -> int:
    """The exit status; every error is said in one line."""
    import click

    from aezoo.errors import ZooError, is_out_of_memory

    for name in ("stdout", "stderr"):
        # a stream that the shell has closed is None, and everything that prints would fail
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - open till the end
    try:
        status = _run(arguments)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message)
        return 0
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except ZooError as error:
        return _say(str(error), error.exit_status)
    except click.Abort:
        raise KeyboardInterrupt from None
    except BrokenPipeError:
        # the reader of a pipe went away, as head does: nobody is left to tell
        sys.stderr.close()
        return 1
    except MemoryError:
        return _say("not enough memory: use a smaller model, batch size or data set", 1)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return _say("not enough memory: use a smaller model, batch size or data set", 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or error}", 1)
    return status if isinstance(status, int) else 0


def _run(arguments: Sequence[str] | None) -> Any:
    """What the command returns; an error in a plugin's code, wherever it was not seen to, is that plugin's."""
    import click

    from aezoo import registry
    from aezoo.cli.app import app
    from aezoo.cli.output import note_slow
    from aezoo.errors import PluginError, ZooError, is_out_of_memory, reason_of

    try:
        return app.main(args=arguments, prog_name="aezoo", standalone_mode=False)
    except (ZooError, click.ClickException, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        who = registry.culprit(error)
        if not who or is_out_of_memory(error):
            raise
        raise PluginError(f"{who} failed: {reason_of(error)}") from error
    finally:
        note_slow()


@contextmanager
def _signals_caught() -> Iterator[list[int]]:
    """Notes Ctrl-C and SIGTERM, and lets both end a command alike, unless the process has its own way with them."""
    from aezoo.training import HEARD, interrupt, terminate

    HEARD.clear()
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        ours = (
            (signal.SIGINT, signal.default_int_handler, interrupt),
            (signal.SIGTERM, signal.SIG_DFL, terminate),
        )
        for number, usual, handler in ours:
            if signal.getsignal(number) == usual:
                before[number] = signal.signal(number, handler)
    try:
        yield HEARD
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)
        HEARD.clear()


def _say(message: str, status: int) -> int:
    from aezoo.errors import one_line

    print(f"aezoo: error: {one_line(message)}", file=sys.stderr)
    return status


__all__ = ["main"]
