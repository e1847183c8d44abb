"""What each family's step costs beside the undercomplete one of the same shape."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks.harness import Benchmark, Figures, Ratio, main

EPOCHS = 6


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
            if len(stamps) > EPOCHS:
                raise KeyboardInterrupt

    x = open_data("mnist", data_dir=arguments.data_dir).x[: arguments.rows]
    options = {"validation": 0, "batch_size": arguments.batch_size, **options}
    # a long run, of which the first epochs are enough
    with contextlib.suppress(KeyboardInterrupt):
        aezoo.train(model, x, epochs=100, trackers=[Clock()], **options)
    rates = [1 / (b - a) for a, b in pairwise(stamps)]
    return {"epochs/s": sorted(rates)[len(rates) // 2]}


def _made(model: str, **options: Any) -> Callable[[argparse.Namespace], Figures]:
    return partial(_train, model, options)


def _times(name: str, to: str, of: str, at_most: float | None = None) -> Ratio:
    # how much longer a step takes is how many fewer epochs there are
    return Ratio(name, to, of, "epochs/s", at_most=at_most)


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
        "contractive + one probe": _made("contractive", projections=1, **DEEP),
        "contractive + exact": _made("contractive", projections="exact", **DEEP),
        "one layer": _made("undercomplete", **SHALLOW),
        "contractive + one layer": _made("contractive", **SHALLOW),
    },
    ratios=(
        _times("denoising: times an undercomplete step", "undercomplete", "denoising", 1.1),
        _times("L1", "undercomplete", "L1", 1.1),
        _times("top-k", "undercomplete", "top-k", 1.25),
        _times("vae", "undercomplete", "vae", 1.15),
        _times("contractive, one layer, in closed form", "one layer", "contractive + one layer", 1.15),
        _times("contractive, deep, one probe", "undercomplete", "contractive + one probe", 1.8),
        _times("contractive, deep, exact", "undercomplete", "contractive + exact"),
    ),
    rounds=5,
    arguments=_arguments,
)

if __name__ == "__main__":
    main(BENCHMARK)
