"""The command line: thin, one file a group of commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``aezoo`` and returns the exit status: 0, 2 for a usage mistake, 1 for another error, 130 for Ctrl-C."""
    import click

    from aezoo.cli.app import app
    from aezoo.errors import ZooError, is_out_of_memory

    for name in ("stdout", "stderr"):
        # a stream that the shell has closed is None, and everything that prints would fail
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - open till the end
    try:
        status = app.main(args=arguments, prog_name="aezoo", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message)
        return 0
    except click.ClickException as error:
        return _say(" ".join(error.format_message().split()), error.exit_code)
    except ZooError as error:
        return _say(str(error), error.exit_status)
    except (click.Abort, KeyboardInterrupt):
        return _say("interrupted; what was written before stays", 130)
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


def _say(message: str, status: int) -> int:
    print(f"aezoo: error: {message}", file=sys.stderr)
    return status


__all__ = ["main"]
