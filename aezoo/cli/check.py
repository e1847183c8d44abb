"""``aezoo check``: holds models to the contract of the zoo."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from aezoo import registry
from aezoo.cli.output import as_json, print_json, print_table
from aezoo.errors import UsageError
from aezoo.testing.collecting import brought_by

MARKS = {"held": "held", "failed": "FAILED", "skipped": "skipped", "warning": "warning"}


@click.command()
@click.argument("models", nargs=-1, metavar="MODEL...")
@click.option("--plugin", "distribution", metavar="DISTRIBUTION", help="All models and parts of this distribution.")
@as_json
def check(models: tuple[str, ...], distribution: str | None, as_json: bool) -> int:
    """Hold models to the contract that every model keeps, and say what held and what did not.

    Each model is built, trained for some steps and used, on made-up data. The exit status is 1 if a check failed;
    a warning is none.
    """
    if not models and distribution is None:
        raise UsageError("check needs a model, or --plugin DISTRIBUTION: aezoo list shows the models.")
    # before torch is loaded: an unknown name is answered at once
    names = [registry.models[name].name for name in models]
    theirs, parts = ([], []) if distribution is None else brought_by(distribution)
    from aezoo.testing import Contract

    rows: list[dict[str, str]] = []
    with Contract([*names, *theirs], parts) as opened, _progress(len(opened.cases())) as advance:
        for title, one in opened.cases():
            advance(f"{title}: {one.name}")
            result = opened.run(title, one)
            reason = result.reason if as_json or result.reason else one.summary
            rows.append({"subject": title, "check": one.name, "status": result.status, "reason": reason})
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    return int(any(row["status"] == "failed" for row in rows))


def _print(rows: list[dict[str, str]]) -> None:
    print_table(
        [(row["subject"], row["check"], MARKS[row["status"]], row["reason"]) for row in rows],
        ("", "check", "", "what is held, or why it is not"),
    )
    count = Counter(row["status"] for row in rows)
    several = "s" * (count["warning"] != 1)
    words = {"held": "held", "failed": "failed", "skipped": "skipped", "warning": f"warning{several}"}
    click.echo(", ".join(f"{count[status]} {word}" for status, word in words.items() if count[status]) + ".")


@contextlib.contextmanager
def _progress(checks: int) -> Iterator[Any]:
    """A function to be told of each check; shows on a terminal which one is under way."""
    if not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    with Progress(
        BarColumn(), TextColumn("{task.description}"), console=Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task("", total=checks)
        yield lambda what: progress.update(task, advance=1, description=what)
