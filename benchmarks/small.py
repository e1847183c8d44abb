"""A network so small that overhead is everything: 64-32-8 on digits, with all that a user gets, beside Pythae."""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.harness import Benchmark, Figures, Ratio, main
from benchmarks.step import pythae_loop

EPOCHS = 600


def _rows() -> object:
    import numpy as np
    from sklearn.datasets import load_digits

    return (load_digits().data / 16).astype(np.float32)


def _ours(model: str) -> Figures:
    import aezoo

    stamps = []

    class Clock:
        def aezoo_epoch_end(self, metrics: dict[str, float]) -> None:
            stamps.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        run = aezoo.train(
            model,
            "digits",
            out=Path(folder) / "run",
            hidden=32,
            latent_dim=8,
            epochs=EPOCHS,
            likelihood="gaussian=unit",
            trackers=[Clock()],
        )
    # the median is an epoch between two comparisons of the captured step; the checkpoint of each epoch is in it
    rates = [len(run.splits.train) / (b - a) for a, b in pairwise(stamps)]
    return {"samples/s": sorted(rates)[len(rates) // 2]}


def ours_ae(arguments: argparse.Namespace) -> Figures:
    """aezoo.train, undercomplete: validation, log and a checkpoint each epoch."""
    return _ours("undercomplete")


def ours_vae(arguments: argparse.Namespace) -> Figures:
    """aezoo.train, vae."""
    return _ours("vae")


def pythae_ae(arguments: argparse.Namespace) -> Figures:
    """Pythae's AE: validation each epoch."""
    return pythae_loop(_rows(), (64, 32, 8), variational=False, epochs=60)


def pythae_vae(arguments: argparse.Namespace) -> Figures:
    """Pythae's VAE."""
    return pythae_loop(_rows(), (64, 32, 8), variational=True, epochs=60)


BENCHMARK = Benchmark(
    "small",
    "Training throughput, digits 64-32-8-32-64, batch 128",
    {"ours AE": ours_ae, "pythae AE": pythae_ae, "ours VAE": ours_vae, "pythae VAE": pythae_vae},
    ratios=(
        Ratio("ours / pythae, AE", "ours AE", "pythae AE", at_least=3),
        Ratio("ours / pythae, VAE", "ours VAE", "pythae VAE", at_least=3),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
