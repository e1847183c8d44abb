"""Restoring corrupted rows, beside what is known in closed form."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import aezoo
from aezoo.data import Dataset, open_data, reopen
from aezoo.errors import CapabilityError, CompositionError, DataError, UsageError
from aezoo.evaluation import restoration_figures, restored
from aezoo.parts import Corruption, Decoder, Gaussian, PointEncoder

D, ROWS = 4, 4000
SPEC = aezoo.DataSpec(shape=(D,), scaling="none")
X = np.random.default_rng(0).normal(size=(ROWS, D)).astype("float32")


def scaled_by(factor, corruption=None, **parts):
    """A model that gives back ``factor`` times what it sees."""
    layer = nn.Linear(D, D, bias=False)
    layer.weight.data = factor * torch.eye(D)
    decoder = Decoder(nn.Identity(), Gaussian(SPEC))
    return aezoo.Autoencoder(PointEncoder(layer), decoder, spec=SPEC, corruption=corruption, **parts)


def split(**more):
    return Dataset(X, spec=SPEC, **more).all()


# ------------------------------------------------------------------ figures


@pytest.mark.parametrize("factor", [1.0, 0.6])
def test_of_gaussian_noise_the_error_is_that_of_a_linear_filter(factor):
    sigma = 0.5
    found = restoration_figures(scaled_by(factor), split(), corruption=f"gaussian={sigma}")
    # E‖a(x + σε) − x‖² = (1 − a)²‖x‖² + a²σ²D
    error = (1 - factor) ** 2 * np.square(X).sum(1).mean() + factor**2 * sigma**2 * D
    assert found["restoration_error"] == pytest.approx(error, rel=0.02)
    assert found["restoration_nll"] == pytest.approx(
        found["restoration_error"] / 2 + D / 2 * math.log(2 * math.pi), rel=1e-5
    )


def test_of_masking_the_error_is_what_was_masked():
    found = restoration_figures(scaled_by(1.0), split(), corruption="masking=0.25")
    assert found["restoration_error"] == pytest.approx(0.25 * np.square(X).sum(1).mean(), rel=0.02)


def test_the_corruption_that_was_trained_against_is_the_usual_one_and_its_stream_is_left_alone():
    own = aezoo.parts.build_part("corruption", "gaussian,strength=0.5,seed=3", spec=SPEC)
    model = scaled_by(1.0, own)
    before = own(torch.zeros(2, D))
    found = [restoration_figures(model, split()) for _ in range(2)]
    assert found[0] == found[1] != restoration_figures(model, split(), seed=1)
    again = aezoo.parts.build_part("corruption", "gaussian,strength=0.5,seed=3", spec=SPEC)
    assert torch.equal(again(torch.zeros(2, D)), before)
    # the second draw of both, though one was measured in between
    assert torch.equal(own(torch.zeros(2, D)), again(torch.zeros(2, D)))
    assert found[0]["restoration_error"] == pytest.approx(0.25 * D, rel=0.02)


def test_of_pairs_it_is_the_error_of_what_they_give():
    noisy = X + np.float32(2.0)
    found = restoration_figures(scaled_by(1.0), split(noisy=noisy))
    assert found["restoration_error"] == pytest.approx(4 * D, rel=1e-5)
    # and of what is asked for, where that is given
    other = restoration_figures(scaled_by(1.0), split(noisy=noisy), corruption="gaussian=0.1")
    assert other["restoration_error"] == pytest.approx(0.01 * D, rel=0.05)


def test_what_cannot_be_restored_is_one_line():
    with pytest.raises(CapabilityError, match="this model was trained without a corruption: name one"):
        restoration_figures(scaled_by(1.0), split())
    with pytest.raises(UsageError, match="at least 1 of them"):
        restoration_figures(scaled_by(1.0), split(), corruption="masking", draws=0)
    with pytest.raises(CompositionError, match="learned together with its model"):
        restoration_figures(scaled_by(1.0), split(), corruption="masking=0.3,missing=channel")
    with pytest.raises(aezoo.errors.UnknownNameError, match="no corruption 'maskin'"):
        restoration_figures(scaled_by(1.0), split(), corruption="maskin")


def test_rows_and_what_comes_of_them():
    found = restored(scaled_by(0.5), X[:50], corruption="gaussian=0.2", seed=1)
    assert isinstance(found.corrupted, np.ndarray)
    np.testing.assert_allclose(found.restored, 0.5 * found.corrupted, rtol=1e-6)
    assert np.std(found.corrupted - X[:50]) == pytest.approx(0.2, rel=0.2)
    assert restored(scaled_by(0.5), torch.from_numpy(X[0]), corruption="gaussian=0.2").restored.shape == (D,)


def test_a_denoising_model_restores_better_than_one_that_saw_no_noise():
    figures = [
        aezoo.evaluate(run.model, run.splits, corruption="gaussian=0.4")["restoration_error"]
        for run in (
            aezoo.train("denoising", "digits", corruption="gaussian=0.4", epochs=30),
            aezoo.train("undercomplete", "digits", epochs=30),
        )
    ]
    assert figures[0] < figures[1]


# ------------------------------------------------------------------ several copies, pairs, missing values


class Marks(Corruption):
    """Rows beside what they were told of."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def forward(self, x):
        self.rows.append(x.clone())
        return x + self.normal(x)


