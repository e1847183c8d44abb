"""Data sets of the library datasets, written by it."""

import numpy as np
import pytest
from PIL import Image

import aezoo
from aezoo.data import open_data
from aezoo.errors import DataError, UsageError

datasets = pytest.importorskip("datasets", reason="the library datasets is not installed")
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 6, 5), dtype=np.uint8)


def images(arrays=GREY, **more):
    features = datasets.Features({"image": datasets.Image(), "kind": datasets.ClassLabel(names=["cat", "dog"])})
    pictures = [Image.fromarray(array) for array in arrays]
    return datasets.Dataset.from_dict(
        {"image": pictures, "kind": [i % 2 for i in range(len(arrays))]}, features=features
    )


def table():
    columns = {"age": [None if i == 3 else float(i) for i in range(20)], "city": ["Oslo", "Rome"] * 10}
    return datasets.Dataset.from_dict(columns)


def test_images_keep_their_pixels_and_classes():
    data = open_data(images())
    assert np.array_equal(data.x[:, 0], GREY)
    assert [data.label_names[i] for i in data.labels] == ["cat", "dog"] * 6
    # rows that were chosen and put in another order
    part = open_data(images().select([5, 2, 9]))
    assert np.array_equal(part.x[:, 0], GREY[[5, 2, 9]])
    assert [part.label_names[i] for i in part.labels] == ["dog", "cat", "dog"]


def test_palettes_and_sixteen_bits_are_pixels_not_indices():
    colours = Image.fromarray(RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)).convert(
        "P", palette=Image.Palette.ADAPTIVE
    )
    word = RNG.integers(0, 65536, (6, 5), dtype=np.uint16)
    for picture, wanted in (
        (colours, np.asarray(colours.convert("RGB")).transpose(2, 0, 1)),
        (Image.fromarray(word), word[None]),
    ):
        ds = datasets.Dataset.from_dict(
            {"image": [picture] * 2}, features=datasets.Features({"image": datasets.Image()})
        )
        data = open_data(ds)
        assert np.array_equal(data.x[0], wanted)
    assert data.spec.high == 65535
    run = aezoo.train("undercomplete", data, epochs=1, progress=False, test=0, validation=0)
    assert np.isfinite(run.model.score(np.asarray(data.x))).all()


def test_tables_with_holes_and_streams():
    for form in (table(), table().to_iterable_dataset()):
        data = open_data(form)
        assert [(c.name, c.kind, c.holes) for c in data.spec.columns] == [
            ("age", "number", True),
            ("city", "binary", False),
        ]
        assert np.array_equal(np.flatnonzero(np.isnan(data.x[:, 0])), [3])
    assert len(open_data(table().to_iterable_dataset(), rows=7)) == 7
    assert len(open_data(table(), rows=7)) == 7


def test_splits_and_saved_folders(tmp_path):
    both = datasets.DatasetDict({"train": images(GREY[:8]), "test": images(GREY[8:])})
    data = open_data(both)
    assert data.test.tolist() == [8, 9, 10, 11]
    assert len(open_data(both, split="test")) == 4
    with pytest.raises(UsageError, match="has no split 'valid': its splits are train, test"):
        open_data(both, split="valid")
    both.save_to_disk(tmp_path / "both")
    table().save_to_disk(tmp_path / "table")
    again = open_data(tmp_path / "both")
    assert np.array_equal(again.x, data.x)
    assert again.test.tolist() == data.test.tolist()
    assert np.array_equal(aezoo.data.reopen(again.source).x, data.x)
    assert len(open_data(f"{tmp_path}/table,drop=city").spec.columns) == 1


def test_names_by_prefix(tmp_path):
    (tmp_path / "t").mkdir()
    table().to_parquet(tmp_path / "t" / "train.parquet")
    data = open_data(f"hf:{tmp_path}/t,drop=city")
    assert len(data) == 20
    assert np.array_equal(aezoo.data.reopen(data.source).x, data.x, equal_nan=True)
    with pytest.raises(DataError, match=r"hf:.*/none cannot be loaded"):
        open_data(f"hf:{tmp_path}/none")
