import numpy as np
import pytest
import torch

from aezoo.core.arrays import CHUNK, as_rows, as_tensor, check_finite
from aezoo.errors import DataError


@pytest.mark.parametrize(
    ("given", "shape", "rows", "single"),
    [
        ((5, 3), (3,), 5, False),
        ((3,), (3,), 1, True),
        ((3, 3), (3,), 3, False),
        ((5,), (1,), 5, False),
        ((1,), (1,), 1, True),
        ((5, 1), (1,), 5, False),
        ((2, 1, 4, 6), (1, 4, 6), 2, False),
        ((1, 4, 6), (1, 4, 6), 1, True),
        ((2, 4, 6), (1, 4, 6), 2, False),
        ((4, 6), (1, 4, 6), 1, True),
        ((24,), (1, 4, 6), 1, True),
        ((2, 24), (1, 4, 6), 2, False),
        ((3, 4, 6), (3, 4, 6), 1, True),
        ((2, 72), (3, 4, 6), 2, False),
        ((5, 6), (1, 1, 6), 5, False),
    ],
)
@pytest.mark.parametrize("tensor", [False, True])
def test_accepted_shapes(given, shape, rows, single, tensor):
    values = np.arange(np.prod(given), dtype=np.float32).reshape(given)
    out, one = as_rows(torch.from_numpy(values) if tensor else values, shape)
    assert tuple(out.shape) == (rows, *shape)
    assert one is single
    assert np.array_equal(np.asarray(out).ravel(), values.ravel())
    assert np.shares_memory(np.asarray(out), values)


def test_lists_and_whole_dtypes_are_taken():
    rows, single = as_rows([[1, 2], [3, 4]], (2,))
    assert rows.tolist() == [[1, 2], [3, 4]]
    assert not single
    assert as_rows([True, False], (2,)) == (pytest.approx(np.array([[True, False]])), True)
    for dtype in ("bool", "uint8", "int16", "float16"):
        assert as_rows(np.ones((2, 3), dtype), (3,))[0].dtype == dtype


@pytest.mark.parametrize(
    ("given", "shape", "message"),
    [
        (np.zeros((2, 1, 28, 28)), (1, 8, 8), r"shape \(1, 8, 8\), and got rows of shape \(1, 28, 28\)"),
        (np.zeros((2, 4, 6)), (3, 4, 6), r"got rows of shape \(4, 6\)"),
        (np.zeros((4, 3)), (2,), r"shape \(2,\), and got rows of shape \(3,\)"),
        (np.zeros(3), (2,), r"got an array of shape \(3,\)"),
        (np.float64(1), (1,), r"array of shape \(\)"),
        (np.zeros((0, 2)), (2,), "has no rows"),
        ([], (2,), "has no rows"),
        ([[1, 2], [3]], (2,), "cannot be made an array"),
        (np.array([["a", "b"]]), (2,), "dtype <U1"),
        (np.array([[1, None]]), (2,), "dtype object"),
        (np.zeros((2, 2), complex), (2,), "dtype complex128"),
        (torch.zeros(2, 2, dtype=torch.complex64), (2,), "dtype torch.complex64"),
        (torch.zeros(2, 2).to(torch.float8_e4m3fn), (2,), "dtype torch.float8_e4m3fn"),
        (torch.eye(2).to_sparse(), (2,), "sparse"),
        (np.ma.masked_equal(np.eye(2), 0), (2,), "masked"),
        ({"x": 1}, (2,), "dtype object"),
    ],
)
def test_refused_data(given, shape, message):
    with pytest.raises(DataError, match=message) as raised:
        as_rows(given, shape, "the table")
    assert str(raised.value).startswith("the table")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize(
    ("shape", "place", "value", "message"),
    [
        ((4, 3), (2, 1), np.nan, r"row 2, column 1 \(counted from 0\), is NaN"),
        ((4, 1, 2, 3), (3, 0, 1, 2), np.inf, r"row 3, at \(0, 1, 2\) \(counted from 0\), is infinity"),
        ((4, 3), (0, 0), -np.inf, r"row 0, column 0 .* is -infinity"),
        ((CHUNK // 2 + 5, 2), (CHUNK // 2 + 3, 1), np.nan, rf"row {CHUNK // 2 + 3}, column 1"),
    ],
)
def test_the_first_value_that_is_not_finite_is_named(shape, place, value, message, tensor):
    x = np.ones(shape, np.float32)
    check_finite(torch.from_numpy(x) if tensor else x, "table")
    x.reshape(len(x), -1)[-1, -1] = np.nan
    x[place] = value
    with pytest.raises(DataError, match=message):
        check_finite(torch.from_numpy(x) if tensor else x, "table")


def test_huge_finite_values_are_finite():
    check_finite(np.full((10, 10), 1e308))
    check_finite(np.full((10, 10), 60000, np.float16))


@pytest.mark.parametrize("dtype", [">f4", ">i2", "u2", "u4", "u8", "f2", "g", "?"])
def test_tensors_of_types_that_torch_lacks(dtype):
    values = np.array([[0, 1], [2, 30000]]).astype(dtype)
    assert as_tensor(values).to(torch.float64).tolist() == values.astype(float).tolist()


def test_tensors_share_memory_unless_read_only():
    values = np.ones((2, 2))
    assert np.shares_memory(as_tensor(values).numpy(), values)
    values.flags.writeable = False
    assert not np.shares_memory(as_tensor(values).numpy(), values)
