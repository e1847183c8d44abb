"""The generated parts of the README: the tables of models, inspections, published numbers and hooks."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aezoo.errors import DataError
from aezoo.registry import hookspecs

FIGURES = {"squared_error": "squared error", "pca_squared_error": "PCA, same size", "neg_elbo": "−ELBO, nats"}
MOST_FIGURES = 12

Row = dict[str, Any]


def models_table(catalogue: Row, cards: Sequence[Row]) -> str:
    """One row a model: what it does, its figures on the bundled digits, and the published numbers it was held to."""
    head = ["model", "family", "what it does", *FIGURES.values(), "probe", "published numbers"]
    rows = [head, ["---"] * 3 + ["---:"] * (len(FIGURES) + 1) + ["---"]]
    for row in sorted(catalogue["models"], key=lambda found: (found["family"], found["name"])):
        results = row["results"]
        figures = [f"{results[key]:.2f}" if key in results else "" for key in FIGURES]
        probe = f"{100 * results['probe_accuracy']:.1f} %" if "probe_accuracy" in results else ""
        held = ", ".join(f"{card['card'].upper()} {_mark(card)}" for card in cards if row["name"] in card["models"])
        rows.append([f"`{row['name']}`", row["family"], row["summary"], *figures, probe, held])
    return _table(rows)


def cards_table(catalogue: Row, cards: Sequence[Row]) -> str:
    """One row for each figure that a card judges: published, obtained, and whether it came out.

    Of a card with many only the first are shown, and all that did not come out.
    """
    rows = [
        ["card", "figure", "published", "obtained", "accepted", "", "form"],
        ["---"] * 2 + ["---:"] * 3 + ["---"] * 2,
    ]
    for card in cards:
        name = f"[{card['card'].upper()}](reproductions/results/{card['card']}.json): {card['title']}"
        form = "full" if card["form"] == "full" else f"short: {card['difference']}"
        form += f"; seeds {', '.join(map(str, card['seeds']))}" if len(card["seeds"]) > 1 else ""
        judged_rows = [row for row in card["rows"] if row["tolerance"] is not None]
        shown = [row for index, row in enumerate(judged_rows) if index < MOST_FIGURES or not row["accept"]]
        for judged in shown:
            numbers = [_number(judged["published"]), _number(judged["obtained"]), judged["tolerance"]["text"]]
            rows.append([name, judged["name"], *numbers, _mark(judged), form])
            name = form = ""
        if len(shown) < len(judged_rows):
            rows.append(["", f"and {len(judged_rows) - len(shown)} more", *[""] * 3, "✓", ""])
    return _table(rows)


def inspections_table(catalogue: Row, cards: Sequence[Row]) -> str:
    """One row an inspection."""
    rows = [["`aezoo inspect RUN …`", "what it shows"], ["---"] * 2]
    rows += [[f"`--{row['name']}`", row["summary"]] for row in catalogue["inspections"]]
    return _table(rows)


def hooks_table(catalogue: Row, cards: Sequence[Row]) -> str:
    """One row a hook, by its docstring."""
    rows = [["hook", "when, and what it returns or is told"], ["---"] * 2]
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("aezoo_"):
            arguments = ", ".join(inspect.signature(hook).parameters)
            rows.append([f"`{name}({arguments})`", " ".join(str(inspect.getdoc(hook)).split()).replace("``", "`")])
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _mark(judged: Row) -> str:
    return "✓" if judged["accept"] else "✗"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"


TABLES: dict[str, Callable[[Row, Sequence[Row]], str]] = {
    "models": models_table,
    "cards": cards_table,
    "inspections": inspections_table,
    "hooks": hooks_table,
}


def fill(text: str, catalogue: Row, cards: Sequence[Row] = ()) -> str:
    """``text`` with what stands between ``<!-- NAME -->`` and ``<!-- /NAME -->`` made anew."""
    for name, table in TABLES.items():
        parts = re.split(rf"<!-- {name} -->\n.*?<!-- /{name} -->", text, flags=re.DOTALL)
        if len(parts) != 2:
            raise DataError(
                f"the README has no place for the table of {name}: write <!-- {name} --> and <!-- /{name} -->."
            )
        text = f"{parts[0]}<!-- {name} -->\n{table(catalogue, cards)}\n<!-- /{name} -->{parts[1]}"
    return text


def written_cards(checkout: Path) -> list[Row]:
    """The results of the reproductions of a checkout, by card."""
    return [
        json.loads(path.read_text("utf-8")) for path in sorted((checkout / "reproductions" / "results").glob("*.json"))
    ]


def readme(catalogue_path: Path) -> Path | None:
    """The README beside a checkout's registry.json; None in an installed package."""
    path = catalogue_path.parent / "README.md"
    return path if path.exists() and (catalogue_path.parent / "pyproject.toml").exists() else None
