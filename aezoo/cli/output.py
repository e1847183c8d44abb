"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from aezoo import registry

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False))


def print_table(rows: Iterable[Sequence[str]], headers: Sequence[str] = (), right: Sequence[int] = ()) -> None:
    """An aligned table; in a pipe its lines are as long as they need to be, so that they can be searched."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    box = SIMPLE_HEAD if headers and terminal else None
    table = Table(box=box, show_header=bool(headers), pad_edge=False)
    count = 0
    for row in rows:
        if not table.columns:
            for index in range(len(row)):
                header = headers[index] if headers else ""
                table.add_column(header, justify="right" if index in right else "left", overflow="fold")
        table.add_row(*(Text(cell) for cell in row))
        count += 1
    if not count:
        return
    console = Console(file=sys.stdout if terminal else io.StringIO(), width=None if terminal else 5000, highlight=False)
    console.print(table)
    if not terminal:
        click.echo("\n".join(line.rstrip() for line in console.file.getvalue().splitlines()))  # type: ignore[attr-defined]


def figure(value: float | int | str | None) -> str:
    """A number as a reader wants it."""
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.1f}"
    return "" if value is None else str(value)


def note(message: str) -> None:
    """Something the user should know, beside the output."""
    click.echo(f"aezoo: note: {message}", err=True)


def note_broken() -> None:
    """The plugins that cannot be used, and why."""
    for plugin in registry.plugins:
        if plugin.error:
            note(f"{plugin.title} is left out: {plugin.error}")
