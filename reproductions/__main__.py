"""``python -m reproductions``: lists the cards, or runs some of them and prints published against obtained."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from aezoo.errors import OutputError, UnknownNameError, UsageError, ZooError, near_misses
from reproductions.card import Card, Context, run

HERE = Path(__file__).resolve().parent


def names() -> list[str]:
    """The cards: every script of this folder that is named by a letter and a number."""
    return sorted(path.stem for path in HERE.glob("*.py") if re.fullmatch(r"[a-z]\d+", path.stem))


def card(name: str) -> Card:
    """The card ``name``; raises UnknownNameError when there is none."""
    if name not in names():
        raise UnknownNameError(f"no card {name!r}{near_misses(name, names())} The cards: {', '.join(names())}.")
    found: Card = importlib.import_module(f"reproductions.{name}").CARD
    return found


def table(result: dict[str, Any]) -> str:
    """A result for people: one line a figure."""
    form = result["form"] + (f": {result['difference']}" if result["difference"] else "")
    seeds = ", ".join(map(str, result["seeds"]))
    lines = [f"{result['card']}  {result['title']}", f"    {form}; seeds {seeds}; {result['seconds']:.0f} s"]
    width = max(len(row["name"]) for row in result["rows"])
    lines.append(f"    {'':{width}}  {'published':>10} {'obtained':>10}  tolerance")
    for row in result["rows"]:
        tolerance = row["tolerance"]["text"] if row["tolerance"] else ""
        verdict = {True: "accepted", False: "NOT ACCEPTED", None: ""}[row["accept"]]
        each = " ".join(map(_number, row["per_seed"])) if len(row["per_seed"]) > 1 else ""
        lines.append(
            f"    {row['name']:{width}}  {_number(row['published']):>10} {_number(row['obtained']):>10}  "
            f"{tolerance:20} {verdict:12} {each}".rstrip()
        )
    return "\n".join([*lines, *(f"    note: {note}" for note in result["notes"])])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def write(result: dict[str, Any], folder: Path) -> Path:
    """Writes a result as ``<card>.json``; raises OutputError when it cannot."""
    path = folder / f"{result['card']}.json"
    try:
        path.write_text(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}: name another folder with --out.") from None
    return path


def _seeds(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        seeds = ()
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32 or len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds {text!r} are not different whole numbers below 2³²: write them as 0,1,2.")
    return seeds


@click.command()
@click.argument("cards", nargs=-1)
@click.option("--full", is_flag=True, help="The whole recipe, where the default is a shorter form of it.")
@click.option("--seeds", callback=_seeds, help="Seeds of the trainings, such as 0,1,2 (default: the card's).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder that holds mnist/, adbench/ (or AEZOO_DATA).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write results and pictures to. [default: results, beside the cards]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON list.")
def main(
    cards: tuple[str, ...],
    full: bool,
    seeds: tuple[int, ...] | None,
    data_dir: Path | None,
    device: str,
    out: Path | None,
    as_json: bool,
) -> int:
    """Runs CARDS, or "all"; without any, lists them. Exits with 1 when a figure is not accepted."""
    if not cards:
        for name in names():
            click.echo(f"{name}  {card(name).title} ({card(name).source})")
        return 0
    chosen = [card(name) for name in (names() if cards == ("all",) else dict.fromkeys(cards))]
    out = out or HERE / "results"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror}: name another folder with --out.") from None
    context = Context(full, data_dir, device, out)
    for one in chosen:
        for folder in one.data:
            context.folder(folder)
    results = []
    for number, one in enumerate(chosen, 1):
        click.echo(f"card {number} of {len(chosen)}: {one.name.upper()}, {one.title} …", err=True)
        results.append(run(one, context, seeds))
        write(results[-1], out)
        if not as_json:
            click.echo(table(results[-1]))
    if as_json:
        click.echo(json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False))
    return 0 if all(result["accept"] for result in results) else 1


def guarded(arguments: Sequence[str] | None = None) -> int:
    """Runs ``main``, and gives a mistake one line: 2 for one of usage, 1 for another, 130 for Ctrl-C."""
    try:
        return int(main.main(args=arguments, prog_name="python -m reproductions", standalone_mode=False) or 0)
    except click.ClickException as error:
        message, status = " ".join(error.format_message().split()), error.exit_code
    except ZooError as error:
        message, status = str(error), error.exit_status
    except (click.Abort, KeyboardInterrupt):
        message, status = "interrupted; the results of finished cards stay", 130
    click.echo(f"reproductions: error: {message}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(guarded())
