"""How everything here is measured: contenders take turns in fresh processes, and their ratios are taken turn by turn.

Identical processes differ by a third on a shared machine, and the machine's speed moves within minutes. So each round
runs every contender once, in a new process, and a ratio is that of two neighbours of one round; what is reported is
the median over the rounds, with the smallest and the largest beside it.

A benchmark is a module with ``BENCHMARK = Benchmark(...)`` that ends with ``harness.main(BENCHMARK)``.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Figures = dict[str, float]
"""What one run of a contender measures, by name, such as ``{"samples/s": 31000.0, "final loss": 4.1}``."""


@dataclass(frozen=True)
class Ratio:
    """One contender against another in one figure: ``of`` ÷ ``to``, and what it is to reach."""

    name: str
    of: str
    to: str
    figure: str = "samples/s"
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool | None:
        """Whether ``value`` is what was to be reached; None where nothing was."""
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    @property
    def wanted(self) -> str:
        """What is to be reached, in words."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"


@dataclass(frozen=True)
class Benchmark:
    """What is measured.

    Args:
        name: of the module ``benchmarks.NAME`` and of the result ``results/NAME.json``.
        title: one line.
        contenders: functions that measure once, in a process of their own; each gets the parsed arguments.
        ratios: between contenders; what is to be reached may depend on the arguments.
        rounds: how often each runs.
        arguments: adds arguments of the benchmark's own.
        variant: of the arguments, when one benchmark has several results: ``results/NAME-VARIANT.json``.
    """

    name: str
    title: str
    contenders: Mapping[str, Callable[[argparse.Namespace], Figures]]
    ratios: Sequence[Ratio] | Callable[[argparse.Namespace], Sequence[Ratio]] = ()
    rounds: int = 6
    arguments: Callable[[argparse.ArgumentParser], None] = field(default=lambda parser: None)
    variant: Callable[[argparse.Namespace], str] = field(default=lambda arguments: "")

    def ratios_of(self, arguments: argparse.Namespace) -> Sequence[Ratio]:
        """The ratios to take under these arguments."""
        return self.ratios(arguments) if callable(self.ratios) else self.ratios


