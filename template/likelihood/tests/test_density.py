"""The maths, against a truth that was not computed by it."""

import aezoo
import pytest
import torch
from aezoo.errors import UsageError
from scipy import stats

from aezoo_my_model.density import MyModelLikelihood


def values(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("freedom", "scale"), [(4.0, 1.0), (2.5, 0.3), (30.0, 2.0)])
def test_the_density_is_scipys(freedom: float, scale: float) -> None:
    output, x = values(2, 5, 6), 4 * values(5, 2, 3)
    found = MyModelLikelihood(aezoo.DataSpec(shape=(2, 3)), freedom, scale)(output).log_prob(x)
    expected = stats.t.logpdf(x.numpy(), freedom, output.view(2, 5, 2, 3).numpy(), scale).sum((-2, -1))
    torch.testing.assert_close(found, torch.from_numpy(expected))


def test_the_mean_is_what_the_decoder_says() -> None:
    output, spec = values(1, 4, 3), aezoo.DataSpec(shape=(3,))
    torch.testing.assert_close(MyModelLikelihood(spec)(output).mean, output)


def test_a_value_far_out_costs_far_less_than_under_a_gaussian() -> None:
    far = torch.full((1, 1), 100.0)
    px = MyModelLikelihood(aezoo.DataSpec(shape=(1,)))(torch.zeros(1, 1, 1))
    assert -px.log_prob(far).item() < 0.01 * 100.0**2 / 2


@pytest.mark.parametrize("options", [{"freedom": 2.0}, {"freedom": float("nan")}, {"scale": 0.0}, {"scale": -1.0}])
def test_what_is_out_of_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="must be above"):
        MyModelLikelihood(aezoo.DataSpec(shape=(3,)), **options)


def test_trained_under_it_a_model_reconstructs() -> None:
    run = aezoo.train("undercomplete", "digits", epochs=12, likelihood="my-model")
    # the pixels' values go from 0 to 16, and the error is of values scaled to 1
    spread = (run.splits.test.rows().double() / 16).var(0).sum().item()
    assert run.results["squared_error"] < 0.7 * spread
