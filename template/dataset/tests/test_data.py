"""The data, against what is known of it."""

import aezoo
import numpy as np
import pytest

from aezoo_my_model.data import load


def test_without_noise_every_row_is_on_the_curve_that_the_truth_says() -> None:
    data = load(rows=500, noise=0.0)
    x, angle = data.all().rows().numpy(), data.truth["angle"]
    np.testing.assert_allclose(np.hypot(x[:, 0], x[:, 1]), 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.arctan2(x[:, 1], x[:, 0]) % (2 * np.pi), angle % (2 * np.pi), atol=1e-5)
    np.testing.assert_allclose(x[:, 2], angle / (2 * np.pi), rtol=1e-5)


def test_the_noise_has_the_deviation_that_was_asked_for() -> None:
    noisy, clean = (load(rows=20_000, noise=noise).all().rows().numpy() for noise in (0.1, 0.0))
    assert np.std(noisy - clean) == pytest.approx(0.1, rel=0.02)


def test_a_seed_gives_the_same_rows_and_another_one_others() -> None:
    one, again, other = (load(rows=50, seed=seed).all().rows().numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_it_is_registered_with_its_options() -> None:
    entry = aezoo.registry.datasets["my-model"]
    assert entry.options().model_dump() == {"rows": 2000, "noise": 0.05, "seed": 0}
    with pytest.raises(aezoo.errors.UsageError, match="rows"):
        aezoo.data.open_data("my-model,rows=1")


def test_one_number_says_where_on_the_curve_a_row_is() -> None:
    run = aezoo.train("undercomplete", "my-model", latent_dim=1, hidden=[64, 64], epochs=60)
    # of standardised values: 3 is what their mean alone leaves
    assert run.results["squared_error"] < 1.0
