import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from aezoo.core import mapped as pages
from aezoo.core.mapped import mapped
from aezoo.data import open_data
from aezoo.errors import DataError, UsageError

X = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 3)))
Y = torch.arange(40) % 4


def written(tmp_path, name="x.safetensors", **tensors):
    save_file({key: value.clone() for key, value in tensors.items()}, tmp_path / name)
    return tmp_path / name


def by_hand(tmp_path, header, content=b"", length=None):
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    path = tmp_path / "broken.safetensors"
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + content)
    return path


@pytest.fixture
def small(monkeypatch):
    """Files are large enough to be read a few rows at a time."""
    monkeypatch.setattr(pages, "KEPT", 64)
    monkeypatch.setattr(pages, "BLOCK", 16)


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.bool,
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(40, 3), (8, 5, 3), (8, 3, 5, 1), (4, 5, 2, 3)], ids=str)
def test_every_real_type_is_read_from_the_disk_as_it_is(tmp_path, small, dtype, shape):
    x = (X * 10).reshape(shape).to(dtype)
    data = open_data(written(tmp_path, x=x.contiguous()))
    assert mapped(data.x) is not None
    assert data.all().mapped
    wanted = x[:, None] if x.dim() == 3 else x.permute(0, 3, 1, 2) if shape[-1] == 3 and x.dim() == 4 else x
    order = np.random.default_rng(1).permutation(len(x))
    rows = data.all().part(order).rows()
    assert rows.dtype == dtype
    assert torch.equal(rows, wanted[order])
    assert torch.equal(torch.cat(list(data.all().batches(3))), wanted)
    assert data.source == {"name": str(tmp_path / "x.safetensors"), "options": {}}


@pytest.mark.parametrize("dtype", ["<u2", "<u4", "<u8"])
def test_unsigned_types_that_torch_hardly_knows(tmp_path, dtype):
    x = np.arange(12, dtype=dtype).reshape(4, 3)
    header = {"x": {"dtype": f"U{8 * x.itemsize}", "shape": [4, 3], "data_offsets": [0, x.nbytes]}}
    assert np.array_equal(open_data(by_hand(tmp_path, header, x.tobytes())).all().rows(), x)


@pytest.mark.parametrize("name", ["x", "X", "data", "activations"])
@pytest.mark.parametrize("labels", ["y", "Y", "labels", None])
def test_names(tmp_path, name, labels):
    data = open_data(written(tmp_path, **{name: X}, **({labels: Y} if labels else {})))
    assert torch.equal(data.all().rows(), X)
    assert (data.labels is None) if labels is None else data.labels.tolist() == Y.tolist()
    assert data.spec.classes == (4 if labels else None)


def test_x_is_the_data_whatever_else_the_file_holds(tmp_path):
    assert torch.equal(open_data(written(tmp_path, x=X, mean=X.mean(0), other=X)).all().rows(), X)


def test_labels_of_short_floats_and_from_another_file(tmp_path):
    assert open_data(written(tmp_path, x=X, y=Y.bfloat16())).labels.tolist() == Y.tolist()
    np.save(tmp_path / "y.npy", Y.numpy())
    plain = written(tmp_path, "plain.safetensors", x=X)
    data = open_data(plain, labels=tmp_path / "y.npy")
    assert data.labels.tolist() == Y.tolist()
    assert data.source["labels"] == str(tmp_path / "y.npy")
    with pytest.raises(UsageError, match="has labels of its own"):
        open_data(written(tmp_path, x=X, y=Y), labels=Y)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": X, "b": X}, r"holds 'a', 'b': name the data x and its labels y\.$"),
        ({"y": Y}, "holds 'y': name the data x"),
        ({}, "holds nothing: name the data x"),
        ({"x": X.to(torch.complex64)}, "tensor 'x' is of type C64: give it real numbers"),
        ({"x": X.to(torch.float8_e4m3fn)}, "tensor 'x' is of type F8_E4M3: give it real numbers"),
        ({"x": X[:0]}, "tensor 'x' has no rows: give it at least one"),
        ({"x": X[:, :0]}, "tensor 'x' has no rows"),
        ({"x": X[:, 0].contiguous()}, r"shape \(40,\) is neither a table nor images"),
        ({"x": torch.tensor(1.0)}, r"shape \(\) is neither a table nor images"),
        ({"x": X, "y": Y[:39]}, r"labels of x have shape \(39,\): give one for each of the 40 rows"),
        ({"x": X, "y": Y + 0.5}, "labels of x are not all whole numbers"),
        ({"x": torch.cat([X, torch.full((1, 3), torch.nan)])}, "x: row 40, column 0 .* is NaN"),
        ({"x": torch.cat([X, torch.full((1, 3), torch.inf)]).bfloat16()}, "x: row 40, column 0 .* is infinity"),
    ],
)
def test_what_is_no_data(tmp_path, tensors, message):
    with pytest.raises(DataError, match=message):
        open_data(written(tmp_path, **tensors))


