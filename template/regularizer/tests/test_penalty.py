"""The maths, against a truth that was not computed by it."""

import aezoo
import numpy as np
import pytest
import torch

from aezoo_my_model.penalty import MyModelPenalty


def codes(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("standardize", [False, True])
def test_it_is_half_the_squares_beside_the_diagonal_of_numpys_matrix(standardize: bool) -> None:
    z = codes(2, 50, 4)
    rows = z.flatten(0, 1).numpy()
    matrix = np.corrcoef(rows, rowvar=False) if standardize else np.cov(rows, rowvar=False, bias=True)
    expected = 0.5 * (np.square(matrix).sum() - np.square(np.diag(matrix)).sum())
    assert MyModelPenalty(standardize)(z).item() == pytest.approx(expected, rel=1e-4)


def test_units_that_are_alike_pay_most_and_independent_ones_next_to_nothing() -> None:
    one = codes(1, 20_000, 1)
    alike = MyModelPenalty()(one.expand(-1, -1, 3)).item()
    assert alike == pytest.approx(3.0, rel=1e-3)
    assert MyModelPenalty()(codes(1, 20_000, 3)).item() < 0.01


def test_a_unit_that_never_moves_costs_nothing_and_has_a_gradient() -> None:
    z = torch.cat([codes(1, 8, 2), torch.ones(1, 8, 1, dtype=torch.float64)], dim=2).requires_grad_()
    (gradient,) = torch.autograd.grad(MyModelPenalty()(z), z)
    assert torch.isfinite(gradient).all()


def test_codes_of_several_axes_count_each_of_their_units() -> None:
    z, penalty = codes(3, 2, 4, 5), MyModelPenalty()
    torch.testing.assert_close(penalty(z), penalty(z.flatten(2)))


def correlation(weight: float) -> float:
    """The mean |correlation| between the units of a model that was trained under so much of the penalty."""
    given = [f"my-model={weight}"] if weight else []
    run = aezoo.train("undercomplete", "digits", epochs=12, latent_dim=6, regularizers=given)
    found = np.abs(np.corrcoef(run.model.encode(run.splits.test.rows()).numpy(), rowvar=False))
    return float(found[~np.eye(6, dtype=bool)].mean())


def test_trained_under_the_penalty_units_are_less_alike() -> None:
    assert correlation(1.0) < correlation(0.0) / 2
