import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset, TensorDataset

from aezoo.core.spec import DataSpec
from aezoo.data.dataset import Dataset
from aezoo.errors import DataError, UsageError

TABLE = DataSpec(name="table", shape=(3,))


def numbers(rows=100):
    return np.arange(rows * 3, dtype=np.float64).reshape(rows, 3)


class Items(TorchDataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class Endless(IterableDataset):
    def __iter__(self):
        yield torch.zeros(3)


@settings(deadline=None)
@given(st.integers(2, 400), st.one_of(st.none(), st.floats(0, 0.9)), st.integers(0, 2**40))
def test_splits_are_disjoint_complete_and_reproducible(rows, validation, seed):
    data = Dataset(numbers(rows), spec=TABLE)
    splits = data.split(validation, seed)
    assert np.array_equal(np.sort(np.concatenate([split.index for split in splits])), np.arange(rows))
    again = Dataset(np.zeros((rows, 3)), spec=TABLE).split(validation, seed)
    assert all(np.array_equal(a.index, b.index) for a, b in zip(splits, again, strict=True))
    assert len(splits.test) == rows // 5


def test_seeds_share_the_test_split_and_nothing_else():
    a, b = (Dataset(numbers(), spec=TABLE).split(seed=seed) for seed in (0, 1))
    assert np.array_equal(a.test.index, b.test.index)
    assert not np.array_equal(a.validation.index, b.validation.index)
    # the stream is frozen: a change here would put old test rows into new training splits
    assert a.test.index[:5].tolist() == [2, 7, 8, 13, 16]


@pytest.mark.parametrize(("asked", "count"), [(None, 8), (0.25, 20), (7, 7), (0, 0), (0.0, 0), (1e-9, 1), (79, 79)])
def test_validation_sizes(asked, count):
    splits = Dataset(numbers(), spec=TABLE).split(asked)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (80 - count, count, 20)


def test_default_validation_is_at_most_a_thousand():
    assert len(Dataset(np.zeros((20_000, 3), np.uint8), spec=TABLE).split().validation) == 1000


@pytest.mark.parametrize("asked", [-1, 1.0, 1.5, -0.1, float("nan"), True, "0.1"])
def test_validation_that_is_neither_fraction_nor_count(asked):
    with pytest.raises(UsageError, match="is neither a fraction below 1 nor a number of rows"):
        Dataset(numbers(), spec=TABLE).split(asked)


def test_nothing_left_to_train_on():
    with pytest.raises(UsageError, match=r"table has 80 rows beside its test split, of which 80 .* needs 81 at least"):
        Dataset(numbers(), spec=TABLE).split(80)
    with pytest.raises(UsageError, match="it needs 1 at least"):
        Dataset(numbers(2), spec=TABLE, test=[0, 1]).split()


def test_a_test_split_of_its_own():
    data = Dataset(numbers(10), spec=TABLE, test=torch.tensor([9, 2]))
    splits = data.split(0)
    assert splits.test.index.tolist() == [2, 9]
    assert splits.train.index.tolist() == [0, 1, 3, 4, 5, 6, 7, 8]
    assert len(Dataset(numbers(10), spec=TABLE, test=[]).split(0).train) == 10


@pytest.mark.parametrize("test", [[0, 0], [10], [-1], [0.5], [[1]], [True]])
def test_wrong_test_splits(test):
    with pytest.raises(DataError, match="the test split of table"):
        Dataset(numbers(10), spec=TABLE, test=test)


@pytest.mark.parametrize("kind", ["array", "tensor", "memmap", "torch", "list"])
def test_rows_and_batches_are_the_raw_values(kind, tmp_path):
    x = numbers(50)
    np.save(tmp_path / "x.npy", x)
    given_as = {
        "array": x,
        "tensor": torch.from_numpy(x).requires_grad_(),
        "memmap": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "torch": TensorDataset(torch.from_numpy(x), torch.zeros(50)),
        "list": x.tolist(),
    }
    data = Dataset(given_as[kind], np.arange(50), spec=TABLE)
    split = data.split(5).train
    expected = torch.from_numpy(x[split.index])
    assert torch.equal(split.rows(), expected)
    batches = list(split.batches(16))
    assert [len(batch) for batch in batches] == [16, 16, 3]
    assert torch.equal(torch.cat(batches), expected)
    assert torch.equal(torch.stack([split.subset()[i] for i in range(len(split))]), expected)
    assert split.labels.tolist() == split.index.tolist()
    assert split.streams is (kind == "torch")
    assert torch.equal(data.all().rows(), torch.from_numpy(x))
    assert data.split(0).validation.rows().shape == (0, 3)
    assert not split.rows().requires_grad


def test_rows_are_a_copy():
    x = numbers(10)
    data = Dataset(x, spec=TABLE)
    data.all().rows().zero_()
    next(data.all().batches(10)).zero_()
    assert np.array_equal(x, numbers(10))


def test_reading_draws_no_random_numbers():
    data = Dataset(Items(list(torch.zeros(10, 3))), spec=TABLE)
    before = torch.random.get_rng_state()
    list(data.all().batches(3))
    data.split(seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_images_without_channel_axis_and_flat():
    spec = DataSpec(shape=(1, 4, 6))
    x = np.arange(48).reshape(2, 4, 6)
    for view in (x, x.reshape(2, 24), x[:, None]):
        assert np.array_equal(Dataset(view, spec=spec).all().rows(), x[:, None])


@pytest.mark.parametrize(
    ("labels", "numbered", "names"),
    [
        (["dog", "cat", "dog"], [1, 0, 1], ("cat", "dog")),
        (np.array(["b", "a", "b"], dtype=object), [1, 0, 1], ("a", "b")),
        ([7, 3, 7], [7, 3, 7], None),
        ([1.0, 0.0, 2.0], [1, 0, 2], None),
        ([True, False, True], [1, 0, 1], None),
        (torch.tensor([[2], [1], [0]]), [2, 1, 0], None),
    ],
)
def test_labels(labels, numbered, names):
    data = Dataset(numbers(3), labels, spec=TABLE)
    assert data.labels.tolist() == numbered
    assert data.labels.dtype == np.int64
    assert data.label_names == names


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2], r"shape \(2,\): give one for each of the 3 rows"),
        ([0.5, 1, 2], "not all whole numbers"),
        ([np.nan, 1, 2], "not all whole numbers"),
        (["a", None, "b"], "not all whole numbers or all texts"),
        ([1j, 0, 0], "not all whole numbers"),
        ([[1, 2], [3], [4]], "ragged"),
        ([0, 1, 5], "run from 0 to 5: for 5 classes they are 0 to 4"),
        ([-1, 0, 1], "run from -1 to 1"),
    ],
)
def test_wrong_labels(labels, message):
    with pytest.raises(DataError, match=message):
        Dataset(numbers(3), labels, spec=DataSpec(shape=(3,), classes=5))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([[0, 1, 2], [3, np.nan, 5]]), "table: row 1, column 1 .* is NaN"),
        (np.zeros((4, 2)), r"its spec is of data of shape \(3,\), and got rows of shape \(2,\)"),
        (np.zeros((0, 3)), "table has no rows"),
        (np.array([["a", "b", "c"]]), "dtype <U1"),
        (Endless(), "Endless without a length cannot be split"),
        (Items([]), "table has no rows"),
    ],
)
def test_wrong_values(x, message):
    with pytest.raises(DataError, match=message):
        Dataset(x, spec=TABLE)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (torch.tensor([1.0, float("inf"), 0.0]), "table: row 2, column 1 .* is infinity"),
        (torch.zeros(4), r"table, item 2: its spec is of data of shape \(3,\), and got rows of shape \(4,\)"),
        ("text", "table, item 2 has dtype <U4"),
        ({"x": 1}, "table, item 2 has dtype object"),
        ((), "table, item 2 has dtype object"),
    ],
)
def test_items_are_checked_as_they_are_read(item, message):
    data = Dataset(Items([torch.zeros(3), np.zeros(3, np.float32), item]), spec=TABLE)
    batches = data.all().batches(2)
    assert next(batches).shape == (2, 3)
    with pytest.raises(DataError, match=message):
        next(batches)
