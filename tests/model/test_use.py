"""What encode, reconstruct and score cost: passes over the user's own rows, and nothing held beside them."""

import numpy as np
import pytest
import torch

import aezoo
from aezoo.core.arrays import check_finite, within
from aezoo.core.memory import most_bytes
from aezoo.errors import DataError

METHODS = ["encode", "reconstruct", "score"]
WIDTH = 50


def model(scaling="none", likelihood="gaussian", name="undercomplete", **spec):
    torch.manual_seed(0)
    entry = aezoo.registry.models[name]
    known = {"low": 0.0, "high": 1.0, **spec}
    config = entry.config.parse({"latent_dim": 3, "hidden": (20,), "likelihood": likelihood})
    return entry.resolve()(config, aezoo.DataSpec(shape=(WIDTH,), scaling=scaling, **known))


def rows(count, dtype=np.float32):
    return np.random.default_rng(0).random((count, WIDTH)).astype(dtype)


@pytest.mark.parametrize("given", ["tensor", "array"])
@pytest.mark.parametrize("method", METHODS)
def test_rows_that_need_no_scaling_are_read_where_they_lie(method, given):
    built, x = model(), rows(100)
    x = torch.from_numpy(x) if given == "tensor" else x
    begins = x.data_ptr() if given == "tensor" else x.ctypes.data
    seen = []
    built.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].data_ptr() - begins))
    getattr(built, method)(x, batch_size=30)
    assert seen == [4 * WIDTH * start for start in (0, 30, 60, 90)]


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("method", METHODS)
def test_memory_beside_rows_and_result_does_not_grow_with_the_rows(method, likelihood, monkeypatch):
    # a block that is never touched, larger than all that a pass takes
    monkeypatch.setattr("aezoo.model.passes.keep_blocks", lambda: None)
    built = model(likelihood=likelihood)
    beside = []
    for count in (17_000, 34_000):
        x = torch.from_numpy(rows(count))
        most, result = most_bytes(lambda x=x: getattr(built, method)(x))
        beside.append(most - result.nbytes)
    assert beside[1] <= beside[0]


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("method", METHODS)
def test_a_row_alone_is_what_it_is_among_many(method, likelihood):
    built, x = model(likelihood=likelihood), rows(40)
    call = getattr(built, method)
    np.testing.assert_allclose(call(x[7:8])[0], call(x)[7], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(call(x[7]), call(x)[7], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("scaling", "dtype"), [("none", np.float32), ("scale", np.uint8), ("standardize", np.float64)])
@pytest.mark.parametrize("method", METHODS)
def test_passes_are_the_network_on_the_prepared_rows(method, scaling, dtype):
    spec = {"low": 0.0, "high": 255.0} if dtype == np.uint8 else {}
    built = model(scaling, **spec)
    x = rows(40) * (255 if dtype == np.uint8 else 1)
    x = x.astype(dtype)
    built.preprocess.fit([torch.from_numpy(x)])
    with torch.no_grad():
        u = built.prepare(torch.from_numpy(x))
        z = built.encoder(u).mean
        px = built.decoder(z[None])
        truth = {"encode": z, "reconstruct": built.preprocess.inverse(px.mean)[0], "score": -px.log_prob(u)[0]}
    # one pass of all rows: the same operations on the same numbers
    np.testing.assert_array_equal(getattr(built, method)(x), truth[method].numpy())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("given", ["tensor", "array"])
@pytest.mark.parametrize("method", METHODS)
def test_a_bad_value_in_a_later_pass_is_named_by_its_row(method, given, value):
    x = rows(100)
    x[71, 3] = value
    x = torch.from_numpy(x) if given == "tensor" else x
    with pytest.raises(DataError, match="row 71, column 3"):
        getattr(model(), method)(x, batch_size=30)


@pytest.mark.parametrize(("value", "dtype"), [(1.5, np.float32), (-0.5, np.float64), (200, np.uint8), (-1, np.int8)])
def test_a_value_out_of_range_in_a_later_pass_is_named_by_its_row(value, dtype):
    x = rows(100).round().astype(dtype)
    x[71, 3] = value
    with pytest.raises(DataError, match="row 71 has values outside 0 to 1"):
        model(likelihood="bernoulli").score(x, batch_size=30)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [(), (np.nan,), (np.inf,), (np.inf, -np.inf)])
def test_sums_that_overflow_or_cancel_hide_nothing(dtype, bad):
    x = torch.full((6, 4), torch.finfo(dtype).max, dtype=dtype)
    x[2:, 1] = -torch.finfo(dtype).max
    for place, value in enumerate(bad):
        x[4, 1 + place] = value
    given = [x] if dtype == torch.bfloat16 else [x, x.numpy()]
    for array in given:
        if bad:
            with pytest.raises(DataError, match="row 4, column 1"):
                check_finite(array)
        else:
            check_finite(array)


@pytest.mark.parametrize(
    ("values", "low", "high", "inside"),
    [
        ([0.0, 1.0], 0, 1, True),
        ([0.0, 1.0000001], 0, 1, False),
        ([-1e-9, 0.5], 0, 1, False),
        (torch.tensor([0, 255], dtype=torch.uint8), 0, 255, True),
        (torch.tensor([0, 17], dtype=torch.uint8), 0, 16, False),
        (torch.tensor([0, 16], dtype=torch.uint8), 0, 16, True),
        (torch.tensor([-1, 1], dtype=torch.int8), 0, 255, False),
        (torch.tensor([True, False]), 0, 1, True),
        (torch.tensor([True, False]), 0.5, 1, False),
        (torch.tensor([0.5], dtype=torch.float16), 0, 1, True),
    ],
)
def test_ranges(values, low, high, inside):
    assert within(torch.as_tensor(values), low, high) is inside
