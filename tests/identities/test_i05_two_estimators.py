"""I5: both estimators of the evidence bound have one expectation. Kingma & Welling 2014, section 2.3."""

import numpy as np
import pytest
import torch
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.evaluation import evidence_bound
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import KL, Decoder, Gaussian, GaussianEncoder, Laplace, LaplacePrior, StandardNormal, Weighted

SPEC = DataSpec(shape=(5,), scaling="none")
DRAWS = 4000


@pytest.mark.parametrize("prior", [StandardNormal((2,)), LaplacePrior((2,), 0.7)])
@pytest.mark.parametrize("likelihood", [Gaussian, Laplace])
def test_the_bound_by_draws_and_with_the_closed_form_agree(prior, likelihood):
    torch.manual_seed(0)
    encoder = GaussianEncoder(nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4)))
    decoder = Decoder(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 5)), likelihood(SPEC))
    model = Autoencoder(encoder, decoder, spec=SPEC, prior=prior, regularizers=[Weighted("kl", KL())]).double()
    split = Dataset(np.random.default_rng(0).normal(size=(30, 5)), spec=SPEC).all()
    # streams of their own, or their common noise would hide a difference less than it should
    one = evidence_bound(model, split, draws=DRAWS, estimator="sampled", seed=1)
    other = evidence_bound(model, split, draws=DRAWS, estimator="analytic", seed=2)
    errors = np.sqrt((one.variances + other.variances) / DRAWS)
    assert (errors > 0).all()
    assert (np.abs(one.values - other.values) < 4 * errors).all()
    mean_error = np.sqrt(np.square(errors).sum()) / len(errors)
    assert abs((one.values - other.values).mean()) < 4 * mean_error
