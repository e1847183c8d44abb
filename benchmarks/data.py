"""Data larger than memory: a mapped file against the same rows held, its peak memory, and what a sample costs.

    python -m benchmarks.data --gib 12 --write

The file is written once into ``--folder`` and removed at the end. Rates are taken over rows drawn from all of it, with
the file in the system's cache where that holds it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import Benchmark, Figures, Ratio, main, peak_memory

SIDE = 28
# drawn from the whole file, and trained on
ROWS = 100_000
NETWORKS = {"784-512-32": ([512], 32), "784-64-8": ([64], 8)}
SIZES = (10**4, 10**5, 10**6, 10**7)
COLUMNS = 16


def file_of(arguments: argparse.Namespace) -> Path:
    """Where the large file is."""
    return Path(arguments.folder) / f"aezoo-benchmark-{arguments.gib:g}.npy"


def write(path: Path, gib: float) -> None:
    """Images of uniform noise in [0, 1], float32."""
    rows = int(gib * 2**30) // (SIDE * SIDE * 4)
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, SIDE, SIDE))
    block = np.random.default_rng(0).random((16_384, SIDE, SIDE), dtype=np.float32)
    for start in range(0, rows, len(block)):
        x[start : start + len(block)] = block[: rows - start]
    x.flush()


def rate(arguments: argparse.Namespace, held: bool, network: str, batch_size: int) -> Figures:
    """Samples/s of the second epoch over rows of the whole file, held in memory or read as they are needed."""
    import torch

    from aezoo.core.options import TrainConfig
    from aezoo.data import Dataset, DataSpec, Splits, dataset
    from aezoo.training import Trainer, batches, build_model

    x = np.load(file_of(arguments), mmap_mode="r")
    index = np.sort(np.random.default_rng(0).choice(len(x), min(ROWS, len(x)), replace=False))
    spec = DataSpec(shape=(1, SIDE, SIDE), low=0.0, high=1.0, scaling="scale")
    # the noise is finite, and a look at all of it would take longer than what is measured
    dataset.check_finite = lambda *_: None  # type: ignore[attr-defined]
    data = Dataset(x, spec=spec, test=[])
    part = data.all().part(index)
    batches.HELD_BYTES = sys.maxsize if held else 0  # type: ignore[attr-defined]
    torch.manual_seed(0)
    hidden, latent = NETWORKS[network]
    model = build_model("undercomplete", {"hidden": hidden, "latent_dim": latent}, spec)
    ends: list[float] = []
    splits = Splits(part, part.part(index[:0]), part.part(index[:0]))
    config = TrainConfig(epochs=2, batch_size=batch_size)
    trainer = Trainer(model, splits, config, on_epoch=lambda metrics, keep: ends.append(time.perf_counter()))
    loss = trainer.fit()[-1]["loss"]
    return {"samples/s": len(part) / (ends[1] - ends[0]), "final loss": loss}


def whole(arguments: argparse.Namespace) -> Figures:
    """An epoch over the whole file through ``aezoo.train``, with checkpoints, evaluation and pictures."""
    import aezoo

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        aezoo.train(
            "undercomplete",
            file_of(arguments),
            hidden=[64],
            latent_dim=8,
            epochs=1,
            batch_size=512,
            out=Path(folder) / "run",
            progress=False,
        )
    return {"peak MiB": peak_memory(), "seconds": time.perf_counter() - start}


def limit(arguments: argparse.Namespace) -> Figures:
    """What an epoch's peak is held against."""
    return {"peak MiB": 1536.0}