ENTRY = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    ("header", "content", "length"),
    [
        (b"", b"", 0),
        (b"not json", b"", None),
        (b"[]", b"", None),
        ({"x": ENTRY}, bytes(15), None),
        ({"x": ENTRY}, bytes(17), None),
        ({"x": ENTRY}, bytes(16), 1 << 62),
        ({"x": {**ENTRY, "shape": [2, 3]}}, bytes(16), None),
        ({"x": {**ENTRY, "shape": [-2, -2]}}, bytes(16), None),
        ({"x": {**ENTRY, "shape": [1 << 40, 1 << 40]}}, bytes(16), None),
        ({"x": {**ENTRY, "data_offsets": [16, 0]}}, bytes(16), None),
        ({"x": {**ENTRY, "data_offsets": [0, 1 << 60]}}, bytes(16), None),
        ({"x": {**ENTRY, "dtype": "F33"}}, bytes(16), None),
        ({"x": {"dtype": "F32"}}, bytes(16), None),
    ],
)
def test_broken_files(tmp_path, header, content, length):
    path = by_hand(tmp_path, header, content, length)
    with pytest.raises(DataError, match=r"broken\.safetensors"):
        open_data(path)


def test_every_truncation_of_a_file_is_an_error_of_ours(tmp_path):
    whole = save({"x": X[:2], "y": Y[:2]})
    path = tmp_path / "x.safetensors"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"x\.safetensors"):
            open_data(path)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"no file .*absent.safetensors"):
        open_data(tmp_path / "absent.safetensors")
    with pytest.raises(UsageError, match="has no option 'label'"):
        open_data(written(tmp_path, x=X), label="y")


def test_values_begin_wherever_the_header_ends(tmp_path, small):
    x = np.arange(12, dtype="<f4").reshape(4, 3)
    for pad in range(8):
        header = json.dumps({"x": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]}}).encode() + b" " * pad
        data = open_data(by_hand(tmp_path, header, x.tobytes()))
        assert np.array_equal(data.all().part(np.array([3, 0, 2])).rows(), x[[3, 0, 2]])
        assert np.array_equal(data.all().rows(), x)


def test_the_map_under_a_tensor_is_known_for_as_long_as_there_is_one(tmp_path):
    data = open_data(written(tmp_path, x=X.bfloat16().reshape(10, 3, 4).contiguous()))
    assert data.x.shape == (10, 1, 3, 4)
    assert mapped(data.x[2:5]) is mapped(data.x) is not None
    known = len(pages._under_tensors)
    assert mapped(torch.zeros(3).bfloat16()) is None
    del data
    assert len(pages._under_tensors) == known - 1


def test_writing_to_rows_leaves_the_file_alone(tmp_path):
    path = written(tmp_path, x=X.bfloat16())
    before = path.read_bytes()
    data = open_data(path)
    data.all().rows().zero_()
    data.x[0] = 0
    assert path.read_bytes() == before
    assert torch.equal(open_data(path).all().rows(), X.bfloat16())


def test_changes_in_a_copy_on_write_map_are_kept(tmp_path, small):
    np.save(tmp_path / "x.npy", X.numpy())
    x = np.load(tmp_path / "x.npy", mmap_mode="c")
    x[:] = 7.0
    data = open_data(x)
    assert torch.equal(data.all().rows(), torch.full((40, 3), 7.0, dtype=torch.float64))
    pages.release(x)
    assert (x == 7.0).all()
