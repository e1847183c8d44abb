import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from aezoo.core.spec import DataSpec
from aezoo.data.infer import from_arrays, infer_spec
from aezoo.errors import DataError

DRAW = np.random.default_rng(0)
UNIT = {"low": 0.0, "high": 1.0, "scaling": "scale"}
BYTES = {"low": 0.0, "high": 255.0, "levels": 256, "scaling": "scale"}
BITS = {**UNIT, "levels": 2}


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (DRAW.normal(size=(9, 4)), {"shape": (4,)}),
        (DRAW.uniform(size=(9, 4)), {"shape": (4,)}),
        (DRAW.integers(0, 9, (9, 4)), {"shape": (4,)}),
        (DRAW.integers(0, 9, (9, 4)).astype(np.uint8), {"shape": (4,), **BYTES, "scaling": "standardize"}),
        (DRAW.integers(0, 2, (9, 4)).astype(np.uint8), {"shape": (4,), **BITS}),
        (DRAW.integers(0, 2, (9, 4)).astype(np.float32), {"shape": (4,), **BITS}),
        (DRAW.integers(0, 2, (9, 4)).astype(bool), {"shape": (4,), **BITS}),
        (DRAW.uniform(size=(9, 6, 5)), {"shape": (1, 6, 5), **UNIT}),
        (DRAW.uniform(size=(9, 6, 5)) * 1.1, {"shape": (1, 6, 5)}),
        (DRAW.integers(0, 255, (9, 3, 6, 5)).astype(np.uint8), {"shape": (3, 6, 5), **BYTES}),
        (DRAW.uniform(size=(9, 6, 5, 3)), {"shape": (3, 6, 5), **UNIT}),
        (DRAW.uniform(size=(9, 3, 5, 3)), {"shape": (3, 5, 3), **UNIT}),
        (DRAW.uniform(size=(9, 6, 5, 7)), {"shape": (6, 5, 7), **UNIT}),
    ],
)
@pytest.mark.parametrize("tensor", [False, True])
def test_specs_of_arrays(x, expected, tensor):
    assert infer_spec(torch.from_numpy(x) if tensor else x, "it") == DataSpec(name="it", **expected)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (torch.randn(4), {"shape": (4,)}),
        (torch.zeros(4), {"shape": (4,)}),
        (torch.full((3, 6, 5), 0.5), {"shape": (3, 6, 5), **UNIT}),
        (torch.zeros(6, 5), {"shape": (1, 6, 5), **UNIT}),
        (torch.zeros(6, 5, dtype=torch.uint8), {"shape": (1, 6, 5), **BYTES}),
        (torch.zeros(6, 5, dtype=torch.bool), {"shape": (1, 6, 5), **BITS}),
    ],
)
def test_specs_of_torch_datasets(item, expected):
    x = TensorDataset(item[None].repeat(8, *[1] * item.dim()), torch.arange(8))
    assert infer_spec(x) == DataSpec(**expected)
    assert torch.equal(from_arrays(x).all().rows()[7], item.reshape(expected["shape"]))


def test_channels_last_become_channels_first_without_copying():
    x = DRAW.uniform(size=(9, 6, 5, 3))
    data = from_arrays(x)
    assert np.shares_memory(data.x, x)
    assert np.array_equal(data.all().rows(), x.transpose(0, 3, 1, 2))


def test_classes_are_counted_where_labels_number_them():
    x = DRAW.normal(size=(4, 2))
    assert from_arrays(x, [0, 1, 2, 1]).spec.classes == 3
    assert from_arrays(x, ["b", "a", "a", "b"]).spec.classes == 2
    assert from_arrays(x, [1, 2, 2, 1]).spec.classes is None


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(5), r"it: an array of shape \(5,\) .* reshape\(-1, 1\)"),
        (np.float64(3), r"shape \(\) is neither"),
        (np.zeros((2, 2, 2, 2, 2)), "neither a table nor images"),
        (np.zeros((5, 0)), r"a row of shape \(0,\) is no datum"),
        (np.array([["a"]]), "it has dtype <U1"),
        (TensorDataset(torch.zeros(4, 6, 5, 3)), r"it: its images have shape \(6, 5, 3\), channels last"),
        (TensorDataset(torch.zeros(4)), r"it: its items have shape \(\)"),
        (TensorDataset(torch.zeros(0, 4)), "it has no rows"),
    ],
)
def test_what_is_neither_table_nor_images(x, message):
    with pytest.raises(DataError, match=message):
        infer_spec(x, "it")
