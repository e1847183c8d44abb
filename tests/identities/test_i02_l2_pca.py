"""I2: L2 on both weight matrices of a linear autoencoder picks one optimum out of PCA's many.

    minimise ‖X − W₂W₁X‖² + λ(‖W₁‖² + ‖W₂‖²)          X centred, with singular values σ_i

    W₁ = W₂ᵀ; the left singular vectors of W₂ are the principal directions; its singular values are s_i² = 1 − λ/σ_i²;
    the minimum is Σ_{i≤k} (2λ − λ²/σ_i²) + Σ_{i>k} σ_i²;  a direction with σ_i² ≤ λ is given up.

Kunin et al. 2019, "Loss landscapes of regularized linear autoencoders", arXiv:1901.08168.

The penalty is the trainer's ``weight_decay`` w, which under sgd and adam adds w·θ to the gradient, so w/2·‖θ‖² to the
loss. The loss of a unit Gaussian is half the squared error and D/2·log 2π, averaged over the n rows. So the formula is
2n times what is minimised, and λ = n·w. The biases are decayed too, which costs nothing: X is centred, and they end
at 0.

Held to 1e-9, by gradient descent in float64.
"""

import math

import numpy as np
import pytest
import torch

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, Split, Splits
from aezoo.training import TrainConfig, Trainer, build_model

ROWS, D, K = 40, 6, 3
VARIANCES = np.array([3.0, 2.0, 1.2, 0.6, 0.4, 0.2])
SPEC = DataSpec(shape=(D,), scaling="none")


@pytest.fixture(scope="module")
def data():
    """Centred rows X (n, D) with the singular values √(n·VARIANCES), and their principal directions (D, D)."""
    draw = np.random.default_rng(0)
    # orthogonal to the column of ones, so centred
    scores = np.linalg.qr(np.c_[np.ones(ROWS), draw.standard_normal((ROWS, D))]).Q[:, 1:]
    directions = np.linalg.qr(draw.standard_normal((D, D))).Q
    x = scores * np.sqrt(ROWS * VARIANCES) @ directions.T
    return x, directions


def trained(x, decay, epochs):
    torch.manual_seed(0)
    model = build_model("linear", {"latent_dim": K}, SPEC).double()
    dataset = Dataset(x, spec=SPEC, test=[])
    none = Split(dataset, np.arange(0))
    how = TrainConfig(
        epochs=epochs, batch_size=ROWS, optimizer="sgd", momentum=0.9, lr=0.1, weight_decay=decay, device="cpu"
    )
    Trainer(model, Splits(dataset.all(), none, none), how).fit()
    return model


# the last gives up the third of the three directions that the code has room for
@pytest.mark.parametrize(("decay", "epochs"), [(0.3, 600), (0.05, 1000), (1.5, 600)])
def test_descent_under_weight_decay_ends_at_the_optimum_of_the_penalised_loss(data, decay, epochs):
    x, directions = data
    model = trained(x, decay, epochs)
    up, down = model.encoder.network[-1], model.decoder.network[-1]
    w1, w2 = up.weight.detach().numpy(), down.weight.detach().numpy()
    penalty, variances = ROWS * decay, ROWS * VARIANCES
    kept = (np.arange(D) < K) & (variances > penalty)

    np.testing.assert_allclose(w1, w2.T, atol=1e-9)
    vectors, values, _ = np.linalg.svd(w2)
    shrunk = np.clip(1 - penalty / variances, 0, None)[:K]
    np.testing.assert_allclose(values**2, shrunk, rtol=1e-9, atol=1e-9)
    cosines = np.abs(vectors.T @ directions)[: kept.sum(), : kept.sum()]
    np.testing.assert_allclose(cosines, np.eye(kept.sum()), atol=1e-9)
    for bias in (up.bias, down.bias):
        np.testing.assert_allclose(bias.detach().numpy(), 0, atol=1e-9)

    loss = model.measure([torch.from_numpy(x)])["loss"]
    squared_error = 2 * ROWS * (loss - D / 2 * math.log(2 * math.pi))
    assert squared_error == pytest.approx(np.square(x - x @ w1.T @ w2.T).sum(), rel=1e-9)
    reached = squared_error + penalty * (np.square(w1).sum() + np.square(w2).sum())
    minimum = (2 * penalty - penalty**2 / variances)[kept].sum() + variances[~kept].sum()
    assert reached == pytest.approx(minimum, rel=1e-9)


def test_without_the_penalty_the_optimum_is_one_of_pcas_many(data):
    x, directions = data
    model = trained(x, 0.0, 1000)
    up, down = model.encoder.network[-1], model.decoder.network[-1]
    w1, w2 = up.weight.detach().numpy(), down.weight.detach().numpy()
    leading = directions[:, :K]
    np.testing.assert_allclose(w2 @ w1, leading @ leading.T, atol=1e-9)
    assert np.abs(w1 - w2.T).max() > 0.01