def cost(arguments: argparse.Namespace, held: bool, rows: int) -> Figures:
    """Microseconds that a sample takes in training of a tiny model, all overhead, from so many rows."""
    from aezoo.core.options import TrainConfig
    from aezoo.data import open_data
    from aezoo.training import Trainer, batches, build_model

    batches.HELD_BYTES = sys.maxsize if held else 0  # type: ignore[attr-defined]
    epochs = 1 + max(1, 10**6 // rows)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "x.npy"
        x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, COLUMNS))
        for start in range(0, rows, 10**6):
            x[start : start + 10**6] = np.random.default_rng(start).random((min(rows, 10**6), COLUMNS), np.float32)
        del x
        data = open_data(path)
        model = build_model("undercomplete", {"hidden": [8], "latent_dim": 2}, data.spec)
        ends: list[float] = []
        config = TrainConfig(epochs=epochs, batch_size=512)
        splits = data.split(0)
        Trainer(model, splits, config, on_epoch=lambda metrics, keep: ends.append(time.perf_counter())).fit()
    return {"us a sample": 1e6 * (ends[-1] - ends[0]) / (len(splits.train) * (epochs - 1))}


def batches_alone(arguments: argparse.Namespace, make: Callable[[object], Iterator[object]]) -> Figures:
    """Microseconds a sample of an epoch of batches of 128 MNIST-sized rows that nothing is done with."""
    import torch

    x = torch.rand(20_000, SIDE * SIDE)
    sum(1 for _ in make(x))
    start = time.perf_counter()
    sum(1 for _ in make(x))
    return {"us a sample": 1e6 * (time.perf_counter() - start) / len(x)}


def ours(x: object) -> Iterator[object]:
    """Batches as a run has them."""
    import torch

    from aezoo.training.batches import Resident

    assert isinstance(x, torch.Tensor)
    return Resident(x).epoch(128, torch.Generator().manual_seed(0))


def peers(x: object) -> Iterator[object]:
    """Batches of torch's own loader, as the peers have them."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    assert isinstance(x, torch.Tensor)
    return iter(DataLoader(TensorDataset(x), batch_size=128, shuffle=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark alone."""
    parser.add_argument("--gib", type=float, default=2.0, help="size of the file")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the file is written")


PAIRS = [("784-512-32", 128), ("784-512-32", 512), ("784-64-8", 128)]
WHERE = {"held": True, "mapped": False}
BENCHMARK = Benchmark(
    name="data",
    title="Data larger than memory",
    contenders={
        **{
            f"{where} {network} at {size}": partial(rate, held=held, network=network, batch_size=size)
            for network, size in PAIRS
            for where, held in WHERE.items()
        },
        "whole file": whole,
        "1.5 GiB": limit,
        **{
            f"{where} {rows:.0e} rows": partial(cost, held=held, rows=rows)
            for rows in SIZES
            for where, held in WHERE.items()
        },
        "batches of ours": partial(batches_alone, make=ours),
        "batches of torch's DataLoader": partial(batches_alone, make=peers),
    },
    ratios=[
        *(
            Ratio(
                f"{network} at {size}: mapped ÷ in memory",
                f"mapped {network} at {size}",
                f"held {network} at {size}",
                at_least=0.8,
            )
            for network, size in PAIRS
        ),
        Ratio("peak memory ÷ 1.5 GiB", "whole file", "1.5 GiB", figure="peak MiB", at_most=1.0),
        *(
            Ratio(
                f"{where}: cost a sample, {rows:.0e} ÷ 1e+04 rows",
                f"{where} {rows:.0e} rows",
                f"{where} 1e+04 rows",
                figure="us a sample",
                at_most=1.25,
            )
            for where in WHERE
            for rows in SIZES[1:]
        ),
        Ratio(
            "batches: ours ÷ torch's DataLoader, time",
            "batches of ours",
            "batches of torch's DataLoader",
            figure="us a sample",
            at_most=1.0,
        ),
    ],
    rounds=3,
    arguments=add_arguments,
)


def run() -> None:
    """Measures, around the life of the file."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--once")
    add_arguments(parser)
    arguments, _ = parser.parse_known_args()
    path = file_of(arguments)
    if arguments.once or {"-h", "--help"} & set(sys.argv) or path.exists():
        main(BENCHMARK)
        return
    try:
        write(path, arguments.gib)
        main(BENCHMARK)
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    run()
