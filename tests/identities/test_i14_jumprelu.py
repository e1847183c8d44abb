"""I14: JumpReLU's pseudo-gradient for its threshold is −(θ/ε)·K((z − θ)/ε), the step's is −(1/ε)·K((z − θ)/ε).

Re-derived: smear z by the kernel, y = z + εu with u of density K. The mean output is then smooth in θ,

    E y·H(y − θ) = ∫_θ^∞ y·K((y − z)/ε)/ε dy,    with the derivative −θ·K((θ − z)/ε)/ε,

and K is even. So the pseudo-gradient is the derivative of an integral, taken here by differences; and its mean over
data estimates the derivative of the data's own mean output.
"""

import math

import pytest
import torch

from aezoo_sparse.jumprelu import JumpReLU

TIGHT = {"rtol": 0, "atol": 1e-6}
CASES = [(0.3, 0.1), (0.3, 0.5), (0.05, 0.2), (2.0, 0.01)]


def activation(threshold, bandwidth, size=1):
    return JumpReLU((size,), threshold, bandwidth).double()


def around(threshold, bandwidth):
    """Values on both sides of the window and within it, none nearer to its edges than the differences reach."""
    return threshold + bandwidth * torch.linspace(-2, 2, 60, dtype=torch.float64)


def pseudo_gradient(function, unit, z):
    """∂/∂θ of each value by itself (N,), from the one for log θ that autograd gives."""
    found = [torch.autograd.grad(function(value.view(1, 1)).sum(), unit.log_threshold)[0] for value in z]
    return torch.cat(found) / unit.log_threshold.detach().exp()


def smeared(output, z, threshold, bandwidth, points=200):
    """E output(y)·H(y − θ) (N,) by the midpoint rule on the part of the window above θ."""
    low = torch.clamp(z - bandwidth / 2, min=threshold)
    width = (z + bandwidth / 2 - low).clamp(min=0)
    middles = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    y = low[:, None] + width[:, None] * middles
    return output(y).mean(1) * width / bandwidth


def by_differences(output, z, threshold, bandwidth):
    step = 1e-4 * bandwidth
    above, below = (smeared(output, z, threshold + sign * step, bandwidth) for sign in (1, -1))
    return (above - below) / (2 * step)


@pytest.mark.parametrize(("threshold", "bandwidth"), CASES)
def test_the_activations_pseudo_gradient_is_that_of_the_smeared_output(threshold, bandwidth):
    unit, z = activation(threshold, bandwidth), around(threshold, bandwidth)
    truth = by_differences(lambda y: y, z, threshold, bandwidth)
    assert (truth != 0).any()
    assert (truth == 0).any()
    torch.testing.assert_close(pseudo_gradient(unit, unit, z), truth, **TIGHT)


@pytest.mark.parametrize(("threshold", "bandwidth"), CASES)
def test_the_steps_pseudo_gradient_is_that_of_the_smeared_step(threshold, bandwidth):
    unit, z = activation(threshold, bandwidth), around(threshold, bandwidth)
    truth = by_differences(torch.ones_like, z, threshold, bandwidth)
    torch.testing.assert_close(pseudo_gradient(unit.active, unit, z), truth, **TIGHT)


@pytest.mark.parametrize(("threshold", "bandwidth"), CASES)
def test_the_pseudo_gradients_are_the_published_formulas(threshold, bandwidth):
    unit, z = activation(threshold, bandwidth), around(threshold, bandwidth)
    kernel = (((z - threshold) / bandwidth).abs() < 0.5).double()
    torch.testing.assert_close(pseudo_gradient(unit, unit, z), -threshold / bandwidth * kernel, **TIGHT)
    torch.testing.assert_close(pseudo_gradient(unit.active, unit, z), -kernel / bandwidth, **TIGHT)


def test_their_mean_over_data_estimates_the_derivative_of_the_mean_output():
    """For z ~ N(0, 1): d/dθ E z·H(z − θ) = −θ·φ(θ) and d/dθ P(z > θ) = −φ(θ)."""
    threshold, bandwidth, rows = 0.7, 0.1, 400_000
    unit = activation(threshold, bandwidth)
    z = torch.randn(rows, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    density = math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi)
    for function, scale in ((unit, threshold), (unit.active, 1.0)):
        (gradient,) = torch.autograd.grad(function(z).mean(), unit.log_threshold)
        error = scale * math.sqrt(density / bandwidth / rows)
        assert abs(float(gradient) / threshold + scale * density) < 4 * error


def test_the_values_are_those_of_the_hard_threshold_and_an_active_unit_is_pulled_as_by_a_logarithm():
    unit = activation(0.3, 0.1, size=60)
    z = around(0.3, 0.1)[None].requires_grad_()
    output, active = unit(z), unit.active(z)
    above = z.detach() > 0.3
    assert torch.equal(output, torch.where(above, z.detach(), 0.0))
    assert torch.equal(active, above.double())
    (gradient,) = torch.autograd.grad(output.sum(), z)
    assert torch.equal(gradient, above.double())
    (pull,) = torch.autograd.grad(active.sum(), z)
    smooth = (z / 0.1).log1p() / math.log1p(1 / 0.1)
    (truth,) = torch.autograd.grad(smooth.sum(), z)
    torch.testing.assert_close(pull, torch.where(above, truth, 0.0), rtol=1e-12, atol=0)
    assert (pull > 0).any()
