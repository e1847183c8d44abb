"""registry.json: the catalogue for who has no Python running, generated from the plugins and never out of step.

Generated rows describe what aezoo itself ships; curated rows name community plugins, so that an unknown name can
answer with what to install.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

from aezoo.errors import DataError
from aezoo.registry.distributions import OURS
from aezoo.registry.entries import Entry, Model
from aezoo.registry.plugins import HOOKS, Plugins

FORMAT = 1
# a hundred times what it is
MOST_BYTES = 16 << 20
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


def location() -> Path:
    """The registry.json of this installation: inside the package in a wheel, beside it in a checkout.

    Examples:
        >>> aezoo.registry.location().name
        'registry.json'
    """
    package = Path(__file__).parent.parent
    inside = package / "registry.json"
    return inside if inside.exists() else package.parent / "registry.json"


def read(path: Path | None = None) -> dict[str, Any]:
    """The catalogue; an absent file is an empty one. Raises DataError when it is not a catalogue.

    Examples:
        >>> sorted(aezoo.registry.read())[:2]
        ['$defs', 'activations']
    """
    path = path or location()
    if not path.exists():
        return {"format": FORMAT, "community": []}
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES >> 20} MiB")
        content = json.loads(text.decode("utf-8"))
        _check(content)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is no catalogue of aezoo ({error}): restore it, or remove it and run aezoo registry --write."
        ) from error
    return dict(content)


def _check(content: Any) -> None:
    """Raises ValueError for a catalogue that cannot be read from here on; what nothing reads may be anything."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("not of this format")
    for place in ("community", "models"):
        rows = content.get(place, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"{place!r} is no list of rows")
    for row in content.get("community", []):
        named = [row.get(f"{kind}s", []) for kind in HOOKS]
        # it becomes part of a command that a user is told to run
        if not isinstance(row.get("name"), str) or not DISTRIBUTION.fullmatch(row["name"]):
            raise ValueError("a row of 'community' does not name a distribution")
        if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in named):
            raise ValueError(f"{row['name']!r} does not list names")
    for row in content.get("models", []):
        results = row.get("results", {})
        if not isinstance(row.get("name"), str) or not isinstance(results, dict):
            raise ValueError("a row of 'models' lacks its name or its results")
        if not all(type(value) in (int, float) and abs(value) < 1e300 for value in results.values()):
            raise ValueError(f"the results of {row['name'][:40]!r} are not all numbers")


@functools.cache
def community() -> list[dict[str, Any]]:
    """The curated rows; a broken catalogue must not hide the error that is being explained, so it counts as empty."""
    try:
        return list(read().get("community", []))
    except DataError:
        return []


def generate(plugins: Plugins, previous: dict[str, Any], results: dict[str, dict[str, float]] | None) -> dict[str, Any]:
    """The catalogue of what is installed of ours; figures are taken from ``results``, else from ``previous``.

    Examples:
        >>> catalogue = aezoo.registry.generate(aezoo.registry.plugins, aezoo.registry.read(), None)
        >>> catalogue["models"][0]["name"] in aezoo.registry.models
        True
    """
    catalogue: dict[str, Any] = {"format": FORMAT, "$defs": {}}
    for kind in HOOKS:
        rows = [_row(entry) for entry in plugins.entries(kind) if entry.distribution == OURS]
        if kind == "model":
            before = {row["name"]: row.get("results", {}) for row in previous.get("models", [])}
            for row in rows:
                row["results"] = _telling((before if results is None else results).get(row["name"], {}), row)
        for row in rows:
            _share(catalogue["$defs"], row)
        catalogue[f"{kind}s"] = rows
    catalogue["community"] = previous.get("community", [])
    return catalogue


def _share(defs: dict[str, Any], row: dict[str, Any]) -> None:
    """Moves the definitions of a row's schema to those of all rows, to which ``#/$defs/NAME`` then leads."""
    for name, one in (row["options"].pop("$defs", None) or {}).items():
        if defs.setdefault(name, one) != one:
            raise DataError(f"two schemas define {name!r} in two ways, {row['name']!r} among them: rename one.")


def _telling(results: dict[str, float], row: dict[str, Any]) -> dict[str, float]:
    """The figures that say something of the model: not how many rows there were, nor that a dense code is dense."""
    found = {key: value for key, value in results.items() if key != "examples"}
    size = row["options"].get("properties", {}).get("latent_dim", {}).get("default")
    if "l0" in found and found["l0"] == size and not found.get("dead_units"):
        del found["l0"]
        found.pop("dead_units", None)
    return found


def render(catalogue: dict[str, Any]) -> str:
    """The text of registry.json.

    Examples:
        >>> aezoo.registry.render({"format": 1})
        '{\\n "format": 1\\n}\\n'
    """
    return json.dumps(catalogue, indent=1, ensure_ascii=False) + "\n"


def _row(entry: Entry) -> dict[str, Any]:
    training = {"training": dict(entry.training)} if isinstance(entry, Model) and entry.training else {}
    return {
        "name": entry.name,
        "family": entry.family,
        "summary": entry.summary,
        "references": list(entry.references),
        "plugin": entry.plugin,
        "distribution": entry.distribution,
        "capabilities": list(entry.capabilities),
        "options": dict(entry.schema),
        **training,
    }
