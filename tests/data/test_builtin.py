import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from aezoo.data import builtin
from aezoo.errors import DataError

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
MD5 = {
    "train": "6bbc9ace898e44ae57da46a324031adb",
    "train_labels": "a25bea736e30d166cdddb491f175f624",
    "test": "2646ac647ad5339dbf082846283269ea",
    "test_labels": "27ae3e4e09519cfbb04c329615203637",
}


def idx_file(path, array):
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype("u1").tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_digits_are_those_of_scikit_learn():
    data, peer = builtin.digits(), load_digits()
    assert np.array_equal(data.all().rows()[:, 0], peer.images)
    assert np.array_equal(data.labels, peer.target)
    assert data.x.dtype == np.uint8
    assert (data.spec.shape, data.spec.high, data.spec.levels, data.spec.classes) == ((1, 8, 8), 16, 17, 10)


def test_digits_are_the_same_where_scikit_learn_keeps_its_file_elsewhere(monkeypatch):
    usual = builtin.digits()
    monkeypatch.setattr(builtin, "find_spec", lambda name: None)
    asked = builtin.digits()
    assert np.array_equal(asked.x, usual.x)
    assert np.array_equal(asked.labels, usual.labels)
    assert asked.x.dtype == usual.x.dtype


@pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST is not at hand beside the repository")
def test_mnist_is_the_canonical_one():
    data = builtin.mnist(MNIST)
    assert data.spec.shape == (1, 28, 28)
    splits = data.split()
    assert [len(split) for split in splits] == [59_000, 1_000, 10_000]
    assert splits.test.index.tolist() == list(range(60_000, 70_000))
    train, test = np.arange(60_000), splits.test.index
    for name, array, header in (
        ("train", data.x[train], (2051, 60_000, 28, 28)),
        ("test", data.x[test], (2051, 10_000, 28, 28)),
        ("train_labels", data.labels[train].astype("u1"), (2049, 60_000)),
        ("test_labels", data.labels[test].astype("u1"), (2049, 10_000)),
    ):
        content = struct.pack(f">{len(header)}I", *header) + array.tobytes()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == MD5[name]


def test_mnist_that_is_not_there_says_what_is_wanted(tmp_path):
    idx_file(tmp_path / "train-images-idx3-ubyte", np.zeros((2, 28, 28)))
    with pytest.raises(DataError, match=rf"'{tmp_path}': put train-images-idx3-ubyte, .*--data-dir"):
        builtin.mnist(tmp_path)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_folder_of_idx_files(tmp_path, end):
    x = np.random.default_rng(0).integers(0, 255, (9, 5, 4))
    idx_file(tmp_path / f"train-images-idx3-ubyte{end}", x[:6])
    alone = builtin.idx_folder(tmp_path)
    assert len(alone) == 6
    assert alone.labels is None
    idx_file(tmp_path / f"t10k-images.idx3-ubyte{end}", x[6:])
    idx_file(tmp_path / f"train-labels-idx1-ubyte{end}", np.arange(6) % 3)
    idx_file(tmp_path / f"t10k-labels-idx1-ubyte{end}", np.arange(3))
    data = builtin.idx_folder(tmp_path)
    assert np.array_equal(data.all().rows()[:, 0], x)
    assert data.labels.tolist() == [0, 1, 2] * 3
    assert data.split().test.index.tolist() == [6, 7, 8]
    assert (data.spec.name, data.spec.shape, data.spec.classes) == (tmp_path.name, (1, 5, 4), 3)


def test_folders_that_do_not_fit(tmp_path):
    with pytest.raises(DataError, match="no train-images-idx3-ubyte"):
        builtin.idx_folder(tmp_path)
    idx_file(tmp_path / "train-images-idx3-ubyte", np.zeros((2, 28, 28)))
    idx_file(tmp_path / "t10k-images-idx3-ubyte", np.zeros((2, 8, 8)))
    with pytest.raises(DataError, match=r"rows of shapes \(28, 28\) and \(8, 8\)"):
        builtin.idx_folder(tmp_path)
    idx_file(tmp_path / "train-labels-idx1-ubyte", np.zeros(2))
    idx_file(tmp_path / "t10k-labels-idx1-ubyte", np.zeros(2))
    idx_file(tmp_path / "t10k-images-idx3-ubyte", np.zeros((2, 28, 28)))
    assert len(builtin.mnist(tmp_path)) == 4
    for split in ("train", "t10k"):
        idx_file(tmp_path / f"{split}-images-idx3-ubyte", np.zeros((2, 8, 8)))
    with pytest.raises(DataError, match=r"\(1, 28, 28\), and got rows of shape \(8, 8\)"):
        builtin.mnist(tmp_path)


def test_a_gaussian_subspace_has_the_rank_and_noise_that_it_states():
    data = builtin.gaussian_subspace(rows=5000, dim=12, rank=3, noise=0.05)
    pca = PCA().fit(data.x)
    assert data.truth["subspace"].shape == (12, 3)
    assert pca.explained_variance_[2] > 20 * pca.explained_variance_[3]
    np.testing.assert_allclose(pca.explained_variance_[3:], 0.05**2, rtol=0.1)
    outside = data.truth["subspace"].T - data.truth["subspace"].T @ pca.components_[:3].T @ pca.components_[:3]
    assert np.abs(outside).max() < 0.01


def test_a_swiss_roll_lies_on_its_spiral():
    data = builtin.swiss_roll(rows=500, noise=0.0)
    radius = np.hypot(data.x[:, 0], data.x[:, 2])
    np.testing.assert_allclose(radius, data.truth["angle"])
    np.testing.assert_allclose(data.x[:, 1], data.truth["height"])
    assert np.array_equal(data.labels, np.floor((radius / np.pi - 1.5) / 3 * 10))
    assert builtin.swiss_roll(rows=500, noise=0.3).x.std() > 0
    residual = np.hypot(*builtin.swiss_roll(noise=0.3).x[:, [0, 2]].T) - builtin.swiss_roll().truth["angle"]
    assert residual.std() == pytest.approx(0.3, rel=0.1)


def test_a_sparse_dictionary_is_made_of_its_features():
    data = builtin.sparse_dictionary(rows=4000, dim=64, features=32, active=4.0, decay=0.95, noise=0.0)
    atoms, frequency = data.truth["features"], data.truth["frequency"]
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 1)
    np.testing.assert_allclose(frequency, 4 / 32 * 0.95 ** np.arange(32))
    strengths = np.linalg.lstsq(atoms.T, data.x.T.astype(float), rcond=None)[0].T
    on = strengths > 1e-4
    np.testing.assert_allclose(on.mean(0), frequency, atol=0.02)
    assert np.abs(strengths[~on]).max() < 1e-4
    assert strengths[on].max() < 1 + 1e-5
    assert strengths[on].mean() == pytest.approx(0.5, abs=0.01)
    noisy = builtin.sparse_dictionary(rows=4000, dim=64, features=32, active=1e-9, noise=0.1)
    assert noisy.x.std() == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("make", [builtin.gaussian_subspace, builtin.swiss_roll, builtin.sparse_dictionary])
def test_seeds_decide(make):
    a, b, c = make(rows=20, seed=1), make(rows=20, seed=1), make(rows=20, seed=2)
    assert np.array_equal(a.x, b.x)
    assert not np.array_equal(a.x, c.x)
    assert len(a) == 20
