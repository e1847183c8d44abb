"""A trained model at work: rows a second against the matrix products alone, one row in milliseconds, memory.

The limit is the forward pass's ``torch.mm`` calls over passes of rows that lie in memory as float32. It writes into
the same few megabytes again and again, while ``reconstruct`` has to hand out a result as large as the data.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from benchmarks.harness import Benchmark, Figures, Ratio, main, peak_memory

ROWS, SIZES = 60_000, (784, 512, 32, 512, 784)
REPEATS, CALLS = 7, 200


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the big input")
    parser.add_argument("--kind", choices=KINDS, default="float32", help="of the rows")


def _model(kind: str = "float32", name: str = "undercomplete") -> Any:
    import aezoo

    specs: dict[str, dict[str, Any]] = {
        "float32": {"shape": SIZES[:1], "scaling": "none"},
        "standardized": {"shape": SIZES[:1], "scaling": "standardize"},
        "uint8": {"shape": (1, 28, 28), "low": 0.0, "high": 255.0, "levels": 256, "scaling": "scale"},
    }
    entry = aezoo.registry.models[name]
    config = entry.options.parse({"hidden": (SIZES[1],), "latent_dim": SIZES[2]})
    return entry.resolve()(config, aezoo.DataSpec.parse(specs[kind]))


KINDS = ("float32", "standardized", "uint8")


def _rows(arguments: argparse.Namespace) -> Any:
    import torch

    torch.manual_seed(0)
    if arguments.kind == "uint8":
        return torch.randint(0, 256, (arguments.rows, 1, 28, 28), dtype=torch.uint8)
    return torch.rand(arguments.rows, SIZES[0])


def _best(function: Callable[[], Any], rows: int) -> Figures:
    """The first call takes memory and wakes threads; the median of the others is what a user has."""
    function()
    taken = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        function()
        taken.append(time.perf_counter() - begun)
    return {"samples/s": rows / statistics.median(taken)}


def _limit(layers: int) -> Callable[[argparse.Namespace], Figures]:
    def run(arguments: argparse.Namespace) -> Figures:
        import torch

        weights = [torch.randn(a, b) for a, b in pairwise(SIZES)][:layers]
        x = torch.rand(arguments.rows, SIZES[0])

        def products() -> None:
            for h in x.split(1024):
                for weight in weights:
                    h = torch.mm(h, weight)

        return _best(products, arguments.rows)

    return run


def _call(method: str) -> Callable[[argparse.Namespace], Figures]:
    def run(arguments: argparse.Namespace) -> Figures:
        model, x = _model(arguments.kind), _rows(arguments)
        if model.preprocess is not None:
            model.preprocess.fit([x])
        call = getattr(model, method)
        call(x[:2000])
        before = peak_memory()
        result = call(x)
        beyond = peak_memory() - before - result.nbytes / 2**20
        del result
        return {**_best(lambda: call(x), arguments.rows), "MiB beyond in and out": beyond}

    return run


def _one_row(method: str, name: str) -> Callable[[argparse.Namespace], Figures]:
    def run(arguments: argparse.Namespace) -> Figures:
        import numpy as np

        model = _model(name=name)
        call, row = getattr(model, method), np.random.default_rng(0).random((1, SIZES[0]), dtype=np.float32)
        taken = []
        for _ in range(CALLS):
            begun = time.perf_counter()
            call(row)
            taken.append(time.perf_counter() - begun)
        return {"ms": 1e3 * statistics.median(taken)}

    return run


def _likelihood(memory: int) -> Callable[[argparse.Namespace], Figures]:
    def run(arguments: argparse.Namespace) -> Figures:
        import torch

        model = _model(name="vae")
        x = torch.rand(20, SIZES[0])
        model.log_likelihood(x[:2], draws=100, memory=memory)
        before = peak_memory()
        begun = time.perf_counter()
        model.log_likelihood(x, draws=5000, memory=memory)
        seconds = time.perf_counter() - begun
        return {"codes/s": len(x) * 5000 / seconds, "MiB more": peak_memory() - before, "MiB given": memory / 2**20}

    return run


METHODS = {"encode": "limit, encoder", "reconstruct": "limit, whole", "score": "limit, whole"}
ONE_ROW = {
    f"{method}, one row, {name}": _one_row(method, name) for method in METHODS for name in ("undercomplete", "vae")
}
contenders: Mapping[str, Callable[[argparse.Namespace], Figures]] = {
    "limit, encoder": _limit(2),
    "limit, whole": _limit(4),
    **{method: _call(method) for method in METHODS},
    "1 ms": lambda arguments: {"ms": 1.0},
    **ONE_ROW,
    "5,000 draws, 16 MiB": _likelihood(16 << 20),
    "5,000 draws, 256 MiB": _likelihood(256 << 20),
}

BENCHMARK = Benchmark(
    name="use",
    title="encode, reconstruct and score against the matrix products alone, 784-512-32-512-784",
    contenders=contenders,
    ratios=[
        *(Ratio(f"{method} ÷ its matrix products", method, limit, at_least=0.85) for method, limit in METHODS.items()),
        *(Ratio(f"{name} ÷ 1 ms", name, "1 ms", "ms", at_most=1.0) for name in ONE_ROW),
    ],
    arguments=_arguments,
    variant=lambda arguments: "" if arguments.kind == "float32" else arguments.kind,
)

if __name__ == "__main__":
    main(BENCHMARK)
