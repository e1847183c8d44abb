"""A campaign: inputs by the thousand for each reader, each in a process that is watched, and what came of them.

    python -m campaigns.fuzz                              # 7,000 inputs for each of the subjects, some at a time
    python -m campaigns.fuzz --subject npz --inputs 500   # of one subject
    python -m campaigns.fuzz --subject npz --seed 123     # one input again, with what became of it
    python -m campaigns.fuzz --write                      # leaves the figures in campaigns/results/fuzz and the README

An input that is neither read nor refused in one line, or that takes more time or memory than its subject allows, is a
finding; it is printed with its seed, by which it can be had again, and the command ends with status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import selectors
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from campaigns.subjects import MIB, SUBJECTS

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "fuzz"
# of the clock: the processor may be busy with others
PATIENCE = 60.0
KEPT = 20
# the plugins too, so that a checkout is tried as it is
PATHS = (str(HERE.parent), str(HERE.parent / "plugins"))
COMMAND = ("-m", "campaigns.worker")


class Worker:
    """A process of ``campaigns.worker``, begun anew when an input ends it."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._process = self._begun()

    def _begun(self) -> subprocess.Popen[str]:
        command = [sys.executable, *COMMAND, self.subject]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(PATHS)}
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent, env=environment
        )

    def feed(self, seed: int) -> dict[str, Any]:
        """What became of the input of ``seed``."""
        process, problem = self._process, ""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{seed}\n")
            process.stdin.flush()
            if not _ready(process.stdout):
                problem = f"no answer within {PATIENCE:.0f} seconds"
            elif line := process.stdout.readline():
                return dict(json.loads(line))
        except BrokenPipeError:
            pass
        with process:
            process.kill()
        status = process.returncode
        self._process = self._begun()
        said = problem or f"the process ended with status {status}"
        return {"seed": seed, "verdict": "found", "said": said, "seconds": 0.0, "memory": 0}

    def end(self) -> None:
        """Lets the process go."""
        assert self._process.stdin is not None
        with self._process:
            self._process.stdin.close()


def _ready(stream: Any) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return bool(selector.select(PATIENCE))


def campaign(subject: str, seeds: range) -> dict[str, Any]:
    """Feeds a subject; its figures, and its findings."""
    begun, verdicts, found, lines = time.monotonic(), Counter[str](), [], set()
    seconds, memory = 0.0, 0
    for outcome in _outcomes(subject, seeds):
        verdicts[outcome["verdict"]] += 1
        seconds, memory = max(seconds, outcome["seconds"]), max(memory, outcome["memory"])
        if outcome["verdict"] == "found":
            found.append({"seed": outcome["seed"], "said": outcome["said"]})
            print(f"{subject}, seed {outcome['seed']}: {outcome['said']}", flush=True)
        elif outcome["said"]:
            # how many different reasons there are says how far the inputs reach
            lines.add("".join(c for c in outcome["said"] if not c.isdigit())[-60:])
    return {
        "subject": subject,
        "about": SUBJECTS[subject].about,
        "seeds": [seeds.start, seeds.stop],
        "inputs": len(seeds),
        "read": verdicts["read"],
        "refused": verdicts["refused"],
        "reasons": len(lines),
        "found": len(found),
        "findings": found[:KEPT],
        "most_seconds": round(seconds, 2),
        "most_mib": round(memory / MIB),
        "wall_seconds": round(time.monotonic() - begun),
    }


def _outcomes(subject: str, seeds: range) -> Iterator[dict[str, Any]]:
    worker = Worker(subject)
    try:
        for seed in seeds:
            yield worker.feed(seed)
    finally:
        worker.end()


def _write(figures: list[dict[str, Any]]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    machine = {"date": date.today().isoformat(), "python": platform.python_version(), "system": platform.system()}
    for row in figures:
        text = json.dumps({**row, **machine}, indent=1, ensure_ascii=False) + "\n"
        (RESULTS / f"{row['subject']}.json").write_text(text, "utf-8")
    readme = HERE / "README.md"
    before, _, rest = readme.read_text("utf-8").partition("<!-- fuzz -->\n")
    after = rest.partition("<!-- /fuzz -->")[2]
    readme.write_text(f"{before}<!-- fuzz -->\n{table(RESULTS)}<!-- /fuzz -->{after}", "utf-8")


def table(folder: Path) -> str:
    """The written results as a table."""
    rows = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    lines = [
        "| subject | what it reads | inputs | read | refused | reasons | found | most seconds | most MiB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        counts = [f"{row[key]:,}" for key in ("inputs", "read", "refused", "reasons", "found")]
        cells = [f"`{row['subject']}`", row["about"], *counts, str(row["most_seconds"]), str(row["most_mib"])]
        lines.append(f"| {' | '.join(cells)} |")
    total = [f"{sum(row[key] for row in rows):,}" for key in ("inputs", "read", "refused")]
    lines.append(f"| all |  | {' | '.join(total)} |  | {sum(row['found'] for row in rows)} |  |  |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Runs what was asked for; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m campaigns.fuzz", description="Feed broken inputs to every reader.")
    parser.add_argument("--subject", action="append", choices=sorted(SUBJECTS), help="only this one; can be repeated")
    parser.add_argument("--inputs", type=int, default=7000, help="for each subject")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--seed", type=int, help="only the input of this seed")
    parser.add_argument(
        "--write", action="store_true", help="leave the figures in campaigns/results/fuzz and the README"
    )
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.inputs)
    if given.seed is not None:
        seeds = range(given.seed, given.seed + 1)
    figures = []
    for name in given.subject or SUBJECTS:
        figures.append(campaign(name, seeds))
        shown = {key: value for key, value in figures[-1].items() if key not in ("about", "findings", "seeds")}
        print(json.dumps(shown), flush=True)
    if given.write:
        _write(figures)
    return int(any(row["found"] for row in figures))


if __name__ == "__main__":
    sys.exit(main())
