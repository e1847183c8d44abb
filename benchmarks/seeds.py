"""Repeats side by side: several seeds of a small model as one batched model, against as many runs in one process."""

from __future__ import annotations

import argparse
import time
from typing import Any

from benchmarks.harness import Benchmark, Figures, Ratio, main

SIZES: dict[str, dict[str, Any]] = {
    "digits": {"hidden": (32,), "latent_dim": 8},
    "mnist": {"hidden": (512,), "latent_dim": 32, "epochs": 1},
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", choices=list(SIZES), default="digits", help="64-32-8 or 784-512-32, mirrored")
    parser.add_argument("--seeds", type=int, default=8, help="how many members")
    parser.add_argument(
        "--epochs", type=int, help="of each member (default: as many as aezoo trains digits by itself, 1 of MNIST)"
    )
    parser.add_argument("--device", default="auto")


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    options = SIZES[arguments.data] | {"device": arguments.device, "progress": False}
    if arguments.data == "mnist":
        options["data_dir"] = arguments.data_dir
    return options | ({"epochs": arguments.epochs} if arguments.epochs else {})


def _warm(arguments: argparse.Namespace) -> None:
    """Imports, and what the device does once in a process."""
    import aezoo

    aezoo.train_many(
        "undercomplete", "digits", seeds=2, epochs=1, together=True, progress=False, device=arguments.device
    )


def apart(arguments: argparse.Namespace) -> Figures:
    """One run after the other."""
    import aezoo

    _warm(arguments)
    start, options = time.perf_counter(), _options(arguments)
    runs = [aezoo.train("undercomplete", arguments.data, seed=seed, **options) for seed in range(arguments.seeds)]
    seconds = time.perf_counter() - start
    error = sum(run.results["squared_error"] for run in runs) / len(runs)
    return {"seconds": seconds, "mean squared error": error}


def together(arguments: argparse.Namespace) -> Figures:
    """All as one."""
    import aezoo

    _warm(arguments)
    start = time.perf_counter()
    runs = aezoo.train_many(
        "undercomplete", arguments.data, seeds=arguments.seeds, together=True, **_options(arguments)
    )
    return {"seconds": time.perf_counter() - start, "mean squared error": runs.mean["squared_error"]}


def _variant(arguments: argparse.Namespace) -> str:
    return "" if arguments.data == "digits" else arguments.data


# on a processor the products of the MNIST model take nearly all of a step, so that there is little to win
TARGET = Ratio("together ÷ as many runs, digits on a processor", "together", "apart", "seconds", at_most=0.4)
BENCHMARK = Benchmark(
    name="seeds",
    title="Seeds of an undercomplete model trained as one, against as many runs in one process",
    contenders={"apart": apart, "together": together},
    ratios=[TARGET],
    rounds=4,
    arguments=_arguments,
    variant=_variant,
)

if __name__ == "__main__":
    main(BENCHMARK)
