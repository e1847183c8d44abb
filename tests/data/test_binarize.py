import struct

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import aezoo
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, binarized, open_data, reopen
from aezoo.errors import DataError, UsageError
from aezoo.parts import Bernoulli, Decoder, PointEncoder

GREY = DataSpec(name="grey", shape=(1, 2, 3), low=0.0, high=255.0, levels=256, classes=2, scaling="scale")
TABLE = DataSpec(name="table", shape=(4,), low=-1.0, high=3.0, scaling="scale")


def grey(rows=3000, seed=0):
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 256, (rows, 1, 2, 3), dtype=np.uint8)
    return Dataset(images, np.arange(rows) % 2, spec=GREY, test=np.arange(rows // 5))


@pytest.mark.parametrize("how", ["static", "dynamic"])
def test_ones_come_as_often_as_the_grey_value_says(how):
    levels = np.array([0, 51, 128, 255], dtype=np.uint8)
    rows = np.tile(levels[:, None, None, None], (5000, 1, 2, 3))
    data = binarized(Dataset(rows, spec=GREY), how)
    means = data.x.reshape(5000, 4, 6).mean((0, 2))
    error = np.sqrt(levels / 255 * (1 - levels / 255) / 30_000)
    assert (np.abs(means - levels / 255) <= 4 * error).all()
    assert set(np.unique(data.x)) == {0, 1}


def test_low_is_never_a_one_and_high_always():
    rows = np.tile(np.array([-1.0, 3.0, -1.0, 3.0], dtype=np.float32), (500, 1))
    data = binarized(Dataset(rows, spec=TABLE))
    assert np.array_equal(data.x, np.tile([0, 1, 0, 1], (500, 1)))
    assert torch.equal(data.split(0).train.redraw(torch.arange(400))[:, 1], torch.ones(400))


def test_the_rest_of_the_dataset_stays():
    plain = grey()
    data = binarized(plain, "static")
    assert data.labels.tolist() == plain.labels.tolist()
    assert data.test.tolist() == plain.test.tolist()
    assert (data.spec.low, data.spec.high, data.spec.levels, data.spec.classes) == (0, 1, 2, 2)
    assert data.rates is None
    named = Dataset(plain.x[:4], ["b", "a", "b", "c"], spec=GREY.model_copy(update={"classes": None}))
    assert binarized(named).label_names == ("a", "b", "c")
    assert binarized(plain, "none") is plain


def test_rows_that_are_measured_are_drawn_once():
    first, again, other = (binarized(grey(), "dynamic", seed) for seed in (0, 0, 1))
    assert np.array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)
    split = first.split().test
    assert torch.equal(split.rows(), split.rows())


def test_rows_that_are_trained_on_are_drawn_afresh_by_their_rates():
    plain = grey(50)
    train = binarized(plain).split(0).train
    positions = torch.tensor([7, 7, 3])
    torch.manual_seed(0)
    drawn = torch.stack([train.redraw(positions) for _ in range(4000)])
    rates = torch.from_numpy(plain.x[train.index[positions.numpy()]] / 255.0)
    error = (rates * (1 - rates) / 4000).sqrt()
    assert bool(((drawn.double().mean(0) - rates).abs() <= 4.5 * error).all())
    assert not torch.equal(drawn[:, 0], drawn[:, 1])


def test_training_sees_other_draws_each_epoch_and_the_same_with_the_same_seed():
    data = binarized(grey(2500), "dynamic")  # 2,000 rows outside the test split: two batches an epoch
    first, again = (seen_epochs(data, epochs=2, seed=3) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, seen_epochs(data, epochs=2, seed=4))
    # each epoch sees every row once in an order of its own, so only the count of ones is comparable
    assert set(first.unique().tolist()) == {0.0, 1.0}
    counts = first.sum((1, 2, 3, 4))
    assert counts[0] != counts[1]
    static = binarized(grey(2500), "static")
    fixed = seen_epochs(static, epochs=2, seed=3).sum((1, 2, 3, 4))
    assert fixed[0] == fixed[1] == float(static.split(0).train.rows().sum())


def seen_epochs(data, epochs, seed):
    """What a training saw, an epoch a row."""
    batches = []

    class Watched(torch.nn.Linear):
        def forward(self, x):
            if self.training:
                batches.append(x.unflatten(1, (1, 2, 3)).clone())
            return super().forward(x)

    torch.manual_seed(0)
    encoder = PointEncoder(torch.nn.Sequential(torch.nn.Flatten(), Watched(6, 2)))
    model = aezoo.Autoencoder(encoder, Decoder(torch.nn.Linear(2, 6), Bernoulli(data.spec)), spec=data.spec)
    batches.clear()  # of the checks that building makes
    aezoo.train(model, data, epochs=epochs, seed=seed, batch_size=1000, validation=0, progress=False, device="cpu")
    return torch.cat(batches).view(epochs, -1, 1, 2, 3)


def test_what_cannot_be_binarized():
    with pytest.raises(UsageError, match="no way 'twice'"):
        binarized(grey(), "twice")
    with pytest.raises(DataError, match="states no range"):
        binarized(Dataset(np.full((5, 2), 1.5), spec=DataSpec(name="t", shape=(2,))))
    with pytest.raises(DataError, match="outside -1 to 3"):
        binarized(Dataset(np.full((5, 4), 4.0), spec=TABLE))
    with pytest.raises(DataError, match="torch dataset"):
        binarized(Dataset(TensorDataset(torch.zeros(5, 4)), spec=TABLE))


@pytest.mark.parametrize("rates", [np.zeros((5, 3)), np.full((5, 4), 1.5), np.full((5, 4), np.nan)])
def test_rates_are_probabilities_of_the_rows(rates):
    with pytest.raises(DataError, match=r"must be probabilities of the shape \(5, 4\)"):
        Dataset(np.zeros((5, 4)), spec=TABLE, rates=rates)


def test_the_option_is_recorded_and_reopened(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 3), dtype=np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(struct.pack(">HBB3I", 0, 8, 3, *images.shape) + images.tobytes())
    data = open_data("idx,binarize=dynamic", data_dir=tmp_path)
    assert data.spec.levels == 2
    assert np.allclose(data.rates[:, 0], images / 255)
    assert data.source["options"]["binarize"] == "dynamic"
    assert np.array_equal(aezoo.data.reopen(data.source).x, data.x)
    assert open_data("idx", data_dir=tmp_path).spec.levels == 256
    with pytest.raises(UsageError, match="binarize"):
        open_data("idx,binarize=twice", data_dir=tmp_path)


def test_any_data_takes_the_option(tmp_path):
    rates = np.random.default_rng(0).random((400, 3)).astype("float32")
    np.save(tmp_path / "rates.npy", rates)
    ones = open_data(f"{tmp_path}/rates.npy,binarize=static")
    assert ones.spec.levels == 2
    assert np.unique(ones.x).tolist() == [0, 1]
    # of independent draws the mean is that of the probabilities, to five standard errors
    assert abs(np.asarray(ones.x).mean() - rates.mean()) < 5 * 0.5 / np.sqrt(rates.size)
    again = reopen(ones.source)
    assert np.array_equal(again.x, ones.x)
    assert open_data("digits,binarize=dynamic").rates is not None
    assert reopen(open_data("digits,binarize=dynamic").source).rates is not None
    with pytest.raises(UsageError, match="no way 'twice'"):
        open_data("digits,binarize=twice")
    with pytest.raises(DataError, match="states no range"):
        open_data("swiss-roll,binarize=static")
