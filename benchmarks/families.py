"""What each family's step costs beside the undercomplete one of the same shape."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks.harness import Benchmark, Figures, Ratio, main

EPOCHS = 4


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rows", type=int, default=20_000)


def _train(model: str, options: dict[str, Any], arguments: argparse.Namespace) -> Figures:
    import aezoo
    from aezoo.data import open_data

    stamps: list[float] = []

    class Clock:
        def aezoo_epoch_end(self) -> None:
            stamps.append(time.perf_counter())

    dataset = open_data("mnist", data_dir=arguments.data_dir)
    x = dataset.x[: arguments.rows]
    run = aezoo.train(
        model, x, epochs=EPOCHS + 1, batch_size=arguments.batch_size, trackers=[Clock()], validation=0, **options
    )
    rates = [len(run.splits.train) / (b - a) for a, b in pairwise(stamps)]
    return {"samples/s": sorted(rates)[len(rates) // 2]}


def _made(model: str, **options: Any) -> Callable[[argparse.Namespace], Figures]:
    return partial(_train, model, options)


DEEP: dict[str, Any] = {"hidden": 512, "latent_dim": 32}
SHALLOW: dict[str, Any] = {"hidden": (), "latent_dim": 512, "code_activation": "sigmoid"}

BENCHMARK = Benchmark(
    "families",
    "A step of each family beside the undercomplete one, MNIST 784-512-32 (one layer: 784-512)",
    {
        "undercomplete": _made("undercomplete", **DEEP),
        "denoising": _made("denoising", **DEEP),
        "L1": _made("sparse-l1", **DEEP),
        "top-k": _made("topk", k=8, **DEEP),
        "vae": _made("vae", **DEEP),
        "contractive, one probe": _made("contractive", projections=1, **DEEP),
        "contractive, exact": _made("contractive", projections="exact", **DEEP),
        "one layer": _made("undercomplete", **SHALLOW),
        "contractive, one layer": _made("contractive", **SHALLOW),
    },
    ratios=(
        Ratio("denoising: times an undercomplete step", "undercomplete", "denoising", at_most=1.1),
        Ratio("L1", "undercomplete", "L1", at_most=1.1),
        Ratio("top-k", "undercomplete", "top-k", at_most=1.25),
        Ratio("vae", "undercomplete", "vae", at_most=1.15),
        Ratio("contractive, one layer, in closed form", "one layer", "contractive, one layer", at_most=1.15),
        Ratio("contractive, deep, one probe", "undercomplete", "contractive, one probe", at_most=1.8),
        Ratio("contractive, deep, exact", "undercomplete", "contractive, exact"),
    ),
    rounds=5,
    arguments=_arguments,
)

if __name__ == "__main__":
    main(BENCHMARK)