def main(benchmark: Benchmark, argv: Sequence[str] | None = None) -> None:
    """Measures, prints a table and, with ``--write``, leaves the result with the machine that it came from."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark.name}", description=benchmark.title)
    parser.add_argument("--rounds", type=int, default=benchmark.rounds, help="how often each contender runs")
    parser.add_argument("--only", help="contenders, by commas (default: all)")
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--once", metavar="CONTENDER", help="measure one contender in this process, and print JSON")
    parser.add_argument("--data-dir", default="data/mnist", help="folder of MNIST's files, where they are needed")
    benchmark.arguments(parser)
    arguments = parser.parse_args(argv)
    if arguments.once:
        print(json.dumps(benchmark.contenders[arguments.once](arguments)))
        return
    names = arguments.only.split(",") if arguments.only else list(benchmark.contenders)
    for name in names:
        if name not in benchmark.contenders:
            parser.error(f"no contender {name!r}: there are {', '.join(benchmark.contenders)}")
    variant = benchmark.variant(arguments)
    path = RESULTS / f"{benchmark.name}{'-' + variant if variant else ''}.json"
    partial = path.with_suffix(".partial.json")

    def summed(measured: dict[str, list[Figures]]) -> dict[str, Any]:
        return summary(benchmark, measured, benchmark.ratios_of(arguments), variant)

    def keep(measured: dict[str, list[Figures]]) -> None:
        _write(partial, {**summed(measured), "rounds": {name: len(runs) for name, runs in measured.items()}})

    measured: dict[str, list[Figures]] = {}
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        alternate(benchmark.name, names, arguments.rounds, argv, found=measured, keep=keep)
    except KeyboardInterrupt:
        print(table(summed(measured)))
        where = f"; what was measured is in {partial}" if partial.exists() else ""
        print(f"stopped before the last round{where}.", file=sys.stderr)
        raise SystemExit(130) from None
    result = summed(measured)
    print(json.dumps(result, indent=1) if arguments.json else table(result))
    if arguments.write:
        _write(path, result)
    partial.unlink(missing_ok=True)


def _interrupted(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _write(path: Path, result: Mapping[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def alternate(
    name: str,
    contenders: Sequence[str],
    rounds: int,
    argv: Sequence[str],
    *,
    found: dict[str, list[Figures]] | None = None,
    keep: Callable[[dict[str, list[Figures]]], None] = lambda measured: None,
) -> dict[str, list[Figures]]:
    """Figures of each contender, a round each; one that fails is left out, and said.

    Args:
        name: of the benchmark.
        contenders: who takes turns.
        rounds: how often.
        argv: arguments of each.
        found: where the figures go, for who wants those of a measurement that is stopped.
        keep: called after each contender with what there is.
    """
    found = {} if found is None else found
    found.update({contender: [] for contender in contenders})
    for turn_of in range(rounds):
        # the order is turned round each time, so that nobody always runs on a warm or a throttled machine
        turn = list(found) if turn_of % 2 == 0 else list(reversed(found))
        for contender in turn:
            # minutes may pass: whoever waits, or reads a log, sees what for
            print(f"{name}: round {turn_of + 1} of {rounds}: {contender} …", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", f"benchmarks.{name}", *argv, "--once", contender]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
                print(f"{contender} is left out: {reason}", file=sys.stderr)
                del found[contender]
                continue
            found[contender].append(json.loads(done.stdout.strip().splitlines()[-1]))
            shown = ", ".join(f"{key} {number(value)}" for key, value in found[contender][-1].items())
            print(f"{name}: round {turn_of + 1} of {rounds}: {contender}: {shown}", file=sys.stderr, flush=True)
            keep(found)
    return found


def summary(
    benchmark: Benchmark, measured: dict[str, list[Figures]], ratios: Sequence[Ratio], variant: str = ""
) -> dict[str, Any]:
    """Medians, spreads and ratios of what was measured."""
    figures = {
        contender: {key: _spread([run[key] for run in runs]) for key in runs[0]}
        for contender, runs in measured.items()
        if runs
    }
    lines = []
    for ratio in ratios:
        if not (measured.get(ratio.of) and measured.get(ratio.to)):
            continue
        pairs = zip(measured[ratio.of], measured[ratio.to], strict=False)
        spread = _spread([of[ratio.figure] / to[ratio.figure] for of, to in pairs])
        lines.append({"name": ratio.name, **spread, "wanted": ratio.wanted, "holds": ratio.holds(spread["median"])})
    return {
        "benchmark": benchmark.name,
        "title": benchmark.title,
        "variant": variant,
        "date": date.today().isoformat(),
        "machine": machine(),
        "figures": figures,
        "ratios": lines,
    }


def _spread(values: Sequence[float]) -> Figures:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def table(result: Mapping[str, Any]) -> str:
    """The result as lines of text."""
    variant = f" ({result['variant']})" if result["variant"] else ""
    lines = [f"{result['title']}{variant}", f"on {result['machine']['summary']}", ""]
    for contender, figures in result["figures"].items():
        for key, spread in figures.items():
            span = f"{number(spread['least'])} to {number(spread['most'])}"
            lines.append(f"  {contender:<28} {key:<18} {number(spread['median']):>12}   {span}")
    lines.append("")
    for ratio in result["ratios"]:
        mark = {True: "✓", False: "✗", None: ""}[ratio["holds"]]
        span = f"{ratio['least']:.2f} to {ratio['most']:.2f}"
        lines.append(f"  {ratio['name']:<56} {ratio['median']:6.2f}   {span:<16} {ratio['wanted']:<8} {mark}".rstrip())
    return "\n".join(lines)


def number(value: float) -> str:
    """Four figures, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def machine() -> dict[str, Any]:
    """What the figures came from."""
    import torch

    name = platform.processor() or platform.machine()
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    found: dict[str, Any] = {
        "processor": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "system": f"{platform.system()} {platform.machine()} {' '.join(platform.libc_ver())}".strip(),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    found["summary"] = f"{found['processor']}, {found['cores']} cores, torch {found['torch']}" + (
        f", {found['gpu']}" if "gpu" in found else ""
    )
    return found


def keep_pages() -> None:
    """Tells glibc to keep freed memory, for the hand-written loops that are given this advantage too."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallopt(-1, 1 << 30)
    libc.mallopt(-3, 1 << 30)


def peak_memory() -> float:
    """The most memory that this process has held, in MiB."""
    # what getrusage says begins with what the parent held when it started this process
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
