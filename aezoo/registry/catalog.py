"""registry.json: the catalogue for who has no Python running, generated from the plugins and never out of step.

Generated rows describe what aezoo itself ships; curated rows name community plugins, so that an unknown name can
answer with what to install.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from aezoo.errors import DataError
from aezoo.registry.entries import Entry
from aezoo.registry.plugins import HOOKS, OURS, Plugins

FORMAT = 1


def location() -> Path:
    """The registry.json of this installation: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "registry.json"
    return inside if inside.exists() else package.parent / "registry.json"


def read(path: Path | None = None) -> dict[str, Any]:
    """The catalogue; an absent file is an empty one. Raises DataError when it is not a catalogue."""
    path = path or location()
    if not path.exists():
        return {"format": FORMAT, "community": []}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or not all(isinstance(row["name"], str) for row in content["community"]):
            raise ValueError("not of this format")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is no catalogue of aezoo ({error}): run aezoo registry --write.") from error
    return dict(content)


@functools.cache
def community() -> list[dict[str, Any]]:
    """The curated rows; a broken catalogue must not hide the error that is being explained, so it counts as empty."""
    try:
        return list(read()["community"])
    except DataError:
        return []


def generate(plugins: Plugins, previous: dict[str, Any], results: dict[str, dict[str, float]] | None) -> dict[str, Any]:
    """The catalogue of what is installed of ours; figures are taken from ``results``, else from ``previous``."""
    catalogue: dict[str, Any] = {"format": FORMAT}
    for kind in HOOKS:
        rows = [_row(entry) for entry in plugins.entries(kind) if entry.distribution == OURS]
        if kind == "model":
            before = {row["name"]: row.get("results", {}) for row in previous.get("models", [])}
            for row in rows:
                row["results"] = (before if results is None else results).get(row["name"], {})
        catalogue[f"{kind}s"] = rows
    catalogue["community"] = previous.get("community", [])
    return catalogue


def render(catalogue: dict[str, Any]) -> str:
    """The text of registry.json."""
    return json.dumps(catalogue, indent=1, ensure_ascii=False) + "\n"


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "family": entry.family,
        "summary": entry.summary,
        "references": list(entry.references),
        "plugin": entry.plugin,
        "distribution": entry.distribution,
        "capabilities": list(entry.capabilities),
        "options": entry.schema,
    }
