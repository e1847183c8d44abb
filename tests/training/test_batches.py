import gc
import os
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import aezoo
from aezoo.core import mapped
from aezoo.core.arrays import spans, steps_of
from aezoo.core.options import TrainConfig
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, open_data
from aezoo.errors import DataError
from aezoo.training import Trainer, batches, build_model
from aezoo.training.batches import Loaded, Mapped, Resident, make_batches
from aezoo.training.prefetch import ahead

D = 6
ROWS = 1001


@pytest.fixture
def small(monkeypatch):
    """Everything is too large to hold, is mapped a few rows at a time, and read in chunks of a few batches."""
    monkeypatch.setattr(batches, "HELD_BYTES", 0)
    monkeypatch.setattr(batches, "READ_BYTES", 2500)
    monkeypatch.setattr(mapped, "KEPT", 1 << 12)
    monkeypatch.setattr(mapped, "BLOCK", 1 << 10)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(ROWS, D)).astype(np.float32))
    return tmp_path / "rows.npy"


def built(spec, **options):
    torch.manual_seed(0)
    return build_model("undercomplete", {"latent_dim": 2, "hidden": (5,), **options}, spec)


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "aezoo-ahead"]


def order(seed=3):
    return torch.Generator().manual_seed(seed)


def expected(rows, size, seed=3):
    """The batches of an epoch, made the plain way."""
    made = list(torch.randperm(rows, generator=order(seed)).split(size))
    if len(made) > 1 and len(made[-1]) == 1 < size:
        made[-2:] = [torch.cat(made[-2:])]
    return made


def sources(path, model, x):
    split = open_data(path).all()
    return {"resident": Resident(model.prepare(x)), "mapped": Mapped(split, model)}


# ---------------------------------------------------------------- which rows, in which batches


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 31, 32, 33, 49])
@pytest.mark.parametrize("size", [1, 2, 16, 64])
def test_batches_are_those_of_a_permutation_cut_in_pieces(rows, size):
    plain = expected(rows, size)
    assert [last - first for first, last in spans(rows, size)] == [len(part) for part in plain]
    assert steps_of(rows, size) == len(plain)
    assert torch.equal(torch.cat(list(batches.shuffled(rows, size, order()))), torch.cat(plain))


@pytest.mark.parametrize("kind", ["resident", "mapped"])
@pytest.mark.parametrize("size", [1, 7, 16, 100, 1000, 1001])
@pytest.mark.parametrize("together", [1, 5])
@pytest.mark.parametrize("chunk", [1, 2500, 1 << 20])
def test_an_epoch_is_its_permutation_however_it_is_read(path, small, monkeypatch, kind, size, together, chunk):
    monkeypatch.setattr(batches, "GATHERED_BATCHES", together)
    monkeypatch.setattr(batches, "READ_BYTES", chunk)
    model = built(DataSpec(shape=(D,), scaling="none"))
    x = torch.from_numpy(np.load(path))
    source = sources(path, model, x)[kind]
    got = list(source.epoch(size, order()))
    wanted = [x[index] for index in expected(ROWS, size)]
    assert len(got) == len(wanted)
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))
    in_order = list(source.epoch(size))
    assert [len(batch) for batch in in_order] == [len(part) for part in x.split(size)]
    assert torch.equal(torch.cat(in_order), x)


def test_gathering_some_batches_at_once_keeps_each_on_a_cache_line():
    rows = torch.rand(300, 5)
    # 20 bytes a row: of 16 rows a multiple of 64, of 10 not
    for size in (16, 10):
        got = list(Resident(rows).epoch(size, order()))
        assert all(batch.data_ptr() % 64 == 0 for batch in got)


def test_the_rows_of_a_split_are_read_wherever_they_are_in_the_file(path, small):
    index = np.random.default_rng(1).permutation(ROWS)[:400]
    part = open_data(path).all().part(index)
    x = torch.from_numpy(np.load(path)[index])
    got = torch.cat(list(Mapped(part, built(DataSpec(shape=(D,), scaling="none"))).epoch(32, order())))
    assert torch.equal(got, x[torch.randperm(400, generator=order())])


