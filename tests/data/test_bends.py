"""Scalings that are no straight line, beside scikit-learn and scipy: fitted, saved, inverted."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.preprocessing import RobustScaler

import aezoo
from aezoo.core.spec import Column, DataSpec
from aezoo.data import make_preprocess
from aezoo.errors import UsageError

RNG = np.random.default_rng(0)
X = np.stack([np.exp(2 * RNG.normal(size=200)), RNG.normal(size=200), RNG.integers(0, 4, 200)], axis=1).astype(float)


def fitted(kind, x=X, spec=None, size=37):
    made = make_preprocess(kind, spec or DataSpec(shape=(x.shape[1],)))
    made.fit(torch.from_numpy(x[i : i + size]) for i in range(0, len(x), size))
    return made


@pytest.mark.parametrize("kind", ["robust", "log1p", "quantile", "per-column"])
def test_there_and_back(kind):
    made = fitted(kind)
    x = torch.from_numpy(X)
    u = made(x, torch.float64)
    assert torch.allclose(made.inverse(u), x, rtol=1e-9, atol=1e-9)
    far = torch.tensor([[1e6, -50.0, 9.0], [-1e6, 50.0, -9.0]], dtype=torch.float64)
    there = made(far, torch.float64)
    assert torch.allclose(made.inverse(there), far, rtol=1e-9)
    # what lies further out stays further out
    assert there[0, 0] > u[:, 0].max()
    assert there[1, 0] < u[:, 0].min()
    ordered = made(torch.linspace(-100, 100, 5001, dtype=torch.float64)[:, None].expand(-1, 3), torch.float64)
    assert (ordered.diff(dim=0) >= 0).all()
    assert made.half()(x, torch.float64).equal(u)


def test_robust_is_scikit_learns():
    wanted = RobustScaler(unit_variance=True).fit_transform(X)
    assert np.allclose(fitted("robust")(torch.from_numpy(X), torch.float64), wanted)
    # a column of which three quarters are one value has no quartiles
    spiked = X.copy()
    spiked[:160, 1] = 0.0
    u = fitted("robust", spiked)(torch.from_numpy(spiked), torch.float64)
    assert u.isfinite().all()
    assert 0.1 < u[160:, 1].abs().mean() < 10


def test_logarithms_are_standardised():
    wanted = stats.zscore(np.sign(X) * np.log1p(np.abs(X)))
    assert np.allclose(fitted("log1p")(torch.from_numpy(X), torch.float64), wanted)


def test_quantiles_are_normal_scores_of_ranks():
    u = fitted("quantile")(torch.from_numpy(X), torch.float64).numpy()
    for column in range(3):
        wanted = stats.norm.ppf((stats.rankdata(X[:, column]) - 0.5) / len(X))
        assert np.allclose(u[:, column], wanted)
    many = RNG.standard_t(2, size=(5000, 1))
    u = fitted("quantile", many)(torch.from_numpy(many), torch.float64).numpy()
    wanted = stats.norm.ppf((stats.rankdata(many[:, 0]) - 0.5) / len(many))
    assert np.abs(u[:, 0] - wanted).max() < 0.1
    assert stats.kurtosis(u[:, 0]) == pytest.approx(0, abs=0.1)


def test_heavy_columns_alone_are_bent():
    x = np.stack([RNG.standard_t(1.5, size=4000), RNG.normal(size=4000), RNG.random(4000) < 0.002], axis=1)
    made = fitted("per-column", x)
    assert made.bend.bent.tolist() == [True, False, False]
    u = made(torch.from_numpy(x), torch.float64).numpy()
    assert np.allclose(u[:, 1:], stats.zscore(x)[:, 1:])
    assert np.abs(u[:, 0]).max() < 5


def test_samples_of_long_streams_are_spread_over_them(monkeypatch):
    monkeypatch.setattr("aezoo.data.bends.SAMPLED", 500)
    x = np.sort(RNG.normal(size=(20_000, 1)), axis=0)
    made = fitted("quantile", x, size=333)
    u = made(torch.from_numpy(x), torch.float64).numpy()
    wanted = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    middle = slice(500, -500)
    assert np.abs(u[middle, 0] - wanted[middle]).max() < 0.1


@pytest.mark.parametrize("kind", ["robust", "log1p", "quantile", "per-column"])
def test_holes_and_levels_stay_what_they_are(kind):
    x = X.copy()
    x[::7, 0] = np.nan
    columns = (Column(name="a", holes=True), Column(name="b"), Column(name="c", kind="category", levels=tuple("wxyz")))
    made = fitted(kind, x, DataSpec(shape=(3,), columns=columns))
    u = made(torch.from_numpy(x), torch.float64)
    assert torch.equal(u[:, 2], torch.from_numpy(x[:, 2]))
    assert torch.equal(u[:, 0].isnan(), torch.from_numpy(np.isnan(x[:, 0])))
    assert torch.allclose(made.inverse(u), torch.from_numpy(x), equal_nan=True)
    there = x[~np.isnan(x[:, 0])]
    alone = fitted(kind, there[:, :1])
    assert torch.allclose(u[~u[:, 0].isnan(), 0], alone(torch.from_numpy(there[:, :1]), torch.float64)[:, 0])


@pytest.mark.parametrize("kind", ["robust", "log1p", "quantile", "per-column"])
def test_scalings_are_saved_with_the_model(tmp_path, kind):
    run = aezoo.train("vae", X, preprocess=kind, epochs=2, latent_dim=2, out=tmp_path / "run", progress=False)
    loaded = aezoo.load(tmp_path / "run")
    assert np.array_equal(loaded.score(X), run.model.score(X))
    assert np.array_equal(loaded.reconstruct(X), run.model.reconstruct(X))
    assert ("bits_per_dim" in run.results) == (kind == "robust")


def test_images_and_densities_of_raw_values_have_none():
    with pytest.raises(UsageError, match="preprocess 'quantile' is for tables"):
        make_preprocess("quantile", DataSpec(shape=(1, 4, 4)))
    with pytest.raises(UsageError, match="another slope at every value"):
        fitted("log1p").log_det()
    assert make_preprocess("robust", DataSpec(shape=(2, 4, 4))).scale.shape == (2, 1, 1)
    images = RNG.normal(size=(50, 2, 4, 4)) * np.array([1, 100])[:, None, None]
    made = make_preprocess("robust", DataSpec(shape=(2, 4, 4)))
    made.fit([torch.from_numpy(images)])
    wanted = [RobustScaler(unit_variance=True).fit(images[:, c].reshape(-1, 1)) for c in range(2)]
    assert np.allclose(made.shift.flatten(), [float(scaler.center_[0]) for scaler in wanted])
    assert np.allclose(1 / made.scale.flatten(), [float(scaler.scale_[0]) for scaler in wanted])