def test_copies_of_a_row_are_corrupted_apart_and_the_loss_is_their_mean():
    model, x = scaled_by(1.0, Marks(), copies=3).train(), torch.from_numpy(X[:5])
    torch.manual_seed(0)
    loss = model.step(x).loss
    torch.manual_seed(0)
    noise = torch.randn(15, D)
    assert torch.equal(model.corruption.rows[-1], x.repeat(3, 1))
    nll = noise.square().sum(1).mean() / 2 + D / 2 * math.log(2 * math.pi)
    torch.testing.assert_close(loss, nll)
    # in evaluation there is nothing to copy
    model.eval().step(x)
    assert len(model.corruption.rows) == 1


@pytest.mark.parametrize("training", [True, False])
def test_of_pairs_the_encoder_sees_the_noisy_half_and_the_target_is_the_clean_one(training):
    model = scaled_by(1.0, Marks()).train(training)
    clean, noisy = torch.from_numpy(X[:5]), torch.from_numpy(X[5:10])
    loss = model.step(torch.stack([clean, noisy], dim=1)).loss
    torch.testing.assert_close(loss, (clean - noisy).square().sum(1).mean() / 2 + D / 2 * math.log(2 * math.pi))
    assert model.corruption.rows == []


def test_pairs_are_data_like_any_other(tmp_path, cli):
    draw = np.random.default_rng(1)
    factor = draw.normal(size=(500, 2)) @ draw.normal(size=(2, 6))
    np.save(tmp_path / "clean.npy", factor.astype("float32"))
    np.save(tmp_path / "noisy.npy", (factor + draw.normal(size=factor.shape)).astype("float32"))
    data, out = f"{tmp_path}/noisy.npy,clean={tmp_path}/clean.npy", tmp_path / "run"
    told = cli("train", "--model", "linear", "--latent-dim", 2, "--data", data, "--out", out, "--epochs", 30, "--json")
    assert told.status == 0, told.err
    figures = json.loads(told.out)
    # least squares from noisy to clean rows has no less error, on average, and a model of this shape can be it
    dataset = open_data(data)
    assert np.array_equal(np.asarray(dataset.x), factor.astype("float32"))
    assert np.array_equal(reopen(dataset.source).noisy, np.load(tmp_path / "noisy.npy"))
    splits = dataset.split()
    clean, seen = (part.rows().double() for part in (splits.test, splits.test.noisy))
    scale = splits.train.rows().double().std(0, correction=0)
    untouched = float(((clean - seen) / scale).square().sum(1).mean())
    assert figures["restoration_error"] < 0.6 * untouched
    # resumed, it is the same data
    assert cli("resume", out, "--epochs", 31).status == 0
    # and what is reconstructed is what the model is to restore
    assert cli("reconstruct", out, "--out", tmp_path / "back.npy").status == 0
    back = np.load(tmp_path / "back.npy")
    assert np.square((back - factor) / scale.numpy()).sum(1).mean() < 0.6 * untouched


