import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from aezoo import data as public
from aezoo import registry
from aezoo.core.spec import DataSpec
from aezoo.data import options
from aezoo.data.dataset import Dataset
from aezoo.data.open import open_data
from aezoo.errors import DataError, PluginError, UnknownNameError, UsageError
from aezoo.registry import DatasetEntry as Entry

X = np.random.default_rng(0).normal(size=(10, 3))


@pytest.fixture
def named(monkeypatch):
    """The datasets by name, whatever plugins are installed."""
    home = "aezoo.data.builtin"
    entries = [
        Entry("digits", f"{home}:digits", options.DigitsOptions),
        Entry("mnist", f"{home}:mnist", options.MnistOptions),
        Entry("swiss-roll", f"{home}:swiss_roll", options.SwissRollOptions),
        Entry("gaussian-subspace", f"{home}:gaussian_subspace", options.GaussianSubspaceOptions),
        Entry("sparse-dictionary", f"{home}:sparse_dictionary", options.SparseDictionaryOptions),
        Entry("wrong", lambda: X, options.DigitsOptions),
    ]
    monkeypatch.setattr(registry, "datasets", {entry.name: entry for entry in entries})


@pytest.mark.parametrize("name", ["digits", "swiss-roll", "gaussian-subspace", "sparse-dictionary", "mnist", "idx"])
def test_the_built_in_names_are_registered(name):
    assert name in registry.datasets


def test_digits_by_name():
    assert open_data("digits").spec.name == "digits"
    with pytest.raises(UnknownNameError, match="did you mean 'digits'"):
        open_data("digit")


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("swiss-roll,noise=0.5,rows=30", {}),
        ("swiss-roll=30,noise=0.5", {}),
        ("swiss-roll", {"noise": 0.5, "rows": 30}),
        ("swiss-roll,rows=30", {"noise": 0.5}),
    ],
)
def test_names_take_options(named, text, keywords):
    data = open_data(text, **keywords)
    assert len(data) == 30
    assert data.source == {"name": "swiss-roll", "options": {"rows": 30, "noise": 0.5, "seed": 0}}
    again = open_data(data.source["name"], **data.source["options"])
    assert np.array_equal(again.x, data.x)


@pytest.mark.parametrize(
    ("text", "keywords", "message"),
    [
        ("swiss-roll,nois=0.5", {}, "swiss-roll has no option 'nois'; did you mean 'noise'"),
        ("swiss-roll,rows=0", {}, "swiss-roll: rows: .*greater than or equal to 1"),
        ("swiss-roll,rows=many", {}, "swiss-roll: rows: "),
        ("swiss-roll,rows", {}, "is malformed: write NAME"),
        ("", {}, "is malformed"),
        ("swiss-roll,rows=3", {"rows": 4}, "option 'rows' of 'swiss-roll' is given twice"),
        ("digits=3", {}, "'digits' has no options"),
        ("gaussian-subspace,dim=3,rank=4", {}, "rank: the subspace cannot have more dimensions than the 3 columns"),
        ("sparse-dictionary,features=3", {}, "active: no more can be active than the 3 features"),
        ("digits", {"data_dir": "here"}, "'digits' reads no folder: leave --data-dir out"),
        ("mnist,folder=a", {"data_dir": "b"}, "the folder of 'mnist' is given twice"),
        ("digits", {"labels": [1]}, "'digits' brings its own labels"),
    ],
)
def test_wrong_options(named, text, keywords, message):
    with pytest.raises(UsageError, match=message):
        open_data(text, **keywords)


def test_data_dir_is_the_folder(named, tmp_path):
    with pytest.raises(DataError, match=f"MNIST is not in the folder '{tmp_path}'"):
        open_data("mnist", data_dir=tmp_path)


def test_a_dataset_that_is_none(named):
    with pytest.raises(PluginError, match="returned ndarray"):
        open_data("wrong")


def test_files(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", x=X)
    np.savetxt(tmp_path / "x,a=b.csv", X, delimiter=",", fmt="%.17g")
    (tmp_path / "x.idx").write_bytes(b"\0\0\x0e\x02\0\0\0\x0a\0\0\0\x03" + X.astype(">f8").tobytes())
    for name in ("x.npy", "x.npz", "x,a=b.csv", "x.idx"):
        for path in (tmp_path / name, str(tmp_path / name)):
            data = open_data(path)
            assert np.array_equal(data.all().rows(), X)
            assert data.source == {"name": str(path), "options": {}}
    assert open_data(tmp_path / "x.npy", labels=["a", "b"] * 5).label_names == ("a", "b")


def test_file_options(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,kind\n1,x\n2,w\n")
    for data in (open_data(f"{path},label=kind"), open_data(path, label="kind"), open_data(f"{path},label=1")):
        assert data.labels.tolist() == [1, 0]
        assert open_data(data.source["name"], **data.source["options"]).labels.tolist() == [1, 0]
    with pytest.raises(UsageError, match="has no option 'labl'; did you mean 'label'"):
        open_data(path, labl="kind")
    with pytest.raises(UsageError, match="has labels of its own"):
        open_data(path, label="kind", labels=[0, 1])


def test_idx_with_labels_and_folders(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\0\0\0\x02" * 3 + bytes(range(8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x02\x01\0")
    data = open_data(tmp_path / "train-images-idx3-ubyte", labels=tmp_path / "train-labels-idx1-ubyte")
    again = open_data(data.source["name"], **data.source["options"])
    folder = open_data(str(tmp_path))
    for one in (data, again, folder):
        assert one.labels.tolist() == [1, 0]
        assert one.all().rows().flatten().tolist() == list(range(8))
    assert len(open_data(folder.source["name"], **folder.source["options"])) == 2


@pytest.mark.parametrize("name", ["absent.csv", "some/folder", "x-ubyte.gz", "absent.npz", "a\0b/c"])
def test_missing_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"no file .*: check the path"):
        open_data(name)


def test_files_of_unknown_kind(tmp_path):
    (tmp_path / "x.docx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"is of no known kind: give \.npy"):
        open_data(tmp_path / "x.docx")
    with pytest.raises(UnknownNameError, match="no dataset"):
        open_data("x" * 5000)


def test_values_in_memory():
    for given in (X, X.tolist(), torch.from_numpy(X), TensorDataset(torch.from_numpy(X), torch.zeros(10))):
        data = open_data(given, labels=np.arange(10))
        assert np.array_equal(data.all().rows(), X)
        assert data.labels.tolist() == list(range(10))
        assert data.source == {}
    own = Dataset(X, spec=DataSpec(shape=(3,)))
    assert open_data(own) is own


@pytest.mark.parametrize(
    ("given", "keywords", "message"),
    [
        (None, {}, "data NoneType cannot be opened"),
        ({"x": X}, {}, "data dict cannot be opened"),
        (DataLoader(TensorDataset(torch.zeros(3, 2))), {}, "give the torch dataset that it reads"),
        (X, {"data_dir": "here"}, "--data-dir is for data given by name or path, not for ndarray"),
        (X, {"rows": 3}, "option 'rows' is for data given by name"),
        (Dataset(X, spec=DataSpec(shape=(3,))), {"labels": [1]}, "a Dataset brings its own labels"),
    ],
)
def test_what_cannot_be_opened(given, keywords, message):
    with pytest.raises(UsageError, match=message):
        open_data(given, **keywords)


def test_every_public_name_is_there():
    assert set(public.__all__) <= set(dir(public))
    for name in public.__all__:
        assert getattr(public, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = public.absent


def test_options_are_known_without_torch():
    check = "import sys, aezoo.data.options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
