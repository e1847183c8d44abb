"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import click

from aezoo import registry

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
F = TypeVar("F", bound=Callable[..., Any])
# the JSON of a command that still runs
_answers: list[str] = []


def as_json(function: F) -> F:
    """The option ``--json``. With it standard output is that JSON alone: what plugins print goes to standard error."""

    @functools.wraps(function)
    def run(*arguments: Any, as_json: bool, **options: Any) -> Any:
        if not as_json:
            return function(*arguments, as_json=False, **options)
        _answers.clear()
        with registry.aside():
            returned = function(*arguments, as_json=True, **options)
        for text in _answers:
            click.echo(text)
        return returned

    return cast(F, _json_option(run))


def print_json(value: Any) -> None:
    """One JSON value on standard output, once the command with the option ``as_json`` is done."""
    _answers.append(json.dumps(value, ensure_ascii=False))


def print_table(rows: Iterable[Sequence[str]], headers: Sequence[str] = (), right: Sequence[int] = ()) -> None:
    """An aligned table; in a pipe its lines are as long as they need to be, so that they can be searched."""
    lines = [list(row) for row in rows]
    if not lines:
        return
    if sys.stdout.isatty():
        _draw_table(lines, headers, right)
    else:
        # without rich, which takes a tenth of the time of a look-up to load
        _write_table([list(headers), *lines] if headers else lines, right)


def _draw_table(lines: Sequence[Sequence[str]], headers: Sequence[str], right: Sequence[int]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD if headers else None, show_header=bool(headers), pad_edge=False)
    for index in range(len(lines[0])):
        justify: Literal["left", "right"] = "right" if index in right else "left"
        table.add_column(headers[index] if headers else "", justify=justify, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    Console(highlight=False).print(table)


def _write_table(lines: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    cells = [[" ".join(cell.splitlines()) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        aligned = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        click.echo(" ".join(aligned).rstrip())


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


def note_slow() -> None:
    """The plugins that this command had to wait for."""
    for plugin in registry.plugins.found():
        if plugin.is_slow:
            remedy = f"AEZOO_DISABLE_PLUGINS={plugin.name} leaves it out"
            note(f"{plugin.title} took {plugin.seconds:.1f} s to import: {remedy}")


def write_rows(path: Path, columns: dict[str, Any]) -> Path:
    """Writes a text table of named columns, whole or not at all."""
    from aezoo.core.files import write_whole
    from aezoo.data.tables.decode import write_csv

    write_whole(path, lambda beside: write_csv(beside, columns))
    return path
