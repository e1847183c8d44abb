"""Every figure against an independent truth: closed forms, NumPy, or its own definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, Split, Splits, make_preprocess, scaled_spec
from aezoo.errors import CapabilityError, DataError, UsageError
from aezoo.evaluation import (
    active_units,
    bits_per_dim,
    dead_units,
    encode_split,
    evaluate,
    l0,
    negative_elbo,
    pca_squared_error,
    prepared_split,
    probe_accuracy,
    reconstruction_figures,
    some_rows,
)
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import (
    KL,
    Categorical,
    Decoder,
    Encoder,
    Gaussian,
    GaussianEncoder,
    PointEncoder,
    StandardNormal,
    Weighted,
)
from aezoo.training import build_model


def draw(seed=0):
    return np.random.default_rng(seed)


def table(rows=60, dim=5, labels=None, test=None, x=None, **spec):
    x = draw().standard_normal((rows, dim)) * 3 + 7 if x is None else x
    return Dataset(x, labels, spec=DataSpec(name="table", shape=x.shape[1:], **spec), test=test)


def images(rows=40, channels=1):
    x = draw().integers(0, 256, (rows, channels, 6, 5)).astype(np.uint8)
    spec = DataSpec(name="bytes", shape=x.shape[1:], low=0.0, high=255.0, levels=256, scaling="scale")
    return Dataset(x, np.arange(rows) % 3, spec=spec)


def built(name, dataset, **options):
    torch.manual_seed(0)
    model = build_model(name, {"hidden": [8], "latent_dim": 3, **options}, dataset.spec)
    model.preprocess.fit(dataset.split().train.batches(16))
    return model


class ExactPosterior(Encoder):
    """p(z | x) of x = W z + b + noise of variance 1: N(M⁻¹Wᵀ(x − b), M⁻¹), M = I + WᵀW."""

    def __init__(self, decoder: nn.Linear):
        super().__init__()
        w = decoder.weight.detach()
        self.covariance = torch.linalg.inv(torch.eye(w.shape[1], dtype=w.dtype) + w.T @ w)
        self.gain, self.offset = self.covariance @ w.T, decoder.bias.detach()

    def forward(self, x):
        return MultivariateNormal((x - self.offset) @ self.gain.T, self.covariance)


def factor_analysis(dataset, latent=2, weight=1.0):
    decoder = nn.Linear(latent, dataset.spec.size).double()
    spec = scaled_spec("standardize", dataset.spec)
    preprocess = make_preprocess("standardize", dataset.spec)
    preprocess.fit(dataset.split().train.batches(16))
    model = Autoencoder(
        ExactPosterior(decoder),
        Decoder(decoder, Gaussian(spec)),
        spec=dataset.spec,
        prior=StandardNormal((latent,)).double(),
        regularizers=[Weighted("kl", KL(), weight)],
        preprocess=preprocess,
    ).double()
    w = decoder.weight.detach()
    return model, MultivariateNormal(decoder.bias.detach(), w @ w.T + torch.eye(len(w), dtype=w.dtype))


def test_the_bound_is_tight_at_the_exact_posterior_whatever_the_weight_and_bits_are_of_raw_data():
    dataset = table(rows=400)
    splits = dataset.split()
    model, density = factor_analysis(dataset, weight=4.0)
    figures = evaluate(model, splits, draws=3)
    scaled = torch.from_numpy(prepared_split(model, splits.test))
    assert figures["neg_elbo"] == pytest.approx(-float(density.log_prob(scaled).mean()), rel=1e-10)

    # the same Gaussian written down for the raw values
    spread = 1 / model.preprocess.scale
    raw = MultivariateNormal(
        density.mean * spread + model.preprocess.shift, density.covariance_matrix * spread * spread[:, None]
    )
    nats = -float(raw.log_prob(splits.test.rows()).mean())
    assert figures["bits_per_dim"] == pytest.approx(nats / (5 * math.log(2)), rel=1e-10)


def test_a_uniform_guess_of_bytes_costs_eight_bits():
    dataset = images()
    seen = scaled_spec("scale", dataset.spec)
    likelihood = Categorical(seen)
    networks = nn.Sequential(nn.Flatten(), nn.Linear(30, 4)), nn.Linear(2, likelihood.outputs.size)
    for parameter in nn.ModuleList(networks).parameters():
        nn.init.zeros_(parameter)
    model = Autoencoder(
        GaussianEncoder(networks[0]),
        Decoder(networks[1], likelihood),
        spec=dataset.spec,
        prior=StandardNormal((2,)),
        preprocess=make_preprocess("scale", dataset.spec),
    )
    assert evaluate(model, dataset.split())["bits_per_dim"] == pytest.approx(8.0, rel=1e-6)


@pytest.mark.parametrize("preprocess", ["scale", "standardize", "minmax", "none"])
@pytest.mark.parametrize("channels", [1, 3])
def test_reconstruction_figures_follow_their_definitions(preprocess, channels):
    dataset = images(rows=1300, channels=channels)
    splits = Splits(*dataset.split()[:2], dataset.all())  # more rows than one pass takes
    model = built("undercomplete", dataset, preprocess=preprocess)
    figures = reconstruction_figures(model, splits.test)
    raw = splits.test.rows().numpy().astype(float)
    error = model.reconstruct(raw) - raw
    scaled = error * model.preprocess.scale.numpy()
    assert figures["squared_error"] == pytest.approx((scaled**2).sum((1, 2, 3)).mean(), rel=1e-4)
    assert figures["psnr"] == pytest.approx(10 * math.log10(255**2 / (error**2).mean()), rel=1e-4)
    nats = 0.5 * figures["squared_error"] + 0.5 * dataset.spec.size * math.log(2 * math.pi)
    assert figures["reconstruction"] == pytest.approx(nats, rel=1e-5)


def test_psnr_needs_a_range_an_image_and_an_error():
    assert "psnr" not in reconstruction_figures(built("linear", table()), table().all())
    ranged = table(x=np.eye(5), low=0.0, high=1.0, scaling="scale")
    assert "psnr" not in reconstruction_figures(built("linear", ranged), ranged.all())

    dataset = images()
    same = PointEncoder(nn.Flatten())
    model = Autoencoder(same, Decoder(nn.Identity(), Gaussian(dataset.spec)), spec=dataset.spec)
    figures = reconstruction_figures(model, dataset.all())
    assert figures["squared_error"] == 0
    assert "psnr" not in figures


POINT = ["examples", "squared_error", "explained_variance", "psnr", "reconstruction", "penalty_l1", "l0", "dead_units"]
BOUND = [
    "examples",
    "squared_error",
    "explained_variance",
    "psnr",
    "reconstruction",
    "neg_elbo",
    "bits_per_dim",
    "penalty_kl",
    "active_units",
]


@pytest.mark.parametrize(("name", "keys"), [("sparse", POINT), ("vae", BOUND)])
def test_the_figures_are_plain_and_in_order_and_the_model_and_the_generator_are_left_alone(name, keys):
    dataset = images()
    model, splits = built(name, dataset).train(), dataset.split()
    state = torch.get_rng_state()
    figures = evaluate(model, splits)
    assert list(figures) == [*keys, "probe_accuracy", "pca_squared_error"]
    assert {type(value) for value in figures.values()} == {int, float}
    assert figures == evaluate(model, splits)
    assert model.training
    assert torch.equal(state, torch.get_rng_state())


def test_no_figure_is_a_training_quantity():
    dataset = images()
    model = built("denoising", dataset, network="mlp,dropout=0.5,norm=batch")
    figures = evaluate(model.eval(), dataset.split())
    buffers = [buffer.clone() for buffer in model.buffers()]
    assert evaluate(model.train(), dataset.split()) == figures
    assert all(torch.equal(a, b) for a, b in zip(buffers, model.buffers(), strict=True))


def test_the_seed_and_the_draws_decide_the_bound():
    dataset = images()
    model, split = built("vae", dataset), dataset.all()
    one, two, many = (negative_elbo(model, split, draws=d, seed=s) for d, s in ((1, 0), (1, 1), (300, 0)))
    assert one != two
    assert many == pytest.approx(one, abs=20 * abs(one - two) + 1)
    with pytest.raises(UsageError, match="draws"):
        negative_elbo(model, split, draws=0)
    with pytest.raises(DataError, match="no rows"):
        negative_elbo(model, Split(dataset, np.arange(0)))


def test_bounds_and_bits_are_refused_where_there_are_none():
    dataset = images()
    with pytest.raises(CapabilityError, match="vae"):
        negative_elbo(built("sparse", dataset), dataset.all())
    grey = built("vae", dataset, likelihood="bernoulli")
    with pytest.raises(CapabilityError, match="density"):
        bits_per_dim(grey, 1.0)
    figures = evaluate(grey, dataset.split())
    assert "neg_elbo" in figures
    assert "bits_per_dim" not in figures


def test_penalties_are_unweighted():
    dataset = table(labels=np.arange(60) % 2)
    model, splits = built("sparse", dataset, l1=0.01), dataset.split()
    codes = encode_split(model, splits.test)
    figures = evaluate(model, splits)
    assert figures["penalty_l1"] == pytest.approx(np.abs(codes).sum(1).mean(), rel=1e-5)
    assert "penalty_contraction" in evaluate(built("contractive", dataset), splits)


def test_code_statistics_count():
    codes = np.array([[0.0, 1.0, 0.0, 5.00], [0.0, 1.0, 1e-9, -5.0], [0.0, 1.3, 0.0, 0.09]], dtype=np.float32)
    assert l0(codes) == 2.0
    assert dead_units(codes) == 2
    assert active_units(codes) == 2
    assert active_units(codes * 0.1) == 1


def test_active_units_of_a_posterior_that_ignores_some_of_its_code():
    dataset = images()
    model = built("vae", dataset)
    with torch.no_grad():
        model.encoder.network[-1].weight[0] = 0
        model.encoder.network[-1].weight[1:3] *= 100
    assert evaluate(model, dataset.split())["active_units"] == 2


def test_pca_agrees_with_the_singular_value_decomposition():
    x = draw(0).standard_normal((80, 6)) @ draw(1).standard_normal((6, 6))
    train, rest = x[:60], x[60:]
    mean = train.mean(0)
    axes = np.linalg.svd(train - mean)[2]
    for kept in (1, 3, 5):
        residual = (rest - mean) @ axes[kept:].T
        assert pca_squared_error(train, rest, kept) == pytest.approx((residual**2).sum(1).mean(), rel=1e-9)
    assert pca_squared_error(train, rest, 6) == pca_squared_error(train, rest, 600) == 0
    assert pca_squared_error(train + 1e6, rest + 1e6, 3) == pytest.approx(pca_squared_error(train, rest, 3), rel=1e-6)


def test_pca_of_few_or_equal_rows_is_their_mean():
    rows = draw().standard_normal((4, 6))
    assert pca_squared_error(rows[:1], rows, 3) == pytest.approx(((rows - rows[0]) ** 2).sum(1).mean())
    assert pca_squared_error(np.ones((9, 6)), np.ones((2, 6)), 3) == 0
    two = rows[:2]
    assert pca_squared_error(two, two, 3) == pytest.approx(0, abs=1e-12)


def test_the_pca_baseline_is_as_large_as_the_code_and_in_the_same_units():
    dataset = table(rows=200)
    model, splits = built("linear", dataset, latent_dim=2, hidden=[]), dataset.split()
    train, test = prepared_split(model, splits.train), prepared_split(model, splits.test)
    assert train.mean() == pytest.approx(0, abs=1e-6)
    axes = np.linalg.svd(train - train.mean(0))[2][2:]
    expected = (((test - train.mean(0)) @ axes.T) ** 2).sum(1).mean()
    assert evaluate(model, splits)["pca_squared_error"] == pytest.approx(expected, rel=1e-5)


def test_a_probe_reads_what_is_there_and_no_more():
    labels = np.arange(300) % 2
    # what tells the classes apart is small beside what does not: a probe of raw codes misses it
    codes = np.stack([1e-4 * labels, 1e4 * draw().standard_normal(300)], axis=1)
    assert probe_accuracy(codes[:200], labels[:200], codes[200:], labels[200:]) == 1.0
    skewed = (np.arange(300) % 4 == 0).astype(int)
    assert probe_accuracy(np.ones((300, 2)), skewed, np.ones((300, 2)), skewed) == 0.75
    with pytest.raises(DataError, match="two classes"):
        probe_accuracy(codes, np.zeros(300), codes, labels)


@pytest.mark.parametrize("labels", [None, np.zeros(60, dtype=int), np.arange(60) * 3])
def test_no_probe_without_classes(labels, monkeypatch):
    monkeypatch.setattr("aezoo.evaluation.report.PROBE_CLASSES", 30)
    dataset = table(labels=labels)
    assert "probe_accuracy" not in evaluate(built("undercomplete", dataset), dataset.split())


def test_other_splits():
    dataset = table()
    model, splits = built("undercomplete", dataset), dataset.split()
    for rows, split in zip(("train", "validation", "test"), splits, strict=True):
        assert evaluate(model, splits, rows=rows)["examples"] == len(split)
    assert evaluate(model, splits, rows="train") != evaluate(model, splits)
    with pytest.raises(UsageError, match=r"did you mean 'validation'\?"):
        evaluate(model, splits, rows="valid")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["undercomplete", "vae", "contractive"])
@pytest.mark.parametrize("train", [1, 2, 40])
def test_one_row_gives_no_nan_and_no_row_gives_nothing(name, train):
    dataset = table(rows=45, labels=np.arange(45) % 2)
    model = built(name, dataset)
    index = np.arange(45)
    splits = Splits(Split(dataset, index[:train]), Split(dataset, index[:0]), Split(dataset, index[44:]))
    figures = evaluate(model, splits)
    assert figures["examples"] == 1
    assert all(math.isfinite(value) for value in figures.values())
    assert "active_units" not in figures
    assert evaluate(model, splits, rows="validation") == {"examples": 0}


def test_a_broken_model_gives_the_figures_that_it_has():
    dataset = table(labels=np.arange(60) % 2)
    model = built("undercomplete", dataset)
    nn.init.constant_(next(model.encoder.parameters()), math.nan)
    assert list(evaluate(model, dataset.split())) == ["examples", "pca_squared_error"]


class Stream(torch.utils.data.Dataset):
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], 0


def test_a_torch_dataset_gives_what_its_array_gives():
    x = draw().standard_normal((50, 5)).astype(np.float32)
    spec = DataSpec(name="rows", shape=(5,))
    labels = np.arange(50) % 2
    array, stream = Dataset(x, labels, spec=spec), Dataset(Stream(x), labels, spec=spec)
    model = built("vae", array)
    assert evaluate(model, stream.split()) == evaluate(model, array.split())


def test_some_rows_are_ordered_and_decided_by_the_seed():
    split = table().all()
    some = some_rows(split, 10, 1)
    assert some_rows(split, 60) is split
    assert len(np.unique(some.index)) == 10
    assert (np.diff(some.index) > 0).all()
    assert np.array_equal(some.index, some_rows(split, 10, 1).index)
    assert not np.array_equal(some.index, some_rows(split, 10, 2).index)
