"""Linear models beside PCA and probabilistic PCA: known subspaces, scikit-learn, and torch's own densities."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn
from torch.distributions import MultivariateNormal

from aezoo.core.spec import DataSpec
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation import (
    LinearDecoder,
    linear_decoder,
    linear_log_likelihood,
    ppca,
    ppca_log_likelihood,
    principal_angles,
    principal_components,
    rebuilt_variances,
)
from aezoo.training import build_model

TABLE = DataSpec(name="table", shape=(6,), scaling="none")
IMAGES = DataSpec(name="bytes", shape=(1, 6, 5), low=0.0, high=1.0, scaling="none")


def cloud(rows=80, dim=6, seed=0):
    draw = np.random.default_rng(seed)
    return draw.standard_normal((rows, dim)) @ draw.standard_normal((dim, dim)) + 5


def orthonormal(dim=9, seed=1):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


def built(name="linear", spec=TABLE, **options):
    torch.manual_seed(0)
    return build_model(name, {"latent_dim": 3, "hidden": [], **options}, spec).double()


# ------------------------------------------------------------------ subspaces


@pytest.mark.parametrize("degrees", [(0.0, 0.0, 0.0), (1e-6, 10.0, 90.0), (1e-9, 45.0, 89.999999), (30.0, 30.0, 30.0)])
def test_known_rotations_have_known_angles(degrees):
    basis = orthonormal()
    first, turned = basis[:, :3], basis[:, 3:6]
    radians = np.radians(degrees)
    second = first * np.cos(radians) + turned * np.sin(radians)
    mix = np.random.default_rng(2).standard_normal((3, 3))
    for a, b in ((first, second), (first @ mix, second * [3, -1, 0.5]), (second, first)):
        np.testing.assert_allclose(principal_angles(a, b), degrees, rtol=1e-6, atol=1e-12)


def test_subspaces_of_different_dimension_and_of_lower_rank():
    basis = orthonormal()
    assert principal_angles(basis[:, :5], basis[:, 1:3]) == pytest.approx([0, 0], abs=1e-12)
    np.testing.assert_allclose(principal_angles(basis[:, :2], basis[:, 1:7]), [0, 90], atol=1e-12)
    doubled = np.hstack([basis[:, :2], basis[:, :2] @ [[1.0, 2.0], [0.5, -1.0]]])
    np.testing.assert_allclose(principal_angles(doubled, basis[:, :3]), [0, 0], atol=1e-6)
    assert principal_angles(np.zeros((9, 2)), basis[:, :2]).shape == (0,)


def test_the_components_are_scikit_learns():
    x = cloud()
    ours, peer = principal_components(x, 4), PCA().fit(x)
    assert np.abs(np.sum(ours.axes * peer.components_[:4], axis=1)) == pytest.approx(np.ones(4))
    np.testing.assert_allclose(ours.variances, peer.explained_variance_[:4] * 79 / 80)
    np.testing.assert_allclose(ours.total, x.var(axis=0).sum())
    np.testing.assert_allclose(ours.mean, x.mean(axis=0))
    assert principal_components(x[:3], 5).axes.shape == (2, 6)
    assert principal_components(x[:1], 5).total == 0


# ------------------------------------------------------------------ decoders


@pytest.mark.parametrize(
    ("name", "spec", "options"),
    [
        ("linear", TABLE, {}),
        ("linear", TABLE, {"hidden": [5, 4]}),
        ("linear", TABLE, {"network": "mlp,tied=true,norm=batch", "hidden": [5]}),
        ("linear", IMAGES, {"network": "conv", "hidden": [3]}),
        ("vae", TABLE, {"hidden": [5], "activation": "identity", "likelihood": "gaussian,scale=shared"}),
        ("contractive", TABLE, {}),
        ("undercomplete", TABLE, {"latent_dim": 9}),
    ],
)
def test_the_map_is_read_off_whatever_the_layers(name, spec, options):
    model = built(name, spec, **options)
    found = linear_decoder(model.train())
    assert model.training
    z = torch.randn(7, found.weight.shape[1], dtype=torch.float64)
    with torch.no_grad():
        expected = model.eval().decoder(z[None]).mean[0].flatten(1).numpy()
    np.testing.assert_allclose(z.numpy() @ found.weight.T + found.bias, expected, rtol=1e-9, atol=1e-9)
    # in single precision the same map passes the test for being one
    np.testing.assert_allclose(linear_decoder(model.float()).weight, found.weight, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_is_no_bend(dtype):
    draw = torch.Generator().manual_seed(0)
    model = built(hidden=[5]).to(dtype)
    inner, outer = model.decoder.network[0], model.decoder.network[2]
    # biases far above the weights, and a value that is zero but for the rounding of large ones
    outer.bias.data = torch.tensor([900.0, -300.0, 7.0, 1e-6, 0.5, 0.0], dtype=dtype)
    inner.bias.data = 300 * torch.randn(5, generator=draw).to(dtype)
    outer.weight.data[5] = torch.tensor([1.0, -1.0, 0.0, 0.0, 0.0], dtype=dtype)
    inner.weight.data[1], inner.bias.data[1] = inner.weight.data[0], inner.bias.data[0]
    found = linear_decoder(model)
    exact = (outer.weight.data.double() @ inner.weight.data.double()).numpy()
    np.testing.assert_allclose(found.weight, exact, atol=3e-4 if dtype == torch.float32 else 1e-12)


def test_the_variance_is_the_likelihoods_where_there_is_one():
    assert linear_decoder(built()).variance == 1.0
    shared = built("vae", likelihood="gaussian,scale=shared")
    shared.decoder.likelihood.log_scale.data.fill_(-0.7)
    expected = -6 + math.log1p(math.exp(-0.7 + 6))
    assert linear_decoder(shared).variance == pytest.approx(math.exp(2 * expected))
    for scale in ("per-example", "per-value"):
        assert linear_decoder(built("vae", likelihood=f"gaussian,scale={scale}")).variance is None
    assert linear_decoder(built("vae", likelihood="laplace")).variance is None
    uneven = built("vae", likelihood="gaussian,scale=per-dimension")
    uneven.decoder.likelihood.log_scale.data[1] = 0.3
    assert linear_decoder(uneven).variance is None


@pytest.mark.parametrize(
    ("name", "spec", "options"),
    [
        ("undercomplete", TABLE, {"hidden": [4]}),
        ("undercomplete", TABLE, {"hidden": [4], "activation": "leaky-relu=0.9"}),
        ("undercomplete", TABLE, {"hidden": [4], "activation": "softplus"}),
        ("linear", IMAGES, {"likelihood": "bernoulli"}),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_decoder_that_bends_is_refused(name, spec, options, dtype):
    with pytest.raises(CapabilityError, match=r"needs a linear decoder, .*: train --model linear"):
        linear_decoder(built(name, spec, **options).to(dtype))


def test_a_decoder_that_bends_far_away_alone_is_refused():
    model = built()
    model.decoder.network = nn.Sequential(nn.Linear(3, 6), nn.Hardtanh(-50, 50)).double()
    with pytest.raises(CapabilityError, match="needs a linear decoder"):
        linear_decoder(model)


def test_weights_from_pca_span_its_subspace_and_give_its_variances():
    x = cloud()
    peer = PCA(3).fit(x)
    model = built(hidden=[4])
    up, down = model.encoder.network, model.decoder.network
    mix = torch.from_numpy(np.random.default_rng(3).standard_normal((3, 3)))
    pad = torch.eye(4, 3, dtype=torch.float64)
    axes = torch.from_numpy(peer.components_)
    up[1].weight.data, up[3].weight.data = pad @ axes, mix @ pad.T
    up[1].bias.data, up[3].bias.data = -pad @ axes @ torch.from_numpy(peer.mean_), torch.zeros(3).double()
    down[0].weight.data, down[2].weight.data = pad @ torch.linalg.inv(mix), axes.T @ pad.T
    down[0].bias.data, down[2].bias.data = torch.zeros(4).double(), torch.from_numpy(peer.mean_)
    found = linear_decoder(model)
    assert principal_angles(found.weight, peer.components_.T).max() < 1e-6
    np.testing.assert_allclose(rebuilt_variances(found, model.encode(x)), peer.explained_variance_ * 79 / 80)


# ------------------------------------------------------------------ densities


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_probabilistic_pca_is_scikit_learns(count):
    train, rows = cloud(), cloud(seed=4)
    peer = PCA(count).fit(train)
    # it divides by n − 1; the likelihood is greatest with n
    peer.explained_variance_ *= 79 / 80
    peer.noise_variance_ *= 79 / 80
    if count == 0:
        noise = train.var(axis=0).sum() / 6
        expected = MultivariateNormal(torch.from_numpy(train.mean(0)), noise * torch.eye(6, dtype=torch.float64))
        expected = float(expected.log_prob(torch.from_numpy(rows)).mean())
    else:
        expected = peer.score(rows)
        np.testing.assert_allclose(ppca(train, count).variance, peer.noise_variance_)
    assert ppca_log_likelihood(train, rows, count) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("size", [2, 6, 9])
def test_a_linear_models_density_is_its_gaussians(size):
    draw = np.random.default_rng(5)
    decoder = LinearDecoder(draw.standard_normal((6, size)), draw.standard_normal(6), 0.3)
    x = cloud()
    covariance = decoder.weight @ decoder.weight.T + 0.3 * np.eye(6)
    expected = MultivariateNormal(torch.from_numpy(decoder.bias), torch.from_numpy(covariance))
    value = float(expected.log_prob(torch.from_numpy(x)).mean())
    assert linear_log_likelihood(decoder, x) == pytest.approx(value, rel=1e-10)


def test_nothing_near_the_optimum_is_above_it():
    train = cloud()
    best = ppca(train, 2)
    highest = ppca_log_likelihood(train, train, 2)
    draw = np.random.default_rng(6)
    for scale in (1e-3, 0.1):
        for _ in range(20):
            weight = best.weight + scale * draw.standard_normal(best.weight.shape)
            other = LinearDecoder(weight, best.bias + scale * draw.standard_normal(6), best.variance * (1 + scale))
            assert linear_log_likelihood(other, train) < highest


def test_what_has_no_density_says_so():
    train = cloud()
    with pytest.raises(UsageError, match=r"takes 0 to 5 components \(got 6\)"):
        ppca_log_likelihood(train, train, 6)
    flat = train[:, :2] @ np.ones((2, 6))
    with pytest.raises(DataError, match="no more than 2 directions"):
        ppca_log_likelihood(flat, flat, 2)
    with pytest.raises(DataError, match="leaves probabilistic PCA no noise"):
        ppca_log_likelihood(train[:3], train, 4)
    with pytest.raises(UsageError, match="one Gaussian variance"):
        linear_log_likelihood(LinearDecoder(np.eye(6), np.zeros(6), None), train)
