import numpy as np
import pytest
import torch
from pydantic import Field

import aezoo
from aezoo.data import make_preprocess
from aezoo.errors import DataError, UnknownNameError, UsageError
from aezoo.parts import Bernoulli, Decoder, PointEncoder, Weighted

QUICK = {"epochs": 1, "hidden": [8], "latent_dim": 2}
RNG = np.random.default_rng(0)


class Items(torch.utils.data.Dataset):
    """A user's own torch Dataset, of (image, label)."""

    def __len__(self):
        return 60

    def __getitem__(self, index):
        return torch.full((3, 5, 7), index / 60.0), index % 2


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (RNG.normal(size=(60, 5)), (5,)),
        (torch.from_numpy(RNG.normal(size=(60, 5))), (5,)),
        (RNG.integers(0, 256, (60, 7, 5), dtype=np.uint8), (1, 7, 5)),
        (RNG.random((60, 3, 7, 5)), (3, 7, 5)),
        (Items(), (3, 5, 7)),
        ("swiss-roll,rows=60", (3,)),
    ],
)
def test_trains_on_whatever_rows_there_are(data, shape):
    run = aezoo.train("vae", data, **QUICK)
    assert run.model.spec.shape == shape
    assert run.folder is None
    assert run.results["examples"] == 12
    assert np.isfinite(list(run.results.values())).all()
    assert run.model.encode(run.splits.test.rows()).shape == (12, 2)


def test_the_results_speak_of_the_test_split():
    run = aezoo.train("undercomplete", "digits", **QUICK)
    x = run.splits.test.rows().numpy()
    error = ((run.model.reconstruct(x) - x) / 16.0).reshape(len(x), -1)
    assert run.results["squared_error"] == pytest.approx((error**2).sum(1).mean(), rel=1e-5)
    assert len(run.history) == 1


def test_the_callers_random_stream_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    aezoo.train("vae", "digits", **QUICK)
    assert torch.equal(torch.rand(3), expected)


def test_trackers_hear_of_the_run_and_one_that_fails_is_silenced():
    heard = []

    class Good:
        def aezoo_train_start(self, run):
            heard.append(("start", run.name))

        def aezoo_epoch_end(self, metrics):
            heard.append(("epoch", metrics["epoch"]))

        def aezoo_train_end(self, results):
            heard.append(("end", results["examples"]))

    class Bad:
        def aezoo_epoch_end(self, run, metrics):
            raise RuntimeError("the tracking server is down")

    run = aezoo.train("vae", "digits", trackers=[Bad(), Good()], hidden=[8], latent_dim=2, epochs=2)
    assert heard == [("start", "vae"), ("epoch", 1), ("epoch", 2), ("end", 359)]
    assert len([note for note in run.notes if "tracking server is down" in note]) == 1


@pytest.mark.parametrize(
    ("error", "arguments", "words"),
    [
        (UnknownNameError, {"model": "vea"}, "vae"),
        (UnknownNameError, {"epocs": 3}, "epochs"),
        (UsageError, {"epochs": 0}, "epochs"),
        (UsageError, {"latent_dim": 0}, "latent_dim"),
        (UsageError, {"latent_dim": 2.0}, "integer"),
        (UsageError, {"latent_dim": True}, "integer"),
        (DataError, {"data": np.array([[1.0, np.nan]] * 9)}, "row 0"),
        (DataError, {"data": RNG.normal(size=(60, 5)), "labels": [1, 2]}, "60"),
        (UsageError, {"data": RNG.normal(size=(1, 5)), "validation": 1}, "row"),
    ],
)
def test_mistakes_raise_our_own_errors(error, arguments, words):
    with pytest.raises(error, match=words):
        aezoo.train(**{"model": "vae", **arguments})


def test_public_names_are_there_and_listed():
    for name in aezoo.__all__:
        assert getattr(aezoo, name) is not None
    assert set(dir(aezoo)) == set(aezoo.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = aezoo.nonsense


def composed(likelihood, high, preprocess=None):
    spec = aezoo.DataSpec(shape=(1, 8, 8), low=0, high=1)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2), torch.nn.Sigmoid())
    decoder = Decoder(torch.nn.Linear(2, 64), likelihood(spec))
    raw = spec.model_copy(update={"high": float(high)})
    return aezoo.Autoencoder(PointEncoder(encoder), decoder, spec=raw, preprocess=preprocess)


