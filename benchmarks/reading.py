"""How fast data of other formats is learned from, beside the same rows in memory: 784-512-32 at batch 128.

Each format is opened, then trained on; the rate is that of two epochs after the first, the opening is beside it. The
counts of an .h5ad file are scored by the likelihood of counts, in both ways.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import aezoo
from benchmarks.harness import Benchmark, Figures, Ratio, main

ROWS, COLUMNS = 60_000, 784


def parquet(folder: Path, x: np.ndarray[Any, Any]) -> Path:
    """Two Parquet files of a column for each value."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "parts"
    path.mkdir()
    for part, rows in enumerate(np.array_split(x, 2)):
        pq.write_table(pa.table({f"c{i}": rows[:, i] for i in range(COLUMNS)}), path / f"{part}.parquet")
    return path


def hdf5(folder: Path, x: np.ndarray[Any, Any]) -> Path:
    """An HDF5 file, in chunks."""
    import h5py

    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(1000, COLUMNS))
    return folder / "x.h5"


def zarr(folder: Path, x: np.ndarray[Any, Any]) -> Path:
    """A Zarr store, in the chunks that the library chooses."""
    import zarr as library

    library.create_group(folder / "x.zarr").create_array("x", data=x)
    return folder / "x.zarr"


def images(folder: Path, x: np.ndarray[Any, Any]) -> Path:
    """Ten thousand PNG files of 28×28."""
    from PIL import Image

    path = folder / "images"
    path.mkdir()
    for place, row in enumerate(x[:10_000]):
        pixels = np.clip(128 + 40 * row, 0, 255).astype(np.uint8).reshape(28, 28)
        Image.fromarray(pixels).save(path / f"{place:05d}.png")
    return path


def annotated(folder: Path, x: np.ndarray[Any, Any]) -> Path:
    """An .h5ad file, sparse."""
    import anndata
    import scipy.sparse

    counts = scipy.sparse.csr_matrix(np.random.default_rng(0).poisson(0.1, x.shape).astype(np.float32))
    anndata.AnnData(counts).write_h5ad(folder / "x.h5ad")
    return folder / "x.h5ad"


def _rows() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(np.float32)


def _trained(data: Any) -> Figures:
    """Rows a second of two epochs, after the first one."""
    ends: list[float] = []

    class Clock:
        """Notes when each epoch ends."""

        def aezoo_epoch_end(self, metrics: dict[str, float]) -> None:
            """One more."""
            ends.append(time.perf_counter())

    options: dict[str, Any] = {
        "hidden": "512",
        "latent_dim": 32,
        "batch_size": 128,
        "epochs": 3,
        "validation": 0,
        "test": 0,
    }
    run = aezoo.train("undercomplete", data, progress=False, trackers=[Clock()], **options)
    return {"samples/s": 2 * len(run.splits.train) / (ends[-1] - ends[0])}


def of(write: Callable[[Path, np.ndarray[Any, Any]], Path], held: bool) -> Callable[[argparse.Namespace], Figures]:
    """A contender that opens a file, and trains from it, or from the same rows in memory."""

    def contender(arguments: argparse.Namespace) -> Figures:
        with tempfile.TemporaryDirectory() as made:
            path = write(Path(made), _rows())
            start = time.perf_counter()
            data = aezoo.data.open_data(path)
            opened = time.perf_counter() - start
            if held:
                data = data.changed(data.all().rows().numpy(), data.spec)
            return {**_trained(data), "seconds to open": opened}

    return contender


FORMATS = {"parquet": parquet, "hdf5": hdf5, "zarr": zarr, "images": images, "h5ad": annotated}
BENCHMARK = Benchmark(
    "reading",
    "Training from other formats beside the same rows in memory, 784-512-32 at batch 128",
    {
        **{name: of(write, held=False) for name, write in FORMATS.items()},
        **{f"{name}, in memory": of(write, held=True) for name, write in FORMATS.items()},
    },
    ratios=[Ratio(f"{name} ÷ in memory", name, f"{name}, in memory", at_least=0.8) for name in FORMATS],
    rounds=3,
)

if __name__ == "__main__":
    main(BENCHMARK)
