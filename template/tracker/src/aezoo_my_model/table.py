"""A table of a run's epochs."""

from __future__ import annotations

import csv
from pathlib import Path

NAME = "my-model.csv"


def add(folder: Path, metrics: dict[str, float]) -> None:
    """Adds a line to the table in ``folder``, whose columns are all the figures there were so far.

    Lines of this epoch and of later ones, as of a run that was broken off and goes on, are written anew.
    """
    path = Path(folder) / NAME
    rows: list[dict[str, str]] = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if float(row["epoch"]) < metrics["epoch"]]
    rows.append({key: str(value) for key, value in metrics.items()})
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
