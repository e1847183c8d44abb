"""Sparse codes: a penalty as a prior, and units whose rows and atoms are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import distributions as td
from torch import nn

from aezoo.core.schedules import Linear
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, make_preprocess
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation import atoms, encode_split, firing_rates, implied_scale, top_features
from aezoo.inspection import Subject, sparsity
from aezoo.inspection import options as look
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import (
    Bernoulli,
    Decoder,
    Gaussian,
    LaplacePrior,
    PointEncoder,
    Weighted,
    laplace_scale,
    laplace_weight,
    mlp,
)
from aezoo.training import build_model
from aezoo_sparse.penalties import L1


def table(x, **spec):
    x = np.asarray(x, dtype=np.float64)
    return Dataset(x, spec=DataSpec(name="table", shape=x.shape[1:], **spec))


def noise(rows=40, dim=5, seed=0):
    return table(np.random.default_rng(seed).standard_normal((rows, dim)))


def same(dataset, *regularizers, network=None, likelihood=Gaussian, preprocess=None):
    """A model whose code is the rectified datum."""
    torch.manual_seed(0)
    decoder = Decoder(nn.Identity() if network is None else network, likelihood(dataset.spec))
    encoder = PointEncoder(nn.Flatten(), nn.ReLU())
    return Autoencoder(encoder, decoder, spec=dataset.spec, regularizers=regularizers, preprocess=preprocess).double()


# ---------------------------------------------------------------------- a penalty as a prior


@pytest.mark.parametrize("scale", [0.02, 1.0, 7.5])
def test_a_laplace_prior_is_its_penalty_and_a_constant_and_the_way_back_leads_to_it(scale):
    z = 3 * torch.randn(4, 9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = laplace_weight(scale)
    truth = -td.Laplace(torch.zeros(6).double(), scale).log_prob(z).sum(-1)
    torch.testing.assert_close(weight * L1()(z) + 6 * math.log(2 * scale), truth, rtol=1e-12, atol=1e-12)
    back = LaplacePrior((6,), laplace_scale(weight)).double()()
    torch.testing.assert_close(-back.log_prob(z), truth, rtol=1e-12, atol=1e-12)
    assert laplace_weight(laplace_scale(0.05)) == pytest.approx(0.05, rel=1e-15)


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_no_prior_without_a_positive_scale(value):
    with pytest.raises(UsageError, match="positive and finite"):
        laplace_weight(value)
    with pytest.raises(UsageError, match="positive and finite"):
        laplace_scale(value)


@pytest.mark.parametrize("likelihood", [Gaussian, Bernoulli])
def test_the_loss_is_the_joint_density_under_the_implied_prior(likelihood):
    dataset = table(np.random.default_rng(0).random((8, 5)), low=0.0, high=1.0, scaling="scale")
    model = same(dataset, Weighted("l1", L1(), 0.3), likelihood=likelihood)
    x = torch.from_numpy(dataset.x)
    scale = implied_scale(model)
    prior = LaplacePrior((5,), scale).double()()
    z = model.code(x)
    joint = model.decoder(z[None]).log_prob(x)[0] + prior.log_prob(z)
    expected = -joint.mean() - 5 * math.log(2 * scale)
    torch.testing.assert_close(model.step(x).loss, expected, rtol=1e-12, atol=1e-12)
    if likelihood is Gaussian:
        by_hand = 0.5 * (x - z).square().sum(1) + z.abs().sum(1) / scale + 2.5 * math.log(2 * math.pi)
        torch.testing.assert_close(model.step(x).loss, by_hand.mean(), rtol=1e-12, atol=1e-12)


def test_the_implied_scale_follows_all_that_l1_weighs():
    dataset = noise()
    ramp = Linear(start=0.0, end=0.2, steps=10)
    assert implied_scale(same(dataset, Weighted("l1", L1(), 0.05))) == 20
    assert implied_scale(same(dataset, Weighted("l1", L1(), ramp))) == 5
    assert implied_scale(same(dataset, Weighted("l1", L1(), ramp), Weighted("l1", L1(), 0.05))) == 4
    assert implied_scale(same(dataset, Weighted("l1", L1(), 0.0))) is None
    assert implied_scale(same(dataset, Weighted("l1-of-mine", L1(), 1.0))) is None
    assert implied_scale(same(dataset)) is None


# ---------------------------------------------------------------------- what fires, and what makes it fire

CODES = [
    [0.0, 1.0, 0.0, 2.0],
    [0.0, 3.0, 0.0, 0.0],
    [5.0, 2.0, 0.0, 0.0],
    [0.0, 3.0, 0.0, 1e-9],
    [0.0, 0.5, 0.0, 4.0],
]


def test_firing_rates_count_rows():
    assert firing_rates(np.array(CODES)).tolist() == [0.2, 1.0, 0.0, 0.4]
    assert firing_rates(-np.array(CODES)).tolist() == [0.2, 1.0, 0.0, 0.4]


def test_the_rows_that_make_a_unit_fire_most():
    dataset = table(CODES)
    found = top_features(same(dataset), dataset.all(), count=3)
    assert [f.unit for f in found] == [1, 3, 0]
    assert [f.rate for f in found] == [1.0, 0.4, 0.2]
    assert [f.rows.tolist() for f in found] == [[1, 3, 2], [4, 0], [2]]
    assert [f.activations.tolist() for f in found] == [[3.0, 3.0, 2.0], [4.0, 2.0], [5.0]]


def test_units_that_are_asked_for_come_in_that_order_dead_or_not():
    dataset = table(CODES)
    found = top_features(same(dataset), dataset.all(), units=(2, 0))
    assert [(f.unit, f.rate, f.rows.tolist()) for f in found] == [(2, 0.0, []), (0, 0.2, [2])]


def test_units_that_fire_alike_are_ordered_by_size_and_at_most_eight_are_chosen():
    dataset = table(np.abs(noise(dim=12).x) * np.arange(1, 13))
    sizes = dataset.x.mean(0)
    found = top_features(same(dataset), dataset.all())
    assert [f.unit for f in found] == np.argsort(-sizes)[:8].tolist()


def test_features_that_there_are_not():
    dataset = table(CODES)
    model, split = same(dataset), dataset.all()
    with pytest.raises(UsageError, match=r"no unit 4.*has 4"):
        top_features(model, split, units=(0, 4))
    for units in ((), (1, 1)):
        with pytest.raises(UsageError, match="1 to 32 different"):
            top_features(model, split, units=units)
    with pytest.raises(UsageError, match="at least 1"):
        top_features(model, split, count=0)
    dead = table(-np.array(CODES) - 1)
    with pytest.raises(DataError, match="no unit"):
        top_features(same(dead), dead.all())
    with pytest.raises(DataError, match="no rows"):
        top_features(model, dataset.split(0).validation)


def test_the_atoms_of_an_affine_decoder_are_its_columns_in_raw_units():
    dataset = table(np.random.default_rng(1).standard_normal((50, 5)) * [1, 2, 3, 4, 5] + 7)
    preprocess = make_preprocess("standardize", dataset.spec)
    preprocess.fit(dataset.all().batches(16))
    network = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 5))
    found = atoms(same(dataset, network=network, preprocess=preprocess), (4, 0))
    columns = (network[1].weight @ network[0].weight).detach().numpy() * dataset.x.std(0)[:, None]
    np.testing.assert_allclose(found, columns[:, [4, 0]].T, rtol=1e-9)


@pytest.mark.parametrize("bend", [nn.ReLU(), nn.Tanh(), nn.Sigmoid()])
def test_a_bent_decoder_has_no_atoms(bend):
    dataset = noise()
    layer = nn.Linear(5, 5, bias=False)
    assert atoms(same(dataset, network=nn.Sequential(layer, bend)), (0,)) is None
    assert atoms(same(dataset, network=layer), (0,)) is not None


def test_a_bent_likelihood_has_no_atoms_and_tied_weights_have():
    dataset = table(np.random.default_rng(0).random((8, 5)), low=0.0, high=1.0, scaling="scale")
    assert atoms(same(dataset, likelihood=Bernoulli), (0,)) is None
    likelihood = Gaussian(dataset.spec)
    up, down = mlp(dataset.spec, (3,), 3, likelihood.outputs, (), nn.ReLU, tied=True)
    model = Autoencoder(PointEncoder(up), Decoder(down, likelihood), spec=dataset.spec)
    np.testing.assert_allclose(atoms(model, (1,))[0], up[1].weight[1].detach().numpy(), rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------------- as inspections


def test_the_figures_of_a_sparse_code():
    dataset = table(CODES)
    subject = Subject(same(dataset, Weighted("l1", L1(), 0.5)), dataset.split(), dataset.all())
    figures = sparsity.sparsity(subject, look.SparsityOptions()).figures
    assert figures["firing_rates"] == [0.2, 1.0, 0.0, 0.4]
    assert figures["mean_sizes"] == pytest.approx([1.0, 1.9, 0.0, 1.2])
    assert figures["laplace_scale"] == pytest.approx(20.5 / 20)
    assert figures["implied_scale"] == 2.0
    assert (figures["l0"], figures["dead_units"], figures["units"], figures["examples"]) == (1.6, 1, 4, 5)
    assert figures["zeros"] == pytest.approx(0.6)
    # of all scales that one makes the codes' density largest
    codes = torch.tensor(CODES)
    best, low, high = (td.Laplace(0.0, s * figures["laplace_scale"]).log_prob(codes).sum() for s in (1.0, 0.99, 1.01))
    assert best > max(low, high)


def test_distributed_codes_have_no_zeros_to_count_but_features():
    dataset = noise()
    torch.manual_seed(0)
    model = build_model("vae", {"hidden": [8], "latent_dim": 3}, dataset.spec)
    model.preprocess.fit(dataset.all().batches(16))
    subject = Subject(model, dataset.split(), dataset.all())
    with pytest.raises(CapabilityError, match="use dimensions"):
        sparsity.sparsity(subject, look.SparsityOptions())
    figures = sparsity.features(subject, look.FeaturesOptions(units=(1,), count=4)).figures
    codes = encode_split(model, dataset.all())[:, 1]
    assert figures["units"]["1"]["rows"] == np.argsort(-codes)[:4].tolist()


@pytest.mark.parametrize("order", [np.arange(40), np.arange(40)[::-1].copy()])
def test_rows_are_numbered_in_the_split_whichever_were_looked_at(order):
    dataset = noise()
    split = dataset.all()
    split.index = order
    subject = Subject(same(dataset), dataset.split(), split, seed=3)
    figures = sparsity.features(subject, look.FeaturesOptions(rows=10, units=(0,), count=40)).figures
    assert figures["examples"] == 10
    found = figures["units"]["0"]
    assert 0 < len(found["rows"]) < 10
    np.testing.assert_allclose(dataset.x[order[found["rows"]], 0], found["activations"], rtol=1e-6)