def test_pairs_that_do_not_fit_are_one_line(tmp_path):
    for name, rows in (("a", np.zeros((9, 3))), ("b", np.zeros((8, 3))), ("c", np.zeros((9, 4)))):
        np.save(tmp_path / f"{name}.npy", rows + np.arange(rows.shape[1]))
    with pytest.raises(DataError, match="8 clean rows and 9 noisy ones"):
        open_data(f"{tmp_path}/a.npy,clean={tmp_path}/b.npy")
    with pytest.raises(DataError, match="the noisy rows of a"):
        open_data(f"{tmp_path}/a.npy,clean={tmp_path}/c.npy")
    with pytest.raises(DataError, match="no file"):
        open_data(f"{tmp_path}/a.npy,clean={tmp_path}/d.npy")


def test_a_run_on_pairs_says_that_its_corruption_took_no_part():
    data = Dataset(X, spec=SPEC, noisy=X + np.float32(0.1))
    assert any("took no part" in note for note in aezoo.train("denoising", data, epochs=1).notes)
    assert not any("took no part" in note for note in aezoo.train("undercomplete", data, epochs=1).notes)


def masking(missing):
    part = aezoo.parts.build_part("corruption", f"masking,strength=0.5,missing={missing}", spec=SPEC)
    mean = torch.arange(D, dtype=torch.float32)
    with torch.no_grad():
        part.before_training(mean)
        if missing == "learned":
            part.fill.copy_(10 + mean)
    return part, mean


@pytest.mark.parametrize("missing", ["zero", "mean", "learned", "channel"])
def test_what_stands_for_a_missing_value(missing):
    part, mean = masking(missing)
    x = torch.full((200, D), 7.0)
    seen = part(x)
    stands = {"zero": 0 * mean, "mean": mean, "learned": 10 + mean, "channel": mean * torch.nan}[missing]
    masked = seen != 7
    assert 0.4 < masked.float().mean() < 0.6
    torch.testing.assert_close(seen[masked], stands.expand(200, D)[masked].detach(), equal_nan=True)


def test_the_mean_is_that_of_the_training_rows_and_the_learned_value_learns(tmp_path):
    options = {"preprocess": "none", "epochs": 20, "latent_dim": 2}
    run = aezoo.train("denoising", 5 + X, corruption="masking=0.5,missing=mean", out=tmp_path / "run", **options)
    np.testing.assert_allclose(run.model.corruption.fill, run.splits.train.rows().mean(0), rtol=1e-5)
    assert torch.equal(aezoo.load(tmp_path / "run").corruption.fill, run.model.corruption.fill)
    learned = aezoo.train("denoising", 5 + X, corruption="masking=0.5,missing=learned", **options)
    assert (learned.model.corruption.fill != 0).all()


def test_a_mask_channel_tells_a_missing_value_from_a_zero():
    run = aezoo.train("denoising", X, corruption="masking=0.5,missing=channel", epochs=3, latent_dim=2)
    rows = torch.zeros(1, D)
    gone = rows.clone()
    gone[0, 1] = torch.nan
    assert not torch.equal(run.model.code(rows), run.model.code(gone))
    assert {"restoration_error", "restoration_nll"} <= run.results.keys()


@pytest.mark.parametrize(
    "network", [{"hidden": (8,)}, {"network": "conv", "hidden": (4,)}, {"network": "mlp,norm=layer"}]
)
def test_a_mask_channel_with_any_network_of_images(network):
    run = aezoo.train("denoising", "digits", corruption="masking=0.5,missing=channel", epochs=1, **network)
    assert np.isfinite(run.results["restoration_error"])


def test_the_commands(tmp_path, cli):
    out = tmp_path / "run"
    assert cli("train", "--model", "undercomplete", "--epochs", 2, "--out", out).status == 0
    told = cli("evaluate", out, "--corruption", "masking=0.5", "--json")
    assert json.loads(told.out)["restoration_error"] > 0
    assert "restoration_error" not in json.loads(cli("evaluate", out, "--json").out)
    rows = [tmp_path / "plain.npy", tmp_path / "restored.npy"]
    assert cli("reconstruct", out, "--out", rows[0]).status == 0
    assert cli("reconstruct", out, "--corruption", "masking=0.5", "--out", rows[1]).status == 0
    assert not np.array_equal(*map(np.load, rows))
    assert cli("reconstruct", out, "--corruption", "masking", "--draws", 3).status == 2
    assert cli("evaluate", out, "--corruption", "masking=2").status == 2
