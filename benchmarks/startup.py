"""How long a user waits: for an import, for a command that looks something up, and for the first training step."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.harness import Benchmark, Figures, Ratio, main

COMMANDS = {
    "aezoo list": ["list"],
    "aezoo show vae": ["show", "vae"],
    "aezoo --help": ["--help"],
    "aezoo train --help": ["train", "--help"],
    "aezoo train --model vae --help": ["train", "--model", "vae", "--help"],
}
TO_AN_END = "import sys; from aezoo.cli import main; sys.exit(main(sys.argv[1:]))"
# progress is told of every step: the first news ends the process
TO_THE_FIRST_STEP = """
import os, sys, time
from aezoo.cli import main
from aezoo.core.progress import Progress
def advance(self, rows):
    os.write(1, str(time.monotonic()).encode())
    os._exit(0)
Progress.advance = advance
main(["train", "--model", "contractive"])
"""


def _seconds(code: str, arguments: Sequence[str] = (), **environment: str) -> float:
    """From the start of a process to its end, or to the moment that it names itself."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, **environment},
        )
        ended = time.monotonic()
    return (float(done.stdout) if code is TO_THE_FIRST_STEP else ended) - begun


def _python(code: str) -> Callable[[argparse.Namespace], Figures]:
    return lambda arguments: {"seconds": _seconds(code)}


def _command(words: Sequence[str]) -> Callable[[argparse.Namespace], Figures]:
    return lambda arguments: {"seconds": _seconds(TO_AN_END, words)}


def _completion(arguments: argparse.Namespace) -> Figures:
    asked = {"_AEZOO_COMPLETE": "bash_complete", "COMP_WORDS": "aezoo train --", "COMP_CWORD": "2"}
    return {"seconds": _seconds(TO_AN_END, **asked)}


def _allowed(seconds: float) -> Callable[[argparse.Namespace], Figures]:
    return lambda arguments: {"seconds": seconds}


def _torch_and_half_a_second(arguments: argparse.Namespace) -> Figures:
    return {"seconds": _seconds("import torch") + 0.5}


contenders: Mapping[str, Callable[[argparse.Namespace], Figures]] = {
    "0.05 s": _allowed(0.05),
    "0.25 s": _allowed(0.25),
    "python": _python("pass"),
    "import aezoo": _python("import aezoo"),
    "import pydantic and click": _python("from pydantic import BaseModel, Field; import click"),
    **{title: _command(words) for title, words in COMMANDS.items()},
    "completion": _completion,
    "import torch + 0.5 s": _torch_and_half_a_second,
    "first training step": _python(TO_THE_FIRST_STEP),
}

BENCHMARK = Benchmark(
    name="startup",
    title="Start-up, in whole processes: a command, and the first step of aezoo train --model contractive",
    contenders=contenders,
    ratios=[
        Ratio("import aezoo ÷ 0.05 s", "import aezoo", "0.05 s", "seconds", at_most=1.0),
        *(Ratio(f"{title} ÷ 0.25 s", title, "0.25 s", "seconds", at_most=1.0) for title in [*COMMANDS, "completion"]),
        *(
            Ratio(f"{title} ÷ import pydantic and click", title, "import pydantic and click", "seconds", at_most=1.25)
            for title in ("aezoo list", "aezoo --help")
        ),
        Ratio(
            "first training step ÷ (import torch + 0.5 s)",
            "first training step",
            "import torch + 0.5 s",
            "seconds",
            at_most=1.0,
        ),
    ],
)

if __name__ == "__main__":
    main(BENCHMARK)