def test_a_bernoulli_model_composed_by_hand_refuses_grey_levels_up_to_16():
    with pytest.raises(aezoo.errors.CompositionError, match=r"\[0, 1\]"):
        aezoo.train(composed(Bernoulli, 1), "digits", epochs=1)
    scale = make_preprocess("scale", aezoo.DataSpec(shape=(1, 8, 8), low=0, high=16))
    assert aezoo.train(composed(Bernoulli, 16, scale), "digits", epochs=1).results["squared_error"] < 30


def test_a_users_own_sigmoid_fires_at_a_rate():
    spec = aezoo.DataSpec(shape=(1, 8, 8), low=0, high=1)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2), torch.nn.Sigmoid())
    rate = Weighted("rate", aezoo.registry.regularizers["firing-rate"].resolve()(0.1))
    decoder = Decoder(torch.nn.Linear(2, 64), Bernoulli(spec))
    model = aezoo.Autoencoder(PointEncoder(encoder), decoder, spec=spec, regularizers=[rate])
    assert model.step(torch.rand(9, 1, 8, 8)).terms["rate"] >= 0


def test_values_without_probability_are_refused_where_they_are_scored():
    model = aezoo.train("vae", "digits", likelihood="bernoulli", **QUICK).model
    rows = np.full((3, 1, 8, 8), 16.0)
    assert np.isfinite(model.score(rows)).all()
    rows[1, 0, 2, 2] = 17
    with pytest.raises(DataError, match="row 1"):
        model.score(rows)


def test_numbers_of_numpy_are_numbers():
    run = aezoo.train("vae", "digits", latent_dim=np.int64(3), lr=np.float32(0.001), epochs=np.arange(3)[1], hidden=[8])
    assert run.config.latent_dim == 3
    with pytest.raises(UsageError, match="integer"):
        aezoo.train("vae", "digits", latent_dim=np.float64(2.5))


def test_loading_leaves_the_callers_random_stream_alone(trained):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    aezoo.load(trained / "vae")
    assert torch.equal(torch.rand(3), expected)


def test_a_bernoulli_model_composed_by_hand_takes_floats_between_0_and_1():
    spec = aezoo.DataSpec(shape=(6,), low=0, high=1)
    parts = PointEncoder(torch.nn.Linear(6, 2)), Decoder(torch.nn.Linear(2, 6), Bernoulli(spec))
    assert aezoo.train(aezoo.Autoencoder(*parts, spec=spec), RNG.random((60, 6)), epochs=1).results["examples"] == 12


def test_a_users_own_scaling_is_fitted_once():
    class Halved(aezoo.parts.Scaling):
        def __init__(self):
            super().__init__()
            self.calls = 0
            self.register_buffer("scale", torch.tensor(0.5))

        def forward(self, x, dtype=None):
            return (x * 0.5).to(dtype)

        def inverse(self, x):
            return x * 2

        def log_det(self):
            return self.scale.log() * 6

        def fit(self, batches):
            self.calls += 1
            self.fitted.fill_(True)

    spec = aezoo.DataSpec(shape=(6,))
    parts = PointEncoder(torch.nn.Linear(6, 2)), Decoder(torch.nn.Linear(2, 6), aezoo.parts.Gaussian(spec))
    model = aezoo.Autoencoder(*parts, spec=spec, preprocess=Halved())
    for _ in range(2):
        aezoo.train(model, RNG.normal(size=(60, 6)), epochs=1)
    assert model.preprocess.calls == 1


def test_an_option_whose_name_begins_like_a_type_is_named_in_its_error():
    class Odd(aezoo.PointConfig):
        intensity: float = Field(1.0, ge=0)

    with pytest.raises(UsageError, match=r"intensity.*-1"):
        Odd.parse({"intensity": -1.0})
    assert Odd.parse({"hidden": (np.int64(32),)}).hidden == (32,)
