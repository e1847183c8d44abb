"""A GPU: samples a second on MNIST beside Pythae, the share of the card's matrix rate for wide layers, and no waiting.

``wide`` is autoencoders of one hidden width, 4096 to 16384, whose six matrix products a layer and step are set against
the rate that the card reaches in a product of that size by itself. ``waiting`` counts the steps of an epoch in which
Python waited for the card.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

from benchmarks.harness import Benchmark, Figures, Ratio, main
from benchmarks.step import ours as ours_on_mnist
from benchmarks.step import pythae_ae

WIDTHS = (4096, 8192, 16384)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--wide-batch", type=int, default=4096)
    parser.add_argument("--device", default="cuda")


def _trainer(width: int, arguments: argparse.Namespace, **config: Any) -> Any:
    import torch

    from aezoo.core.options import TrainConfig
    from aezoo.data import open_data
    from aezoo.training import Trainer, build_model

    rows = torch.randn(8 * arguments.wide_batch, width)
    dataset = open_data(rows)
    model = build_model("undercomplete", {"hidden": [width], "latent_dim": width}, dataset.spec)
    options = {"batch_size": arguments.wide_batch, "precision": "bf16", "device": arguments.device, "epochs": 200}
    return Trainer(model, dataset.split(validation=0), TrainConfig(**{**options, **config}))


def _steps_a_second(trainer: Any, arguments: argparse.Namespace, epochs: int = 4) -> float:
    import torch

    for _ in range(3):
        trainer._train_epoch()
    before, start = trainer.step, time.perf_counter()
    for _ in range(epochs):
        trainer._train_epoch()
    if arguments.device == "cuda":
        torch.cuda.synchronize()
    return float((trainer.step - before) / (time.perf_counter() - start))


def wide(width: int, arguments: argparse.Namespace) -> Figures:
    """The matrix products of training steps, in TFLOP/s."""
    rate = _steps_a_second(_trainer(width, arguments), arguments)
    # 2 layers up and 2 down; forward, by weights, and by inputs, which the first layer does not need
    products = 3 * 4 - 1
    return {"TFLOP/s": rate * products * 2 * arguments.wide_batch * width**2 / 1e12}


def matrix_rate(width: int, arguments: argparse.Namespace) -> Figures:
    """One product of that size, again and again."""
    import torch

    a = torch.randn(arguments.wide_batch, width, device=arguments.device, dtype=torch.bfloat16)
    b = torch.randn(width, width, device=arguments.device, dtype=torch.bfloat16)

    def run(times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            torch.mm(a, b)
        if arguments.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    run(3)
    return {"TFLOP/s": 20 * 2 * arguments.wide_batch * width**2 / run(20) / 1e12}


def waiting(arguments: argparse.Namespace) -> Figures:
    """How often an epoch of 100 steps waits for the card; reading its figures is once."""
    import warnings

    import torch

    small = argparse.Namespace(**{**vars(arguments), "wide_batch": 128})
    trainer = _trainer(256, small, precision="fp32")
    trainer._train_epoch()
    trainer.train.rows = torch.randn(100 * 128, 256, device=arguments.device)
    for _ in range(3):
        trainer._train_epoch()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        trainer._train_epoch()
        torch.cuda.set_sync_debug_mode("default")
    return {"waits an epoch": float(len(seen)), "steps an epoch": 100.0}


def ours(arguments: argparse.Namespace) -> Figures:
    """aezoo.train on MNIST."""
    return ours_on_mnist(arguments)


def pythae(arguments: argparse.Namespace) -> Figures:
    """Pythae's AE on MNIST."""
    return pythae_ae(arguments)


BENCHMARK = Benchmark(
    "gpu",
    "On a GPU: MNIST 784-512-32-512-784, and wide layers in bfloat16",
    {
        "ours": ours,
        "pythae AE": pythae,
        "waiting": waiting,
        **{f"wide {width}": partial(wide, width) for width in WIDTHS},
        **{f"product {width}": partial(matrix_rate, width) for width in WIDTHS},
    },
    ratios=(
        Ratio("ours / pythae", "ours", "pythae AE", at_least=10),
        *(Ratio(f"{w}: step / product", f"wide {w}", f"product {w}", "TFLOP/s", at_least=0.6) for w in WIDTHS),
    ),
    rounds=3,
    arguments=_arguments,
)

if __name__ == "__main__":
    main(BENCHMARK)
