"""Writes the results of ``results/`` as a table into ``benchmarks/README.md``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- results -->", "<!-- /results -->"


def rows(result: dict[str, Any]) -> list[str]:
    """A line for each ratio."""
    name = result["benchmark"] + (f" ({result['variant']})" if result["variant"] else "")
    lines = []
    for ratio in result["ratios"]:
        mark = {True: "✓", False: "✗", None: ""}[ratio["holds"]]
        spread = f"{ratio['least']:.2f} to {ratio['most']:.2f}"
        lines.append(f"| {name} | {ratio['name']} | {ratio['median']:.2f} | {spread} | {ratio['wanted']} | {mark} |")
        name = ""
    return lines


def main() -> None:
    """Rewrites the table."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    machines = dict.fromkeys(result["machine"]["summary"] for result in results)
    head = ["| benchmark | ratio | median | least to most | wanted | |", "| --- | --- | ---: | ---: | --- | --- |"]
    table = [*head, *(line for result in results for line in rows(result))]
    text = README.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    said = "\n".join(["Measured on " + "; ".join(machines) + ".", "", *table])
    README.write_text(f"{before}{BEGIN}\n{said}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
