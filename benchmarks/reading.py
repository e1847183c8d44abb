"""How fast data of other formats is learned from, beside the same rows in memory: 784-512-32 at batch 128.

Each format is opened, then trained on for two epochs; the rate is that of the training, the opening is beside it.
``python -m benchmarks.reading`` prints a line for each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import aezoo

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


def rate(data: Any, **options: Any) -> float:
    """Rows a second of training."""
    times: list[float] = []

    class Clock:
        """Notes when each epoch ends."""

        def aezoo_epoch_end(self, metrics: dict[str, float]) -> None:
            """One more."""
            times.append(time.perf_counter())

    run = aezoo.train(
        "undercomplete",
        data,
        hidden="512",
        latent_dim=32,
        batch_size=128,
        epochs=3,
        validation=0,
        test=0,
        progress=False,
        trackers=[Clock()],
        **options,
    )
    return 2 * len(run.splits.train) / (times[-1] - times[0])


def main() -> None:
    """Prints a line for each format."""
    x = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    formats: dict[str, Callable[[Path, np.ndarray[Any, Any]], Path]] = {
        "parquet": parquet,
        "hdf5": hdf5,
        "zarr": zarr,
        "images": images,
        "h5ad, sparse": annotated,
    }
    print(f"{'format':14} {'open s':>7} {'rows/s':>8} {'of memory':>10}")
    for name, write in formats.items():
        with tempfile.TemporaryDirectory() as made:
            path = write(Path(made), x)
            start = time.perf_counter()
            data = aezoo.data.open_data(path)
            opened = time.perf_counter() - start
            more: dict[str, Any] = {"likelihood": "counts"} if data.spec.is_mixed else {}
            held = data.changed(data.all().rows().numpy(), data.spec)
            fast, here = rate(held, **more), rate(data, **more)
            print(f"{name:14} {opened:7.1f} {here:8,.0f} {here / fast:10.2f}", flush=True)


if __name__ == "__main__":
    main()
