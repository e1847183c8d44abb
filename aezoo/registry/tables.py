"""The generated parts of the README: the table of models and the reference of hooks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aezoo.errors import DataError
from aezoo.registry import hookspecs

FIGURES = {"squared_error": "squared error", "pca_squared_error": "PCA, same size", "neg_elbo": "−ELBO, nats"}


def models_table(catalogue: dict[str, Any]) -> str:
    """One row a model: what it does, and its figures on the bundled digits."""
    head = ["model", "family", "what it does", *FIGURES.values(), "probe"]
    rows = [head, ["---"] * 3 + ["---:"] * (len(FIGURES) + 1)]
    for row in sorted(catalogue["models"], key=lambda found: (found["family"], found["name"])):
        results = row["results"]
        figures = [f"{results[key]:.2f}" if key in results else "" for key in FIGURES]
        probe = f"{100 * results['probe_accuracy']:.1f} %" if "probe_accuracy" in results else ""
        rows.append([f"`{row['name']}`", row["family"], row["summary"], *figures, probe])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def hooks_table(catalogue: dict[str, Any]) -> str:
    """One row a hook, by its docstring."""
    rows = ["| hook | when, and what it returns or is told |", "|---|---|"]
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("aezoo_"):
            arguments = ", ".join(inspect.signature(hook).parameters)
            rows.append(f"| `{name}({arguments})` | {' '.join(inspect.getdoc(hook).split()).replace('``', '`')} |")  # type: ignore[union-attr]
    return "\n".join(rows)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"models": models_table, "hooks": hooks_table}


def fill(text: str, catalogue: dict[str, Any]) -> str:
    """``text`` with what stands between ``<!-- NAME -->`` and ``<!-- /NAME -->`` made anew."""
    for name, table in TABLES.items():
        parts = re.split(rf"<!-- {name} -->\n.*?<!-- /{name} -->", text, flags=re.DOTALL)
        if len(parts) != 2:
            raise DataError(
                f"the README has no place for the table of {name}: write <!-- {name} --> and <!-- /{name} -->."
            )
        text = f"{parts[0]}<!-- {name} -->\n{table(catalogue)}\n<!-- /{name} -->{parts[1]}"
    return text


def readme(catalogue_path: Path) -> Path | None:
    """The README beside a checkout's registry.json; None in an installed package."""
    path = catalogue_path.parent / "README.md"
    return path if path.exists() and (catalogue_path.parent / "pyproject.toml").exists() else None
