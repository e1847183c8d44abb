"""The generated parts of the README and of the documentation: what the registry and the results of the cards say."""

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
PARTS = {
    "corruption": "--corruption",
    "network": "--network",
    "activation": "--activation",
    "likelihood": "--likelihood",
    "prior": "--prior",
    "regularizer": "--regularizer",
}

Row = dict[str, Any]


def zoo_table(catalogue: Row, cards: Sequence[Row]) -> str:
    """One row a model, with the way to its page: the README's."""
    rows = [["model", "family", "what it does"], ["---"] * 3]
    rows += [[f"[`{r['name']}`](docs/models/{r['name']}.md)", r["family"], r["summary"]] for r in _sorted(catalogue)]
    return _table(rows)


def model_page(catalogue: Row, cards: Sequence[Row], name: str) -> str:
    """What a model's page begins with: its papers, capabilities, options and figures."""
    row = next((found for found in catalogue["models"] if found["name"] == name), None)
    if row is None:
        raise DataError(f"the documentation has a page of a model {name!r}, which is not registered: remove it.")
    able = ", ".join(row["capabilities"]) or "none beside encoding, reconstructing and scoring"
    papers = "; ".join(row["references"])
    lines = [
        row["summary"],
        "",
        f"**Family** {row['family']}. **Command** `aezoo train --model {name}`. **Capabilities** {able}.",
        f"**Papers** {papers}.",
        "",
    ]
    options = [["option", "symbol", "default", "what it is"], ["---"] * 4]
    for key, option in row["options"]["properties"].items():
        flag = f"`--{str(option.get('flag', key)).replace('_', '-')}`"
        options.append([flag, option.get("symbol", ""), f"`{_shown(option.get('default'))}`", option["description"]])
    lines += [_table(options), ""]
    if "training" in row:
        begun = " ".join(f"--{name.replace('_', '-')} {_shown(value)}" for name, value in row["training"].items())
        lines += [f"Trained by `{begun}` where these are not given.", ""]
    lines += ["Measured on the bundled digits with these defaults, on the test split:", ""]
    lines.append(
        _table([["figure", "value"], ["---", "---:"], *([f"`{k}`", f"{v:.4g}"] for k, v in row["results"].items())])
    )
    held = [f"{card['card'].upper()} {_mark(card)}" for card in cards if name in card["models"]]
    lines += ["", f"Published numbers that it was held to: {', '.join(held) or 'none'}."]
    return "\n".join(lines)


def _shown(default: Any) -> str:
    """A default as the command line takes it."""
    if isinstance(default, dict) and "name" not in default:
        # a mapping, and no choice of a part
        return ";".join(f"{name}:{_shown(value)}" for name, value in default.items()) or "none"
    if isinstance(default, dict):
        value = default.get("value")
        more = "".join(f",{name}={_shown(option)}" for name, option in default.get("options", {}).items())
        return (str(default["name"]) if value is None else f"{default['name']}={value}") + more
    if isinstance(default, list):
        return ",".join(map(str, default)) or "none"
    return "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def _sorted(catalogue: Row) -> list[Row]:
    return sorted(catalogue["models"], key=lambda found: (found["family"], found["name"]))


def models_table(catalogue: Row, cards: Sequence[Row]) -> str:
    """One row a model: what it does, its figures on the bundled digits, and the published numbers it was held to."""
    head = ["model", "family", "what it does", *FIGURES.values(), "probe", "published numbers"]
    rows = [head, ["---"] * 3 + ["---:"] * (len(FIGURES) + 1) + ["---"]]
    for row in _sorted(catalogue):
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
        name = f"{card['card'].upper()}: {card['title']} (`reproductions/results/{card['card']}.json`)"
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


def parts_table(catalogue: Row, cards: Sequence[Row]) -> str:
    """One row a part: how it is asked for, its options with their defaults, and what it is."""
    rows = [["part", "options", "what it is"], ["---"] * 3]
    for kind, use in PARTS.items():
        for row in catalogue[f"{kind}s"]:
            options = ", ".join(
                f"`{key}={_shown(option['default'])}`" if "default" in option else f"`{key}=…`"
                for key, option in row["options"].get("properties", {}).items()
            )
            rows.append([f"`{use} {row['name']}`", options, row["summary"]])
    return _table(rows)


def datasets_table(catalogue: Row, cards: Sequence[Row]) -> str:
    """One row a dataset."""
    rows = [["`--data …`", "options", "what it is"], ["---"] * 3]
    for row in catalogue["datasets"]:
        properties = row["options"].get("properties", {})
        options = ", ".join(f"`{key}={_shown(option.get('default'))}`" for key, option in properties.items())
        rows.append([f"`{row['name']}`", options, row["summary"]])
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
    "zoo": zoo_table,
    "models": models_table,
    "cards": cards_table,
    "inspections": inspections_table,
    "parts": parts_table,
    "datasets": datasets_table,
    "hooks": hooks_table,
}
PLACE = re.compile(r"<!-- (?P<name>[a-z]+)(?P<of> [a-z0-9-]+)? -->\n.*?<!-- /(?P=name) -->", re.DOTALL)


def fill(text: str, catalogue: Row, cards: Sequence[Row] = ()) -> str:
    """``text`` with what stands between ``<!-- NAME -->`` and ``<!-- /NAME -->`` made anew, as often as it does.

    ``<!-- model NAME -->`` is the place for a model's own. Raises DataError for a table that does not exist.

    Examples:
        >>> catalogue = {"inspections": [{"name": "plane", "summary": "A plane."}]}
        >>> print(aezoo.registry.fill("<!-- inspections -->\\n<!-- /inspections -->", catalogue))
        <!-- inspections -->
        <BLANKLINE>
        | `aezoo inspect RUN …` | what it shows |
        | --- | --- |
        | `--plane` | A plane. |
        <BLANKLINE>
        <!-- /inspections -->
    """

    def made(found: re.Match[str]) -> str:
        name, of = found["name"], found["of"] or ""
        if name != "model" and name not in TABLES:
            raise DataError(f"there is no table {name!r}: use {', '.join(TABLES)} or model NAME.")
        table = model_page(catalogue, cards, of.strip()) if name == "model" else TABLES[name](catalogue, cards)
        return f"<!-- {name}{of} -->\n\n{table}\n\n<!-- /{name} -->"

    return PLACE.sub(made, text)


def written_cards(checkout: Path) -> list[Row]:
    """The results of the reproductions of a checkout, by card.

    Examples:
        >>> from pathlib import Path
        >>> aezoo.registry.written_cards(Path("no-checkout"))
        []
    """
    return [
        json.loads(path.read_text("utf-8")) for path in sorted((checkout / "reproductions" / "results").glob("*.json"))
    ]


def pages(catalogue_path: Path) -> list[Path]:
    """The README and the pages of documentation beside a checkout's registry.json; none in an installed package.

    Examples:
        >>> aezoo.registry.pages(aezoo.registry.location().with_name("elsewhere") / "registry.json")
        []
    """
    checkout = catalogue_path.parent
    if not (checkout / "README.md").exists() or not (checkout / "pyproject.toml").exists():
        return []
    found = [checkout / "README.md", *sorted((checkout / "docs").rglob("*.md"))]
    return [path for path in found if PLACE.search(path.read_text(encoding="utf-8"))]
