"""Codes between and around codes: closed forms, and models that decode a code as itself."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from torch import distributions as td
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, make_preprocess
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation import (
    active,
    class_means,
    code_activity,
    code_quantiles,
    code_shape,
    decode,
    dimension_divergence,
    encode_split,
    interpolate,
    latent_interpolation,
    latent_plane,
    latent_traversal,
)
from aezoo.inspection import Subject, latent
from aezoo.inspection import options as look
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import (
    KL,
    Decoder,
    Encoder,
    Gaussian,
    GaussianEncoder,
    LaplacePrior,
    MixtureOfGaussians,
    PointEncoder,
    StandardNormal,
    Weighted,
    divergence,
)


def draw(seed=0):
    return np.random.default_rng(seed)


def table(rows=60, dim=3, labels=None, seed=0, scale=2.0):
    x = draw(seed).standard_normal((rows, dim)) * scale
    return Dataset(x, labels, spec=DataSpec(name="table", shape=(dim,)))


def same(dataset, preprocess=None):
    """A deterministic model whose code is the datum and whose reconstruction is the code."""
    decoder = Decoder(nn.Identity(), Gaussian(dataset.spec))
    return Autoencoder(PointEncoder(nn.Flatten()), decoder, spec=dataset.spec, preprocess=preprocess).double()


def spread(dim, scales):
    """A network whose posterior mean is the datum times ``gains``, with the given standard deviations."""
    layer = nn.Linear(dim, 2 * dim).double()
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[:dim] = torch.eye(dim)
        layer.bias[:dim] = 0
        layer.bias[dim:] = 2 * torch.tensor(scales, dtype=torch.float64).log()
    return layer


def gaussian(dataset, prior=None, scales=None, encoder=None):
    """q(z | x) = N(x, scales²), decoded as itself."""
    dim = dataset.spec.size
    scales = [0.5 + 0.3 * j for j in range(dim)] if scales is None else scales
    return Autoencoder(
        GaussianEncoder(spread(dim, scales)) if encoder is None else encoder,
        Decoder(nn.Identity(), Gaussian(dataset.spec)),
        spec=dataset.spec,
        prior=StandardNormal((dim,)) if prior is None else prior,
        regularizers=[Weighted("kl", KL())],
    ).double()


# ---------------------------------------------------------------------- ways


def test_a_straight_way_has_equal_steps_and_keeps_both_ends_and_the_shape():
    a, b = draw(1).standard_normal((2, 2, 3))
    codes = interpolate(a, b, 5)
    assert codes.shape == (5, 2, 3)
    assert np.array_equal(codes[0], a)
    assert np.array_equal(codes[-1], b)
    np.testing.assert_allclose(codes[3], 0.25 * a + 0.75 * b, rtol=1e-12)


def test_a_quarter_of_a_circle_whose_radius_grows():
    t = np.linspace(0, 1, 7)
    expected = (2 + 2 * t)[:, None] * np.stack([np.cos(t * np.pi / 2), np.sin(t * np.pi / 2)], axis=1)
    np.testing.assert_allclose(interpolate([2.0, 0.0], [0.0, 4.0], 7, "sphere"), expected, atol=1e-12)


def turns(codes):
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    return np.arccos(np.clip((unit[1:] * unit[:-1]).sum(1), -1, 1))


@pytest.mark.parametrize("dim", [2, 3, 50])
def test_a_way_on_the_sphere_turns_at_constant_speed_in_one_plane(dim):
    a, b = draw(dim).standard_normal((2, dim))
    codes = interpolate(a, b, 11, "sphere")
    angle = math.acos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    np.testing.assert_allclose(turns(codes), angle / 10, rtol=1e-7)
    np.testing.assert_allclose(
        np.linalg.norm(codes, axis=1), np.linspace(np.linalg.norm(a), np.linalg.norm(b), 11), rtol=1e-12
    )
    assert np.linalg.matrix_rank(np.vstack([codes, a, b]), tol=1e-9) == 2
    assert np.array_equal(codes[0], a)
    assert np.array_equal(codes[-1], b)


def test_opposite_codes_go_half_way_round_through_the_axis_that_is_furthest_from_both():
    codes = interpolate([3.0, 0.1, 4.0], [-6.0, -0.2, -8.0], 9, "sphere")
    np.testing.assert_allclose(turns(codes), np.pi / 8, rtol=1e-7)
    assert codes[4, 1] == pytest.approx(np.linalg.norm([4.5, 0.15, 6.0]), rel=1e-3)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([0.0, 0.0], [1.0, 2.0]),
        ([1.0, 2.0], [0.0, 0.0]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([1.0, 2.0], [3.0, 6.0]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0], [-3.0]),
    ],
)
def test_without_an_angle_the_sphere_is_the_line(a, b):
    np.testing.assert_allclose(interpolate(a, b, 5, "sphere"), interpolate(a, b, 5), atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0], [1.0], 1), "at least 2"),
        (([0.0], [1.0, 2.0], 3), "one shape"),
        (([0.0], [1.0], 3, "round"), "straight or sphere"),
    ],
)
def test_ways_that_there_are_not(arguments, message):
    with pytest.raises(UsageError, match=message):
        interpolate(*arguments)


def test_an_interpolation_decodes_the_way_between_two_rows():
    dataset = table()
    split = dataset.all()
    found = latent_interpolation(same(dataset), split, between=(7, 2), steps=5)
    rows = dataset.x[[7, 2]]
    assert np.array_equal(found.originals, rows)
    np.testing.assert_allclose(found.ways["straight"], interpolate(*rows, 5), rtol=1e-6)
    np.testing.assert_allclose(found.ways["sphere"], interpolate(*rows, 5, "sphere"), rtol=1e-6)
    distance = np.linalg.norm(rows[0] - rows[1])
    assert found.lengths["straight"] == pytest.approx(distance, rel=1e-6)
    assert found.lengths["sphere"] > distance
    cosine = rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1])
    assert found.angle == pytest.approx(math.degrees(math.acos(cosine)), rel=1e-5)
    for between, message in (((0, 60), "no row 60.*60 rows"), ((1,), "two rows"), ((1, 2, 3), "two rows")):
        with pytest.raises(UsageError, match=message):
            latent_interpolation(same(dataset), split, between=between)


# ---------------------------------------------------------------------- quantiles

LEVELS = np.array([0.02, 0.3, 0.5, 0.9])


def test_quantiles_of_a_gaussian_prior():
    dataset = table()
    found = code_quantiles(gaussian(dataset), np.zeros((1, 3)), LEVELS)
    expected = [NormalDist().inv_cdf(level) for level in LEVELS]
    np.testing.assert_allclose(found.values, np.tile(np.array(expected)[:, None], 3), rtol=1e-10)
    assert found.source == "the prior"
    assert not found.centre.any()


def test_quantiles_of_a_laplace_prior():
    dataset = table()
    found = code_quantiles(gaussian(dataset, LaplacePrior((3,), 2.5)), np.zeros((1, 3)), LEVELS)
    expected = [2.5 * math.log(2 * p) if p < 0.5 else -2.5 * math.log(2 - 2 * p) for p in LEVELS]
    np.testing.assert_allclose(found.values, np.tile(np.array(expected)[:, None], 3), rtol=1e-10)


def test_a_prior_made_of_torchs_parts_has_its_own_quantiles_and_mean():
    class Shifted(StandardNormal):
        def forward(self, encode=None):
            return td.Independent(td.Normal(self.origin + torch.tensor([1.0, 2.0, 3.0]), self.origin + 2), 1)

    found = code_quantiles(gaussian(table(), Shifted((3,))), np.zeros((1, 3)), LEVELS)
    assert found.centre.tolist() == [1, 2, 3]
    assert found.values[1].tolist() == pytest.approx([NormalDist(m, 2).inv_cdf(0.3) for m in (1, 2, 3)])


def test_without_such_a_prior_the_codes_have_quantiles():
    dataset = table()
    codes = draw(3).standard_normal((40, 3))
    for model in (same(dataset), gaussian(dataset, MixtureOfGaussians((3,), 4))):
        found = code_quantiles(model, codes, LEVELS)
        assert found.source == "the codes"
        np.testing.assert_allclose(found.values, np.quantile(codes, LEVELS, axis=0))
        np.testing.assert_allclose(found.centre, codes.mean(0))


# ---------------------------------------------------------------------- planes and lines


def test_a_plane_decodes_the_priors_quantiles_with_the_rest_at_the_mean():
    dataset = table(dim=4)
    # the second posterior says most, then the fourth
    model = gaussian(dataset, scales=[1.0, 0.01, 0.9, 0.1])
    found = latent_plane(model, dataset.all(), points=5)
    assert found.dims == (1, 3)
    values = [NormalDist().inv_cdf(p) for p in (0.1, 0.3, 0.5, 0.7, 0.9)]
    for i in range(5):
        for j in range(5):
            np.testing.assert_allclose(found.data[i, j], [0, values[j], 0, values[i]], atol=1e-12)
    swapped = latent_plane(model, dataset.all(), points=5, dims=(3, 1))
    np.testing.assert_allclose(swapped.data, found.data.transpose(1, 0, 2))


def test_a_plane_of_a_deterministic_model_follows_its_codes():
    dataset = Dataset(draw().standard_normal((50, 3)) * [1, 5, 3], spec=DataSpec(name="table", shape=(3,)))
    found = latent_plane(same(dataset), dataset.all(), points=2)
    assert (found.dims, found.source) == ((1, 2), "the codes")
    assert found.activity.measure == "variance"
    low, high = np.quantile(dataset.x[:, 1:], [0.25, 0.75], axis=0)
    np.testing.assert_allclose(found.data[0, 1], [dataset.x[:, 0].mean(), high[0], low[1]], rtol=1e-5)


def test_a_plane_is_refused_where_there_is_none():
    dataset = table()
    model, split = same(dataset), dataset.all()
    cases = (((0, 3), "no value 3.*it has 3"), ((1, 1), "different"), ((0,), "two dimensions"), ((), "two dimensions"))
    for dims, message in cases:
        with pytest.raises(UsageError, match=message):
            latent_plane(model, split, dims=dims)
    narrow = table(dim=1)
    with pytest.raises(CapabilityError, match=r"two values a code.*use traversal"):
        latent_plane(same(narrow), narrow.all())
    with pytest.raises(DataError, match="no rows"):
        latent_plane(model, dataset.split(0).validation)


def test_more_data_than_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr("aezoo.evaluation.latent.MOST_VALUES", 3 * 16)
    dataset = table()
    model, split = same(dataset), dataset.all()
    assert latent_plane(model, split, points=4).data.shape == (4, 4, 3)
    with pytest.raises(UsageError, match=r"fewer points.*at most 16"):
        latent_plane(model, split, points=5)
    with pytest.raises(UsageError, match="fewer steps or dims"):
        latent_traversal(model, split, steps=6)
    with pytest.raises(UsageError, match="fewer steps"):
        latent_interpolation(model, split, steps=9)


def test_a_traversal_moves_one_value_of_a_rows_code():
    dataset = table(dim=4)
    model = gaussian(dataset, scales=[1.0, 0.01, 0.9, 0.1])
    found = latent_traversal(model, dataset.all(), index=9, steps=3)
    assert found.dims[:2] == (1, 3)
    assert sorted(found.dims) == [0, 1, 2, 3]
    assert np.array_equal(found.row, dataset.x[9])
    for line, values, dim in zip(found.data, found.values, found.dims, strict=True):
        np.testing.assert_allclose(values, [NormalDist().inv_cdf(p) for p in (1 / 6, 1 / 2, 5 / 6)], atol=1e-12)
        expected = np.tile(dataset.x[9], (3, 1))
        expected[:, dim] = values
        np.testing.assert_allclose(line, expected, rtol=1e-6, atol=1e-12)
    assert latent_traversal(model, dataset.all(), dims=(2,)).data.shape == (1, 9, 4)
    with pytest.raises(UsageError, match="steps must be at least 2"):
        latent_traversal(model, dataset.all(), steps=1)
    with pytest.raises(UsageError, match="no row 60"):
        latent_traversal(model, dataset.all(), index=60)
    with pytest.raises(UsageError, match="no value 4"):
        latent_traversal(model, dataset.all(), dims=(0, 4))


def test_a_traversals_row_is_numbered_in_the_split_however_many_rows_are_looked_at(monkeypatch):
    monkeypatch.setattr("aezoo.evaluation.latent.ROWS", 5)
    dataset = table()
    found = latent_traversal(same(dataset), dataset.all(), index=59, dims=(0,))
    assert np.array_equal(found.row, dataset.x[59])
    np.testing.assert_allclose(found.data[0, :, 1:], np.tile(dataset.x[59, 1:], (9, 1)), rtol=1e-6)


def test_decoding_undoes_the_scaling_and_no_pass_is_lost(monkeypatch):
    dataset = table(rows=50)
    preprocess = make_preprocess("standardize", dataset.spec)
    preprocess.fit(dataset.all().batches(16))
    model = same(dataset, preprocess).train()
    monkeypatch.setattr(Autoencoder, "rows_a_pass", lambda self, draws=1: 7)
    codes = encode_split(model, dataset.all())
    np.testing.assert_allclose(decode(model, codes), dataset.x, rtol=1e-5, atol=1e-6)
    assert model.training


def test_codes_of_several_axes():
    dataset = Dataset(draw().random((9, 1, 2, 3)), spec=DataSpec(name="images", shape=(1, 2, 3)))
    model = Autoencoder(
        PointEncoder(nn.Identity()), Decoder(nn.Flatten(), Gaussian(dataset.spec)), spec=dataset.spec
    ).double()
    assert code_shape(model) == (1, 2, 3)
    found = latent_traversal(model, dataset.all(), index=4, dims=(5,), steps=2)
    np.testing.assert_allclose(found.data[0, :, 0, 0], np.tile(dataset.x[4, 0, 0], (2, 1)), rtol=1e-6)
    np.testing.assert_allclose(found.data[0, :, 0, 1, 2], found.values[0])


def test_codes_that_are_not_finite():
    dataset = table()
    broken = PointEncoder(nn.Linear(3, 3))
    model = Autoencoder(broken, Decoder(nn.Identity(), Gaussian(dataset.spec)), spec=dataset.spec)
    with torch.no_grad():
        broken.network.bias[0] = torch.nan
    for function in (latent_plane, latent_traversal, latent_interpolation):
        with pytest.raises(DataError, match="not finite"):
            function(model, dataset.all())


# ---------------------------------------------------------------------- the KL of each value of the code


def test_gaussian_divergences_are_closed_and_sum_to_the_whole(monkeypatch):
    dataset = table()
    model = gaussian(dataset)
    found = dimension_divergence(model, dataset.all())
    s = np.array([0.5, 0.8, 1.1])
    np.testing.assert_allclose(found, (0.5 * (dataset.x**2 + s**2 - 1 - 2 * np.log(s))).mean(0), rtol=1e-12)
    x = torch.from_numpy(dataset.x)
    whole = divergence(model.encoder(x), model.prior_distribution(), estimator="analytic").mean()
    assert found.sum() == pytest.approx(whole.item(), rel=1e-12)
    monkeypatch.setattr(Autoencoder, "rows_a_pass", lambda self, draws=1: 7)
    np.testing.assert_allclose(dimension_divergence(model, dataset.all()), found, rtol=1e-12)


def test_divergences_from_a_laplace_prior_sum_to_the_whole():
    dataset = table()
    model = gaussian(dataset, LaplacePrior((3,), 0.7))
    x = torch.from_numpy(dataset.x)
    whole = divergence(model.encoder(x), model.prior_distribution(), estimator="analytic").mean()
    assert dimension_divergence(model, dataset.all()).sum() == pytest.approx(whole.item(), rel=1e-10)


def test_a_mixtures_marginals_are_met_by_draws():
    torch.manual_seed(0)
    dataset = table(rows=400, dim=2)
    prior = MixtureOfGaussians((2,), 3)
    prior.logits.data = torch.tensor([0.3, -1.0, 0.5])
    prior.log_scales.data = 0.3 * torch.randn(3, 2)
    model = gaussian(dataset, prior)
    found = dimension_divergence(model, dataset.all())
    weights = prior.logits.softmax(0).detach().numpy()
    means, scales = prior.means.detach().numpy(), prior.log_scales.exp().detach().numpy()
    grid = np.linspace(-12, 12, 4001)
    for j, s in enumerate((0.5, 0.8)):
        p = sum(
            w * np.exp(-0.5 * ((grid - m) / b) ** 2) / b / math.sqrt(2 * math.pi)
            for w, m, b in zip(weights, means[:, j], scales[:, j], strict=True)
        )
        deviation = (grid - dataset.x[:, j, None]) / s
        log_q = -0.5 * deviation**2 - math.log(s * math.sqrt(2 * math.pi))
        integrand = np.exp(log_q) * (log_q - np.log(p))
        exact = trapezoid(integrand, grid, axis=1)
        second = trapezoid(integrand * (log_q - np.log(p)), grid, axis=1)
        error = math.sqrt((second - exact**2).mean() / (64 * len(dataset)))
        assert abs(found[j] - exact.mean()) < 4 * error
        assert error < 0.02 * exact.mean()


def test_draws_follow_the_seed_and_leave_the_callers_stream():
    dataset = table()
    model = gaussian(dataset, MixtureOfGaussians((3,), 4)).train()
    state = torch.get_rng_state()
    one, again, other = (dimension_divergence(model, dataset.all(), seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert torch.equal(state, torch.get_rng_state())
    assert model.training


def test_no_divergences_without_independent_densities():
    dataset = table()

    class Full(Encoder):
        def forward(self, x):
            return td.MultivariateNormal(x, torch.eye(3, dtype=x.dtype))

    with pytest.raises(CapabilityError, match=r"density each.*prior normal"):
        dimension_divergence(gaussian(dataset, encoder=Full()), dataset.all())
    with pytest.raises(CapabilityError, match="vae"):
        dimension_divergence(same(dataset), dataset.all())
    with pytest.raises(DataError, match="no rows"):
        dimension_divergence(gaussian(dataset), dataset.split(0).validation)
    assert code_activity(gaussian(dataset, encoder=Full()), dataset.all()).measure == "variance"


# ---------------------------------------------------------------------- classes


@pytest.mark.parametrize("size", [7, 8192])
def test_class_means_are_means_of_reconstructions_in_raw_units(size, monkeypatch):
    labels = draw(1).choice([2, 5, 9], 60)
    dataset = table(labels=labels)
    preprocess = make_preprocess("standardize", dataset.spec)
    preprocess.fit(dataset.all().batches(16))
    monkeypatch.setattr(Autoencoder, "rows_a_pass", lambda self, draws=1: size)
    found = class_means(same(dataset, preprocess), dataset.all())
    assert found.classes.tolist() == [2, 5, 9]
    for label, count, mean in zip(*found, strict=True):
        assert count == (labels == label).sum()
        np.testing.assert_allclose(mean, dataset.x[labels == label].mean(0), rtol=1e-5, atol=1e-6)


def test_class_means_need_classes():
    dataset = table()
    with pytest.raises(DataError, match="no labels"):
        class_means(same(dataset), dataset.all())
    many = table(rows=101, labels=np.arange(101))
    with pytest.raises(DataError, match="101 classes"):
        class_means(same(many), many.all())
    with pytest.raises(DataError, match="no rows"):
        class_means(same(many), many.split(0).validation)


# ---------------------------------------------------------------------- as inspections


def test_the_figures_say_what_was_found():
    dataset = table(labels=["ape", "bee"] * 30, dim=4)
    model = gaussian(dataset, scales=[1.0, 0.01, 0.9, 0.1])
    subject = Subject(model, dataset.split(), dataset.all())
    plane = latent.plane(subject, look.PlaneOptions(points=3)).figures
    assert plane["dims"] == [1, 3]
    assert plane["across"] == plane["up"] == pytest.approx([-0.967421566, 0, 0.967421566])
    assert plane["quantiles_of"] == "the prior"
    traversal = latent.traversal(subject, look.TraversalOptions(dims=(2,), steps=2)).figures
    assert traversal["dims"] == [2]
    assert traversal["kl"] == [pytest.approx(dimension_divergence(model, dataset.all())[2])]
    dimensions = latent.dimensions(subject, look.DimensionsOptions()).figures
    assert dimensions["total"] == pytest.approx(sum(dimensions["kl"]))
    assert dimensions["active_units"] == sum(dimensions["active"]) == 4
    assert latent.dimensions(subject, look.DimensionsOptions(rows=20)).figures["examples"] == 20
    classes = latent.classes(subject, look.ClassesOptions()).figures
    assert classes == {"classes": 2, "rows_of": {"ape": 30, "bee": 30}}
    way = latent.interpolation(subject, look.InterpolationOptions(between=(3, 8), steps=4)).figures
    assert way["rows"] == [3, 8]
    assert way["code_distance"] == pytest.approx(np.linalg.norm(dataset.x[3] - dataset.x[8]), rel=1e-6)
    assert way["code_norms"] == pytest.approx(np.linalg.norm(dataset.x[[3, 8]], axis=1).tolist(), rel=1e-6)


def test_activity_counts_each_value():
    codes = np.array([[0.0, 5.0, 1.0], [0.0, -5.0, 1.15], [0.0, 0.0, 1.05]])
    assert active(codes).tolist() == [False, True, False]
