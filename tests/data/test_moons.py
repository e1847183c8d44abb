"""Two moons: scikit-learn's curves, with the noise and the truth that they state."""

import numpy as np
import pytest
from sklearn.datasets import make_moons

from aezoo.data import builtin, open_data
from aezoo.errors import UsageError


def nearest(points, curve):
    return np.sqrt(((points[:, None] - curve[None]) ** 2).sum(2)).min(1)


def test_without_noise_the_rows_lie_on_the_peers_curves():
    data = builtin.moons(rows=400, noise=0.0)
    peer, halves = make_moons(20_000)
    for half in (0, 1):
        ours, theirs = data.x[data.labels == half], peer[halves == half]
        # neighbours on the peer's curve are π/10,000 apart
        assert nearest(ours, theirs).max() < 2e-4
        assert nearest(theirs[::100], ours).max() < 0.2
    assert 150 < (data.labels == 0).sum() < 250


def test_the_truth_is_the_angle_and_the_noise_is_that_stated():
    data, angle = builtin.moons(noise=0.1), builtin.moons(noise=0.1).truth["angle"]
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    curve = np.where(data.labels[:, None] == 0, circle, np.array([1.0, 0.5]) - circle)
    residual = data.x - curve
    np.testing.assert_allclose(residual.std(0), 0.1, rtol=0.1)
    assert np.abs(residual.mean(0)).max() < 0.01
    assert angle.min() >= 0
    assert angle.max() <= np.pi


def test_the_seed_decides():
    a, b, c = (builtin.moons(rows=20, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(a.x, b.x)
    assert not np.array_equal(a.x, c.x)


def test_it_is_found_by_name():
    data = open_data("moons,rows=50,noise=0.2,seed=3")
    assert (len(data), data.spec.shape, data.spec.classes) == (50, (2,), 2)
    with pytest.raises(UsageError, match=r"moons has no option 'nois'; did you mean 'noise'"):
        open_data("moons,nois=1")
