"""Captured steps: the same bits as plain ones, and given up wherever they could be others."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from aezoo.core.options import TrainConfig
from aezoo.core.schedules import Linear
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Corruption, Decoder, Gaussian, PointEncoder, Regularizer, Weighted
from aezoo.training import Trainer, build_model
from aezoo.training.engine import step as module
from aezoo.training.engine.step import Captured

D = 6
SPEC = DataSpec(shape=(D,), scaling="none")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """Capture from the third step on, however short the run."""
    monkeypatch.setattr(module, "FIRST_STEPS", 2)
    monkeypatch.setattr(module, "COST", 0.0)


def dataset(rows=70):
    generator = torch.Generator().manual_seed(0)
    return Dataset(
        torch.rand(rows, D, generator=generator), spec=SPEC.model_copy(update={"low": 0, "high": 1}), test=[]
    )


def trainer(model, rows=70, **config):
    values = {"epochs": 6, "batch_size": 16, "device": "cpu", **config}
    return Trainer(model, dataset(rows).split(validation=0), TrainConfig(**values))


def made(*regularizers, corruption=None, layers=None):
    torch.manual_seed(0)
    encoder = PointEncoder(nn.Sequential(*(layers or [nn.Linear(D, 8), nn.ReLU(), nn.Linear(8, 3)])))
    decoder = Decoder(nn.Linear(3, D), Gaussian(SPEC))
    weighted = [r if isinstance(r, Weighted) else Weighted("mine", r) for r in regularizers]
    return Autoencoder(encoder, decoder, spec=SPEC, regularizers=weighted, corruption=corruption)


def bits(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def plainly(it):
    """The trainer without any capture."""
    it._gradients = it._gradients.plain
    it._gradients.renew = lambda: None
    it._gradients.why_not = ""
    return it


def programs(it):
    return [entry.program for entry in it._gradients._entries.values()]


def agree(model, config=None, captured=True, **options):
    """Trains copies of the model with and without capture, and compares the bits of all that is left."""
    other = copy.deepcopy(model)
    it, plain = trainer(model, **options, **(config or {})), plainly(trainer(other, **options, **(config or {})))
    history, wanted = it.fit(), plain.fit()
    assert history == wanted
    a, b = model.state_dict(), other.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    found = programs(it)
    assert found
    assert all((program is not None) is captured for program in found), it._gradients.why_not
    return it


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("undercomplete", {}),
        ("linear", {}),
        ("denoising", {}),
        ("denoising", {"corruption": "masking=0.3"}),
        ("sparse-l1", {"unit_norm": True}),
        ("sparse-kl", {}),
        ("topk", {"k": 2}),
        ("jumprelu", {}),
        ("contractive", {}),
        ("contractive", {"projections": 1}),
        ("vae", {}),
        ("vae", {"likelihood": "bernoulli"}),
        ("beta-vae", {"beta": "linear:0:4:20"}),
        ("beta-vae", {"beta": "cyclical:0:1:7"}),
        ("iwae", {}),
        ("undercomplete", {"network": "mlp,dropout=0.2"}),
        ("undercomplete", {"network": "mlp,norm=layer"}),
        ("undercomplete", {"network": "mlp,tied=true"}),
        ("undercomplete", {"activation": "gelu", "likelihood": "laplace"}),
    ],
)
def test_every_family_has_the_bits_of_plain_training(name, options):
    spec = dataset().spec
    torch.manual_seed(0)
    agree(build_model(name, {"hidden": [7], "latent_dim": 4, **options}, spec))


@pytest.mark.parametrize(
    "config", [{"optimizer": "sgd"}, {"clip_norm": 0.01}, {"precision": "bf16"}, {"schedule": "cosine", "warmup": 5}]
)
def test_every_way_of_training_has_the_bits_of_plain_training(config):
    agree(made(), config)


class Mean(Regularizer):
    """A moving mean of the codes, after the step."""

    def __init__(self, seen):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.seen = seen

    def forward(self, z):
        return z.square().sum(-1)

    def after_step(self, z, x):
        self.mean.lerp_(z.mean((0, 1)), 0.1)
        assert x.shape[1:] == (D,)


class Everything(Mean):
    def after_step(self, q, step):
        self.mean.lerp_(q.mean.mean(0), 0.1)


class Opposed(Regularizer):
    def __init__(self):
        super().__init__()
        self.opponent = nn.Linear(3, 1)

    def forward(self, z):
        return -self.opponent(z).squeeze(-1)

    def opponent_loss(self, z, encode, x):
        return self.opponent(z).square().mean() + self.opponent(encode(x)).mean()


def test_what_regularizers_ask_for_after_the_step_is_the_same():
    agree(made(Mean([])))
    it = agree(made(Everything([])), captured=False)
    assert "asks for q after the step" in it._gradients.why_not


def test_an_opponent_plays_on():
    agree(made(Opposed()))


def test_a_weight_that_moves_is_followed():
    agree(made(Weighted("mine", Mean([]), Linear(start=0.0, end=3.0, steps=20))))


class Draws(Corruption):
    """Noise of Python's and NumPy's own streams, of which torch knows nothing."""

    def forward(self, x):
        return x * (random.random() + np.random.random())


class Streams(Corruption):
    """Noise of a stream of its own."""

    def __init__(self):
        super().__init__()
        self.stream = torch.Generator().manual_seed(3)

    def forward(self, x):
        return x + torch.empty_like(x).normal_(generator=self.stream)


class Counts(Regularizer):
    def __init__(self):
        super().__init__()
        self.count = 0

    def forward(self, z):
        self.count += 1
        return self.count * z.square().sum(-1)


class Decides(Regularizer):
    def forward(self, z):
        return z.square().sum(-1) if float(z.detach().mean()) > 0 else z.abs().sum(-1)


def test_a_step_that_depends_on_more_than_tensors_is_never_captured():
    for model in (made(Counts()), made(Decides()), made(layers=[nn.Linear(D, 3), nn.BatchNorm1d(3)])):
        agree(model, captured=False)


@pytest.mark.parametrize(
    ("name", "options"), [("undercomplete", {"likelihood": "gaussian=optimal"}), ("batch-topk", {"k": 2})]
)
def test_buffers_that_a_step_moves_are_moved_alike(name, options):
    agree(build_model(name, options, dataset().spec), captured=True)


def test_noise_from_elsewhere_is_seen_and_is_what_it_would_be_without_a_capture():
    ends = []
    for capture in (True, False):
        random.seed(0)
        np.random.seed(0)
        model = made(corruption=Draws())
        it = trainer(model) if capture else plainly(trainer(model))
        it.fit()
        ends.append(bits(model))
        if capture:
            assert programs(it) == [None, None]
            assert "other values than the plain step" in it._gradients.why_not
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_noise_of_a_stream_of_its_own_is_drawn_once_a_step():
    ends = []
    for capture in (True, False):
        model = made(corruption=Streams())
        it = trainer(model) if capture else plainly(trainer(model))
        it.fit()
        ends.append(bits(model))
        assert not capture or programs(it) == [None, None]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_hooks_are_called_in_every_step():
    model, calls = made(), []
    model.encoder.network[0].register_forward_hook(lambda *_: calls.append(1))
    it = trainer(model)
    calls.clear()
    it.fit()
    assert len(calls) == it.step


@pytest.mark.parametrize("change", ["attribute", "weight", "hook", "frozen", "moved", "module"])
def test_a_model_that_is_changed_between_epochs_is_captured_anew(change):
    class Noise(Corruption):
        def __init__(self):
            super().__init__()
            self.sigma = 0.1

        def forward(self, x):
            return x + self.sigma * torch.randn_like(x)

    def alter(model):
        if change == "attribute":
            model.corruption.sigma = 0.7
        elif change == "weight":
            model.weights["mine"] = 5.0
        elif change == "hook":
            model.encoder.register_forward_hook(lambda *_: None)
        elif change == "frozen":
            model.decoder.network.bias.requires_grad_(False)
        elif change == "module":
            model.encoder.network[1] = nn.Tanh()
        else:
            weight = model.encoder.network[0].weight
            weight.data = weight.data.clone() * 0.5

    ends = []
    for capture in (True, False):
        torch.manual_seed(0)
        model = made(Mean([]), corruption=Noise())
        it = trainer(model)
        if not capture:
            plainly(it)
        it.on_epoch = lambda metrics, keep, model=model: alter(model) if metrics["epoch"] == 3 else None
        it.fit()
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_comparisons_grow_rare():
    it = trainer(made(), rows=64, epochs=30)
    compared = []
    before = Captured._compared

    def note(self, entry, *arguments):
        compared.append(entry.calls)
        return before(self, entry, *arguments)

    it._gradients._compared = note.__get__(it._gradients)
    it.fit()
    assert compared == [1, 2, 4, 8, 16, 32, 64]


def test_short_runs_and_ever_other_batches_are_not_captured(monkeypatch):
    monkeypatch.setattr(module, "COST", 1e9)
    it = trainer(made())
    it.fit()
    assert programs(it) == []
    monkeypatch.setattr(module, "COST", 0.0)
    gradients = trainer(made())._gradients
    for rows in range(2, 9):
        gradients(torch.rand(rows, D), 10)
    assert [entry.program is not None for entry in gradients._entries.values()].count(True) == module.FORMS


def test_compiled_training_ends_where_plain_training_does():
    model, other = made(), made()
    it = trainer(model, rows=32, epochs=20, compile=True)
    it.fit()
    if it.notes:
        pytest.skip(it.notes[0])  # such as a machine without a C++ compiler
    plainly(trainer(other, rows=32, epochs=20)).fit()
    assert programs(it)[0] is not None
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_it_is_said_when_compiling_was_of_no_use():
    it = trainer(made(Decides()), compile=True)
    it.fit()
    assert len(it.notes) == 1
    assert it.notes[0].startswith("compile was of no use, the plain step was taken: ")
