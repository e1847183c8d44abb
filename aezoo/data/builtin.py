"""The datasets that aezoo knows by name: real ones, and synthetic ones whose truth is known.

Shapes: N rows, D columns, k dimensions of a subspace, F features of a dictionary.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from aezoo.core.mapped import physical_memory
from aezoo.core.spec import DataSpec
from aezoo.data.binarize import Binarize, binarized
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import NDArray
from aezoo.data.formats.idx import read_idx
from aezoo.data.infer import from_arrays
from aezoo.errors import DataError


def digits() -> Dataset:
    """1,797 handwritten digits of 8 x 8 pixels with the values 0..16, as scikit-learn bundles them."""
    table = _digits_table()
    spec = DataSpec(name="digits", shape=(1, 8, 8), low=0.0, high=16.0, levels=17, classes=10, scaling="scale")
    return Dataset(table[:, :-1].copy(), table[:, -1], spec=spec)


def _digits_table() -> NDArray:
    """scikit-learn's own file (1797, 65), pixels and label; read without scikit-learn, which takes longer to import
    than a small model to train, wherever the file is in its place."""
    found = find_spec("sklearn")
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, dtype=np.uint8, delimiter=",")
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.column_stack([images, labels]).astype(np.uint8)


def mnist(folder: str | Path = "data/mnist", binarize: Binarize = "none") -> Dataset:
    """70,000 handwritten digits of 28 x 28 bytes from the four original IDX files, with their own test split.

    ``binarize`` makes zeros and ones of them, see ``binarized``.
    Raises DataError when a file is missing or broken.
    """
    files = [_find(Path(folder), split, kind) for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    if None in files:
        raise DataError(
            f"MNIST is not in the folder {str(folder)!r}: put train-images-idx3-ubyte, train-labels-idx1-ubyte, "
            "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte there, gzipped or not, or name another with --data-dir."
        )
    train, train_labels, test, test_labels = (read_idx(path) for path in files if path is not None)
    spec = DataSpec(name="mnist", shape=(1, 28, 28), low=0.0, high=255.0, levels=256, classes=10, scaling="scale")
    grey = Dataset(
        _joined(train, test),
        _joined(train_labels, test_labels),
        spec=spec,
        test=np.arange(len(train), len(train) + len(test)),
    )
    return binarized(grey, binarize)


def idx_folder(folder: str | Path, binarize: Binarize = "none") -> Dataset:
    """Any folder of IDX files named as MNIST's: train images, and t10k images and labels where there are some.

    Without t10k images a fifth of the training images is the test split. ``binarize`` as for ``mnist``.
    Raises DataError when the training images are missing, or a file is broken.
    """
    path = Path(folder)
    images, labels = _find(path, "train", "images-idx3"), _find(path, "train", "labels-idx1")
    if images is None:
        raise DataError(f"no train-images-idx3-ubyte (gzipped or not) in the folder {str(folder)!r}: name another.")
    x, y, test = read_idx(images), None if labels is None else read_idx(labels), None
    test_images, test_labels = _find(path, "t10k", "images-idx3"), _find(path, "t10k", "labels-idx1")
    if test_images is not None:
        own = read_idx(test_images)
        test = np.arange(len(x), len(x) + len(own))
        x = _joined(x, own)
        y = None if y is None or test_labels is None else _joined(y, read_idx(test_labels))
    return binarized(from_arrays(x, y, path.resolve().name, test), binarize)


def gaussian_subspace(rows: int = 2000, dim: int = 20, rank: int = 4, noise: float = 0.1, seed: int = 0) -> Dataset:
    """``x = W z + noise`` with z (k,) and the noise Gaussian; ``truth["subspace"]`` is W (D, k).

    The entries of W are N(0, 1/k), so a column has a variance of about 1 without the noise, and the exact density of
    the data is N(0, W Wᵀ + noise²).
    """
    _refuse_huge("gaussian-subspace", 3 * rows * dim + (rows + dim) * rank)
    draw = np.random.default_rng(seed)
    subspace = draw.standard_normal((dim, rank)) / np.sqrt(rank)
    x = draw.standard_normal((rows, rank)) @ subspace.T
    x += noise * draw.standard_normal(x.shape)
    return Dataset(x, spec=_synthetic("gaussian-subspace", dim), truth={"subspace": subspace})


def swiss_roll(rows: int = 2000, noise: float = 0.05, seed: int = 0) -> Dataset:
    """A rolled-up sheet in three dimensions; labels are the tenths of the way along the roll.

    ``truth["angle"]`` (N,) is the angle in radians, 1.5 π to 4.5 π, ``truth["height"]`` (N,) the place across.
    """
    _refuse_huge("swiss-roll", 12 * rows)
    draw = np.random.default_rng(seed)
    along, height = draw.uniform(size=rows), draw.uniform(0, 21, rows)
    angle = 1.5 * np.pi * (1 + 2 * along)
    x = np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], axis=1)
    x += noise * draw.standard_normal(x.shape)
    spec = DataSpec(name="swiss-roll", shape=(3,), classes=10, scaling="standardize")
    return Dataset(x, (along * 10).astype(np.int64), spec=spec, truth={"angle": angle, "height": height})


def moons(rows: int = 2000, noise: float = 0.05, seed: int = 0) -> Dataset:
    """Two interlocked half circles of radius 1 in the plane, a curve that bends and breaks; labels are the halves.

    The first is the upper half around (0, 0), the second the lower half around (1, ½); ``truth["angle"]`` (N,) is the
    angle in radians, 0 to π, at which a row lies on its half.
    """
    _refuse_huge("moons", 12 * rows)
    draw = np.random.default_rng(seed)
    angle, second = draw.uniform(0, np.pi, rows), draw.integers(0, 2, rows)
    side = 1 - 2 * second
    x = np.stack([second + side * np.cos(angle), second / 2 + side * np.sin(angle)], axis=1)
    x += noise * draw.standard_normal(x.shape)
    spec = DataSpec(name="moons", shape=(2,), classes=2, scaling="standardize")
    return Dataset(x, second, spec=spec, truth={"angle": angle})


def circles(rows: int = 5000, size: int = 16, noise: float = 0.0, seed: int = 0) -> Dataset:
    """Images of one disc each, grey from 0 to 1, its edge a pixel wide.

    ``truth["across"]``, ``truth["down"]`` and ``truth["radius"]`` (N,) are its place and radius in pixels, uniform
    where the whole disc is in the image: three numbers are all that there is to a row, but for the noise.
    """
    _refuse_huge("circles", 3 * rows * size**2)
    draw = np.random.default_rng(seed)
    radius = draw.uniform(size / 8, size / 4, rows)
    across, down = (radius + draw.uniform(size=rows) * (size - 1 - 2 * radius) for _ in range(2))
    x = np.empty((rows, 1, size, size), dtype=np.float32)
    pixels = np.arange(size)
    for part in np.array_split(np.arange(rows), 1 + rows * size**2 // 2_000_000):
        aside = np.square(pixels - across[part, None])[:, None, :] + np.square(pixels - down[part, None])[:, :, None]
        x[part, 0] = np.clip(radius[part, None, None] - np.sqrt(aside) + 0.5, 0, 1)
    if noise:
        x = np.clip(x + noise * draw.standard_normal(x.shape), 0, 1).astype(np.float32)
    spec = DataSpec(name="circles", shape=(1, size, size), low=0.0, high=1.0, scaling="scale")
    return Dataset(x, spec=spec, truth={"across": across, "down": down, "radius": radius})


def sparse_dictionary(
    rows: int = 20_000,
    dim: int = 256,
    features: int = 512,
    active: float = 5.0,
    decay: float = 0.99,
    noise: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Sparse sums of random unit features, plus Gaussian noise; ``truth["features"]`` is (F, D).

    Feature i is active with probability ``active / F * decay**i``, with a strength uniform in (0, 1);
    ``truth["frequency"]`` (F,) holds these probabilities. Values are float32.
    """
    _refuse_huge("sparse-dictionary", rows * dim + 2 * features * dim)
    draw = np.random.default_rng(seed)
    atoms = draw.standard_normal((features, dim))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    frequency = active / features * decay ** np.arange(features)
    x = np.empty((rows, dim), dtype=np.float32)
    # the strengths of all rows at once would take more memory than the data
    for part in np.array_split(x, 1 + rows * features // 2_000_000):
        strengths = draw.uniform(size=(len(part), features))
        strengths *= draw.uniform(size=strengths.shape) < frequency
        part[:] = strengths @ atoms + noise * draw.standard_normal(part.shape)
    truth = {"features": atoms, "frequency": frequency}
    return Dataset(x, spec=_synthetic("sparse-dictionary", dim), truth=truth)


def _refuse_huge(name: str, values: int) -> None:
    """Raises DataError when so many values of float64 are beyond this machine's memory, before any is drawn."""
    memory = physical_memory()
    if 8 * values > memory:
        raise DataError(
            f"the dataset {name!r} takes {8 * values / 2**30:.1f} GiB with these options, and this machine has "
            f"{memory / 2**30:.1f} GiB: ask for less."
        )


def _synthetic(name: str, dim: int) -> DataSpec:
    return DataSpec(name=name, shape=(dim,), scaling="none")


def _find(folder: Path, split: str, kind: str) -> Path | None:
    names = [f"{split}-{kind}-ubyte", f"{split}-{kind.replace('-', '.')}-ubyte"]
    return next((path for name in names for end in ("", ".gz") if (path := folder / f"{name}{end}").is_file()), None)


def _joined(a: NDArray, b: NDArray) -> NDArray:
    if a.shape[1:] != b.shape[1:]:
        raise DataError(
            f"the training and test files hold rows of shapes {a.shape[1:]} and {b.shape[1:]}: fetch them again."
        )
    return np.concatenate([a, b])