@pytest.mark.parametrize("rows", [33, 40])
def test_a_torch_dataset_is_read_in_the_same_batches(rows):
    x = torch.arange(rows * 2.0).reshape(rows, 2)
    data = Dataset(TensorDataset(x), spec=DataSpec(shape=(2,)), test=[])
    source = make_batches(data.all(), built(data.spec, preprocess="none"))
    assert type(source) is Loaded
    got = list(source.epoch(16, order()))
    assert all(torch.equal(a, x[index]) for a, index in zip(got, expected(rows, 16), strict=True))


# ---------------------------------------------------------------- the same results


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", ">f4", "uint8", "uint16", "bool"])
@pytest.mark.parametrize("preprocess", ["auto", "standardize"])
def test_training_on_a_file_ends_with_the_bits_of_training_in_memory(tmp_path, small, dtype, preprocess):
    x = (np.random.default_rng(0).random((301, D)) * (255 if "u" in dtype else 1)).round(2).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    ended = {}
    for source in (tmp_path / "x.npy", x):
        data = open_data(source)
        model = built(data.spec, preprocess=preprocess)
        trainer = Trainer(model, data.split(), TrainConfig(epochs=2, batch_size=16))
        history = trainer.fit()
        assert type(trainer.train) is type(trainer.validation) is (Resident if source is x else Mapped)
        ended[type(trainer.train)] = ({k: v.clone() for k, v in model.state_dict().items()}, history)
    (ours, history), (theirs, wanted) = ended[Mapped], ended[Resident]
    assert history == wanted
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_images_with_channels_last_and_odd_offsets(tmp_path, small):
    x = np.random.default_rng(0).integers(0, 255, (200, 5, 4, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    data = open_data(tmp_path / "x.npy")
    wanted = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    index = np.random.default_rng(1).permutation(200)
    assert torch.equal(data.all().part(index).rows(), wanted[index])
    columns = np.asfortranarray(np.random.default_rng(0).normal(size=(400, 7)))
    np.save(tmp_path / "f.npy", columns)
    index = np.random.default_rng(1).permutation(400)
    assert torch.equal(open_data(tmp_path / "f.npy").all().part(index).rows(), torch.from_numpy(columns[index]))


def test_only_small_splits_of_what_cannot_be_held_are_held(path, monkeypatch):
    model = built(DataSpec(shape=(D,), scaling="none"))
    splits = open_data(path).split(30)
    whole = ROWS * D * 4
    for held, kinds in {whole: (Resident, Resident), whole - 1: (Mapped, Resident), 16 * 30: (Mapped, Mapped)}.items():
        monkeypatch.setattr(batches, "HELD_BYTES", held)
        assert (type(make_batches(splits.train, model)), type(make_batches(splits.validation, model))) == kinds


# ---------------------------------------------------------------- the thread


def test_items_come_in_their_order_and_few_are_there_at_a_time():
    there, most = [], []

    def made():
        for number in range(50):
            there.append(number)
            most.append(len(there))
            yield number

    got = []
    for number in ahead(made(), live=3):
        got.append(number)
        there.remove(number)
    assert got == list(range(50))
    # what is in use counts too, so at most three had been begun and not finished with
    assert max(most) <= 3
    assert not readers()


def test_an_item_in_use_holds_a_place():
    begun = []

    def made():
        for number in range(10):
            begun.append(number)
            yield number

    items = ahead(made(), live=2)
    next(items)
    for _ in range(50):
        threading.Event().wait(0.001)
    assert len(begun) == 2
    items.close()
    assert not readers()


def test_a_failure_comes_after_the_items_before_it():
    def made():
        yield 1
        yield 2
        raise ValueError("no third")

    got = []
    with pytest.raises(ValueError, match="no third"):
        got += ahead(made())
    items = ahead(made())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="no third"):
        next(items)
    assert not readers()


def test_an_epoch_that_is_left_half_way_leaves_no_thread(path, small):
    source = Mapped(open_data(path).all(), built(DataSpec(shape=(D,), scaling="none")))
    epoch = source.epoch(16, order())
    next(epoch)
    assert readers()
    epoch.close()
    assert not readers()
    for _ in source.epoch(16, order()):
        break
    gc.collect()
    assert not readers()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_is_stopped_leaves_no_thread(path, small, stop):
    data = open_data(path)
    trainer = Trainer(built(data.spec), data.split(), TrainConfig(epochs=2, batch_size=16))

    def interrupted(x):
        assert readers()
        raise stop

    trainer._train_step = interrupted
    # the exception, and all that it refers to, is alive
    with pytest.raises(stop) as caught:
        trainer.fit()
    assert not readers()
    assert caught.tb is not None


def test_what_the_thread_meets_is_an_error_of_ours(path, small, monkeypatch):
    data = open_data(path)

    def failing(positions):
        raise OSError(5, "Input/output error")

    source = Mapped(data.all(), built(data.spec, preprocess="none"))
    monkeypatch.setattr(source.split, "take", failing)
    with pytest.raises(DataError, match=r"rows cannot be read on \(OSError: .*Input/output error\): check its file"):
        next(source.epoch(16, order()))
    assert not readers()


def test_a_file_that_becomes_shorter_is_an_error_and_not_the_end_of_the_process(path, small, monkeypatch):
    looks, look = [], mapped._refuse_shortened

    def shorten(file):
        # by the reader itself, between two reads: within one, no program could see it coming
        looks.append(file)
        if len(looks) == 2:
            os.truncate(path, 5000)
        look(file)

    monkeypatch.setattr(mapped, "_refuse_shortened", shorten)
    run = Mapped(open_data(path).all(), built(DataSpec(shape=(D,), scaling="none"))).epoch(16, order())
    with pytest.raises(DataError, match=r"rows.npy has become shorter since it was opened: leave it alone"):
        list(run)
    assert len(looks) == 2
    assert not readers()


def test_the_file_may_be_renamed_or_removed_meanwhile(path, small):
    x = np.load(path)
    source = Mapped(open_data(path).all(), built(DataSpec(shape=(D,), scaling="none")))
    path.unlink()
    got = torch.cat(list(source.epoch(16, order())))
    assert torch.equal(got, torch.from_numpy(x)[torch.randperm(ROWS, generator=order())])


def test_the_callers_random_streams_are_left_alone(path, small):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    aezoo.train("undercomplete", path, epochs=1, hidden=(4,), latent_dim=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


# ---------------------------------------------------------------- bounded memory


@pytest.fixture
def taken(monkeypatch):
    """The rows that are read of a file, as blocks of bytes, between two givings back of its mapped."""
    reads, take, advise = [[]], np.take, mapped._advise

    def spy(values, index, **options):
        reads[-1].append(np.array(index))
        return take(values, index, **options)

    def giving_back(file, advice):
        advise(file, advice)
        if advice == "MADV_DONTNEED":
            reads.append([])

    monkeypatch.setattr(np, "take", spy)
    monkeypatch.setattr(mapped, "_advise", giving_back)
    return reads


@pytest.mark.parametrize("last", [False, True], ids=["table", "channels last"])
def test_a_file_is_read_in_its_order_a_part_at_a_time(tmp_path, small, monkeypatch, taken, last):
    monkeypatch.setattr(batches, "READ_BYTES", 1 << 16)
    shape = (500, 8, 8, 3) if last else (500, 192)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random(shape, np.float32))
    data = open_data(tmp_path / "x.npy")
    assert len(taken) > 1, "opening gives back what it looked at"
    taken[:] = [[]]
    split = data.all().part(np.random.default_rng(1).permutation(500))
    list(Mapped(split, built(data.spec, preprocess="none")).epoch(16, order()))
    parts = [part for reads in taken for part in reads]
    assert sorted(np.concatenate(parts)) == list(range(500))
    assert all(len(reads) <= 1 for reads in taken), "every part is given back before the next"
    # 4 blocks of 1 KiB may be mapped, and a row of 768 bytes lies in two at most
    assert max(len(np.unique(part * 768 // 1024)) for part in parts) <= 4
    assert all((np.diff(part) > 0).all() for part in parts)
    # a chunk is 80 rows: seven chunks begin anew in the file
    assert sum(b[0] < a[-1] for a, b in pairwise(parts)) <= 6


def test_a_pass_over_a_file_gives_back_each_piece(path, small, taken, monkeypatch):
    monkeypatch.setattr("aezoo.core.arrays.CHUNK", 600)
    open_data(path)
    # ten pieces of a hundred rows and one of one; the first look may stop early, and is given back too
    assert len(taken) - 1 >= 11
