"""Commands that look things up; none of them imports torch."""

from __future__ import annotations

import json
from typing import Any

import click

from aezoo import registry
from aezoo.cli.output import as_json, figure, note_broken, print_json, print_table
from aezoo.errors import DataError, UnknownNameError
from aezoo.registry import Entry


def _brief(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "family": entry.family,
        "summary": entry.summary,
        "plugin": entry.plugin,
        "distribution": entry.distribution,
    }


@click.command("list")
@click.option("--family", help="Only models of this family.")
@click.option("--parts", is_flag=True, help="Parts instead of models.")
@as_json
def list_(family: str | None, parts: bool, as_json: bool) -> None:
    """List the models (or parts) that are installed."""
    lookups: dict[registry.Kind, registry.Lookup[Any]] = {"model": registry.models}
    if parts:
        lookups = {**registry.parts}
    rows = [
        (kind, entry)
        for kind, lookup in lookups.items()
        for entry in sorted(lookup.find(), key=lambda found: (found.family, found.name))
        if family in (None, entry.family)
    ]
    note_broken()
    if not rows and family:
        known = sorted({entry.family for lookup in lookups.values() for entry in lookup.find() if entry.family})
        raise UnknownNameError(f"no family {family!r}: there are {', '.join(known)}.")
    if as_json:
        print_json([{"kind": kind, **_brief(entry)} for kind, entry in rows])
        return
    headers = ("kind" if parts else "family", "name", "summary", "from")
    lines = [(kind if parts else entry.family, entry.name, entry.summary, entry.distribution) for kind, entry in rows]
    print_table(lines, headers)


@click.command()
@click.argument("name")
@as_json
def show(name: str, as_json: bool) -> None:
    """Show all about a model, part, dataset or inspection: options, references, capabilities, results."""
    found = [entry for lookup in _lookups() for entry in lookup.find(name=name)]
    if not found:
        registry.models[name]
    rows = [_full(entry) for entry in found]
    if as_json:
        print_json(rows[0] if len(rows) == 1 else rows)
        return
    for row in rows:
        click.echo(f"{row['name']}: {row['summary']}")
        pairs = [(key, ", ".join(row[key]) if isinstance(row[key], list) else row[key]) for key in _SHOWN if row[key]]
        print_table([(str(key), str(value)) for key, value in pairs])
        _print_options(row["options"])
        if row["results"]:
            print_table([(k, figure(v)) for k, v in row["results"].items()], ("on digits, test split", ""), right=(1,))


_SHOWN = ("kind", "family", "references", "capabilities", "plugin", "distribution")


def _lookups() -> list[registry.Lookup[Any]]:
    return [registry.models, registry.datasets, *registry.parts.values(), registry.inspections]


def _full(entry: Entry) -> dict[str, Any]:
    """An entry with its options; what the catalogue of this very version knows is not worked out again."""
    kind = next(lookup.kind for lookup in _lookups() if entry in lookup.find())
    row = {"kind": kind, **_brief(entry), "references": list(entry.references)}
    ours = [known for known in registry.read().get(f"{kind}s", []) if known["name"] == entry.name]
    if ours and entry.distribution == ours[0]["distribution"]:
        return row | {key: ours[0].get(key, {}) for key in ("capabilities", "options", "results")}
    return row | {"capabilities": list(entry.capabilities), "options": entry.schema, "results": {}}


def _print_options(schema: dict[str, Any]) -> None:
    rows = []
    for name, option in schema.get("properties", {}).items():
        default = option.get("default")
        shown = default["name"] if isinstance(default, dict) and "name" in default else json.dumps(default)
        if isinstance(default, dict) and default.get("value") is not None:
            shown += f"={default['value']}"
        rows.append((name, "" if "default" not in option else shown, option.get("description", "")))
    if rows:
        print_table(rows, ("option", "default", "meaning"))


@click.command()
@as_json
def datasets(as_json: bool) -> None:
    """List the datasets that are installed."""
    rows = registry.datasets.find()
    if as_json:
        print_json([_brief(entry) for entry in rows])
        return
    print_table([(entry.name, entry.summary, entry.distribution) for entry in rows], ("name", "summary", "from"))


@click.command()
@as_json
def plugins(as_json: bool) -> None:
    """List the plugins, what each brings, and what is wrong with one that cannot be used."""
    root = click.get_current_context().find_root()
    if isinstance(root.command, click.Group):
        # what is wrong with their commands is found when they are asked for
        root.command.list_commands(root)
    rows: list[dict[str, Any]] = [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "status": "disabled" if plugin.disabled else "broken" if plugin.error else "ok",
            "brings": {kind: [entry.name for entry in found] for kind, found in plugin.entries.items() if found},
            "error": plugin.error,
            "seconds": round(plugin.seconds, 3),
            "notes": plugin.notes,
        }
        for plugin in registry.plugins
    ]
    if as_json:
        print_json(rows)
        return
    lines = []
    for row in rows:
        brings = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in row["brings"].items())
        told = "; ".join(filter(None, [row["error"] or brings, *row["notes"]]))
        seconds = "" if row["status"] == "disabled" else f"{row['seconds']:.2f} s"
        lines.append((row["name"], f"{row['distribution']} {row['version']}", row["status"], seconds, told))
    print_table(lines, ("plugin", "distribution", "status", "import", "brings"), right=(3,))


@click.command("registry")
@click.option("--check", "action", flag_value="check", help="Fail when registry.json is out of step with the code.")
@click.option("--write", "action", flag_value="write", help="Write registry.json anew.")
@click.option("--measure", is_flag=True, help="With --write: train every model on digits and note its figures.")
def registry_(action: str | None, measure: bool) -> None:
    """Check or write registry.json, the catalogue of what aezoo ships."""
    if action is None or (measure and action != "write"):
        raise click.UsageError("give --check, --write, or --write --measure")
    path = registry.location()
    catalogue = registry.generate(registry.plugins, registry.read(), _measured() if measure else None)
    texts = {path: registry.render(catalogue)}
    cards = registry.written_cards(path.parent)
    for page in registry.pages(path):
        texts[page] = registry.fill(page.read_text(encoding="utf-8"), catalogue, cards)
    for file, text in texts.items():
        if action == "check":
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                raise DataError(f"{file} is out of step with the code: run aezoo registry --write.")
            click.echo(f"{file} is in step with the code")
        else:
            from aezoo.training import write_text

            write_text(file, text)
            click.echo(f"wrote {file}")


def _measured() -> dict[str, dict[str, float]]:
    from aezoo import api

    figures = {}
    for entry in registry.models.find(distribution="aezoo"):
        results = api.train(entry.name, "digits").results
        figures[entry.name] = {key: float(f"{value:.5g}") for key, value in results.items()}
    return figures
