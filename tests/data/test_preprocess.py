import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from aezoo.core.spec import DataSpec
from aezoo.data.preprocess import make_preprocess, scaled_spec
from aezoo.errors import CompositionError, DataError, UsageError

TABLE = DataSpec(shape=(4,))
IMAGES = DataSpec(shape=(3, 5, 5), low=0.0, high=255.0, levels=256, classes=7, scaling="scale")


def table(rows=101):
    draw = np.random.default_rng(0)
    return draw.normal(size=(rows, 4)) * [1e-4, 1, 3, 1e3] + [10, 0, -5, 7]


def fitted(kind, spec, x, size=17, **options):
    preprocess = make_preprocess(kind, spec, **options)
    preprocess.fit(torch.as_tensor(x).split(size))
    return preprocess


@pytest.mark.parametrize(("kind", "peer"), [("standardize", StandardScaler), ("minmax", MinMaxScaler)])
def test_tables_scale_as_scikit_learn_does(kind, peer):
    x = table()
    ours = fitted(kind, TABLE, x)(torch.from_numpy(x), torch.float64)
    np.testing.assert_allclose(ours, peer().fit_transform(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["standardize", "minmax"])
def test_images_scale_per_channel(kind):
    x = torch.randint(0, 256, (40, 3, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    preprocess = fitted(kind, IMAGES, x)
    assert preprocess.shift.shape == (3, 1, 1)
    out = preprocess(x, torch.float64).numpy().swapaxes(0, 1).reshape(3, -1)
    if kind == "standardize":
        np.testing.assert_allclose(out.mean(1), 0, atol=1e-12)
        np.testing.assert_allclose(out.std(1), 1)
    else:
        np.testing.assert_allclose([out.min(1), out.max(1)], [[0] * 3, [1] * 3], atol=1e-15)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.floats(-1e8, 1e8))
@settings(max_examples=30, deadline=None)
def test_the_fit_does_not_depend_on_the_batches(sizes, offset):
    x = torch.from_numpy(np.random.default_rng(sum(sizes)).normal(size=(sum(sizes) + 1, 2)) + offset)
    spec = DataSpec(shape=(2,))
    whole, parts = make_preprocess("standardize", spec), make_preprocess("standardize", spec)
    whole.fit([x])
    parts.fit([*x[:-1].split(sizes), x[-1:], x[:0]])
    np.testing.assert_allclose(parts.shift, whole.shift, rtol=1e-12)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-6)


def test_a_known_range_is_mapped_exactly():
    x = torch.arange(256, dtype=torch.uint8).reshape(-1, 1)
    spec = DataSpec(shape=(1,), low=0.0, high=255.0, levels=256, scaling="scale")
    preprocess = make_preprocess("auto", spec)
    preprocess.fit(iter([None]))
    out = preprocess(x)
    assert out.dtype == torch.float32
    assert torch.equal(out, x.to(torch.float32) / 255)
    assert torch.equal(preprocess.inverse(out).round().to(torch.uint8), x)


def test_values_keep_their_precision_until_scaled():
    x = torch.tensor([[1e9], [1e9 + 1]], dtype=torch.float64)
    out = fitted("minmax", DataSpec(shape=(1,)), x)(x)
    assert out.tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize("kind", ["none", "scale", "standardize", "minmax"])
def test_inverse_and_log_determinant(kind):
    spec = TABLE.model_copy(update={"low": -1e7, "high": 1e7})
    x = torch.from_numpy(table())
    preprocess = fitted(kind, spec, x)
    scaled = preprocess(x, torch.float64)
    np.testing.assert_allclose(preprocess.inverse(scaled), x, rtol=1e-9, atol=1e-8)
    jacobian = torch.autograd.functional.jacobian(lambda row: preprocess(row, torch.float64), x[0])
    assert preprocess.log_det().item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("kind", ["scale", "minmax"])
def test_log_determinant_counts_every_pixel(kind):
    x = torch.arange(0, 150, dtype=torch.float64).reshape(2, 3, 5, 5)
    preprocess = fitted(kind, IMAGES, x)
    jacobian = torch.autograd.functional.jacobian(lambda row: preprocess(row, torch.float64), x[0]).reshape(75, 75)
    assert preprocess.log_det().item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), rel=1e-12)


@pytest.mark.parametrize("kind", ["standardize", "minmax"])
@pytest.mark.parametrize("value", [0.0, 0.1, -3.7e8])
def test_a_constant_column_keeps_its_scale(kind, value):
    x = torch.full((1001, 4), value, dtype=torch.float64)
    preprocess = fitted(kind, TABLE, x, size=7)
    assert preprocess.scale.tolist() == [1, 1, 1, 1]
    assert preprocess(x).abs().max() <= abs(value) * 1e-13
    assert preprocess.log_det() == 0


def test_clip_holds_later_rows_in_the_unit_interval():
    x = torch.tensor([[0.0], [1.0]])
    later = torch.tensor([[-1.0], [0.25], [3.0]])
    spec = DataSpec(shape=(1,))
    assert fitted("minmax", spec, x, clip=True)(later).flatten().tolist() == [0, 0.25, 1]
    assert fitted("minmax", spec, x)(later).flatten().tolist() == [-1, 0.25, 3]


def test_buffers_survive_saving_and_casting():
    x = torch.from_numpy(table())
    preprocess = fitted("standardize", TABLE, x)
    again = make_preprocess("standardize", TABLE)
    again.load_state_dict(preprocess.state_dict())
    wanted = preprocess(x)
    for cast in (torch.float16, torch.bfloat16, torch.float32):
        assert torch.equal(again.to(cast)(x), wanted)
    assert again.scale.dtype == torch.float64
    assert set(again.state_dict()) == {"shift", "scale", "fitted"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("none", IMAGES),
        ("auto", DataSpec(shape=(3, 5, 5), low=0.0, high=1.0, levels=256, classes=7, scaling="none")),
        ("minmax", DataSpec(shape=(3, 5, 5), low=0.0, high=1.0, classes=7, scaling="none")),
        ("standardize", DataSpec(shape=(3, 5, 5), classes=7, scaling="none")),
    ],
)
def test_the_spec_that_the_network_sees(kind, expected):
    assert scaled_spec(kind, IMAGES) == expected


@pytest.mark.parametrize("make", [make_preprocess, scaled_spec])
def test_what_cannot_be_asked_is_refused(make):
    with pytest.raises(UsageError, match="--preprocess minmax or standardize"):
        make("scale", TABLE)
    with pytest.raises(UsageError, match="no preprocessing 'whiten': choose auto, none"):
        make("whiten", TABLE)


@pytest.mark.parametrize("kind", ["standardize", "none"])
def test_clip_needs_a_unit_range(kind):
    with pytest.raises(CompositionError, match=r"into \[0, 1\]"):
        make_preprocess(kind, IMAGES, clip=True)
    make_preprocess("none", DataSpec(shape=(2,), low=0.0, high=1.0), clip=True)


@pytest.mark.parametrize("values", [[-1.7e308, 1.7e308], [0.0, 5e-324]])
def test_a_range_beyond_float64_is_refused(values):
    x = torch.tensor(values, dtype=torch.float64)[:, None] * torch.tensor([0, 0, 1, 0], dtype=torch.float64)
    with pytest.raises(DataError, match="2, counted from 0, spans a range"):
        fitted("minmax", TABLE, x)


def test_fitting_on_nothing_is_refused():
    with pytest.raises(DataError, match="no rows"):
        make_preprocess("minmax", TABLE).fit([])
