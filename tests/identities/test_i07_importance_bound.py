"""I7: the importance-weighted bound grows with the draws and stays below log p(x). Burda et al. 2016, theorem 1."""

from itertools import pairwise

import numpy as np
from linear_gaussian import LinearGaussian

from aezoo.evaluation import evidence_bound, importance_sampling


def test_the_bound_of_the_same_draws_grows_with_the_size_of_their_groups():
    truth = LinearGaussian(shift=0.5, stretch=0.3)
    found = importance_sampling(truth.model, truth.split, draws=256)
    assert list(found.bounds) == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    for low, high in pairwise(found.bounds.values()):
        # groups within groups: it holds for every row and every set of draws
        assert (high > low).all()
    bound = evidence_bound(truth.model, truth.split, draws=256, estimator="sampled")
    np.testing.assert_allclose(found.bounds[1], bound.values, rtol=1e-12)


def test_no_bound_exceeds_the_evidence_and_the_last_one_reaches_it():
    truth = LinearGaussian(shift=0.5, stretch=0.3)
    evidence = truth.log_evidence.numpy()
    found = [importance_sampling(truth.model, truth.split, draws=64, seed=seed) for seed in range(100)]
    means = {size: np.mean([one.bounds[size] for one in found], axis=0) for size in found[0].bounds}
    errors = {size: np.std([one.bounds[size] for one in found], axis=0) / 10 for size in means}
    for low, high in pairwise(means):
        assert (means[low] < means[high]).all()
    for size, mean in means.items():
        assert (mean < evidence + 4 * errors[size]).all(), size
    # L_1 falls short by the whole of KL(q ‖ p(z | x)), known in closed form
    q = truth.model.encoder(truth.x)
    gap = truth.divergence(q.loc, q.log_scale).detach().numpy()
    assert (np.abs(means[1] - (evidence - gap)) < 4 * errors[1]).all()
    assert np.abs(importance_sampling(truth.model, truth.split, draws=50_000).log_likelihood - evidence).max() < 0.03
