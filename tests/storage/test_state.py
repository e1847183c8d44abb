"""A run taken up from its state ends with the bits of one that was never broken off."""

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, open_data
from aezoo.errors import CheckpointError, DivergenceError, UsageError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Decoder, Gaussian, PointEncoder, Regularizer, Reset, Weighted
from aezoo.storage.state import fill_optimizer
from aezoo.training import State, TrainConfig, Trainer, build_model
from aezoo.training.engine import step
from aezoo.training.metrics import Record
from aezoo.training.saving import Saving

SPEC = DataSpec(shape=(6,), scaling="none")


@pytest.fixture(scope="module")
def digits():
    whole = open_data("digits")
    return Dataset(whole.x[:150], whole.labels[:150], spec=whole.spec)


def rows(count=90):
    return Dataset(np.random.default_rng(0).normal(size=(count, 6)).astype(np.float32), spec=SPEC, test=[])


def bits(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_goes_on(make, splits, tmp_path, at=None, **config):
    """Breaks a training off at each of its saves, and compares how it ends; returns the states."""
    values = {"epochs": 5, "batch_size": 16, "save_every": "4 steps", "lr": 3e-3, "device": "cpu", **config}
    saved = []
    torch.manual_seed(0)
    whole = Trainer(make(), splits(), TrainConfig(**values), on_save=saved.append)
    history = whole.fit()
    wanted = bits(whole.model)
    assert len(saved) > 3
    for number in range(len(saved)) if at is None else at:
        saved[number].save(tmp_path / "state.safetensors")
        torch.manual_seed(1)
        resumed = Trainer(make(), splits(), TrainConfig(**values), state=State.load(tmp_path))
        assert resumed.step == saved[number].position.step
        assert resumed.fit() == history, number
        found = bits(resumed.model)
        assert found.keys() == wanted.keys()
        for name, tensor in wanted.items():
            assert torch.equal(tensor, found[name]), (number, name)
    return saved


OPTIONS = [
    pytest.param("undercomplete", {"network": "mlp,dropout=0.4"}, {"weight_decay": 0.01}, id="dropout"),
    pytest.param("vae", {"network": "mlp,norm=batch"}, {"schedule": "cosine", "warmup": 7}, id="statistics, schedule"),
    pytest.param("denoising", {"corruption": "gaussian=0.3,seed=7"}, {"optimizer": "adamw"}, id="a stream of its own"),
    pytest.param("undercomplete", {}, {"patience": 1, "lr": 0.05, "epochs": 9, "validation": 40}, id="patience"),
    pytest.param(
        "beta-vae", {"beta": "cyclical:0:1:9"}, {"optimizer": "sgd", "momentum": 0.9, "clip_norm": 1.0}, id="sgd"
    ),
    pytest.param("iwae", {}, {"precision": "bf16"}, id="bf16"),
    pytest.param("batch-topk", {"k": 4}, {"save_every": "epoch"}, id="moving threshold"),
    pytest.param("vq-vae", {}, {"save_every": "2 epochs", "epochs": 7}, id="moving codebook"),
    pytest.param("sparse-kl", {}, {"save_every": "0.00001 minutes"}, id="by the clock"),
    pytest.param("topk", {"k": 4, "latent_dim": 64}, {}, id="rows laid out by columns"),
]


@pytest.mark.parametrize(("name", "options", "config"), OPTIONS)
def test_a_run_taken_up_at_any_save_ends_with_the_same_bits(name, options, config, digits, tmp_path):
    values = {"latent_dim": 8, "hidden": [8], **options}
    count = config.get("validation")
    assert_goes_on(lambda: build_model(name, values, digits.spec), lambda: digits.split(count), tmp_path, **config)


class Adversary(Regularizer):
    """Plays against a network of its own, and forgets moments now and then."""

    def __init__(self):
        super().__init__()
        self.opponent = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, z):
        return F.softplus(-self.opponent(z)).squeeze(-1) + 1e-3 * self.seen

    def opponent_loss(self, z):
        return (F.softplus(self.opponent(z)) + F.softplus(-self.opponent(torch.randn_like(z)))).mean()

    def after_step(self, encoder, step):
        self.seen += 1
        weight = next(encoder.parameters())
        return [Reset(weight, torch.tensor([step % len(weight)]))]


def by_hand(*regularizers):
    encoder = PointEncoder(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)))
    weighted = [Weighted("mine", regularizer, 0.5) for regularizer in regularizers]
    return Autoencoder(encoder, Decoder(nn.Linear(2, 6), Gaussian(SPEC)), spec=SPEC, regularizers=weighted)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_opponents_resets_and_buffers_outside_of_checkpoints_go_on_too(optimizer, tmp_path):
    assert_goes_on(
        lambda: by_hand(Adversary()), lambda: rows().split(20), tmp_path, optimizer=optimizer, weight_decay=0.1
    )


def test_moments_are_settled_at_the_same_steps(tmp_path, monkeypatch):
    from aezoo.training.engine import update as descent

    monkeypatch.setattr(descent, "SETTLE_EVERY", 7)
    # so large a bound that settling changes what is learned
    monkeypatch.setattr(descent, "MARGIN", 2.0**120)
    assert_goes_on(by_hand, lambda: rows().split(20), tmp_path)


def test_captured_steps_give_the_bits_of_a_run_that_captures_at_other_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(step, "COST", 0.0)
    states = assert_goes_on(by_hand, lambda: rows().split(20), tmp_path, epochs=6, at=[1, 4])
    assert states[1].position.step == 8


class Items(torch.utils.data.Dataset):
    """Rows that are transformed at random as they are read, by all the streams that a user may take."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        noise = random.gauss(0, 0.1) + np.random.normal() * 0.1 + 0.1 * float(torch.randn(()))
        return self.x[index] + np.float32(noise)


def test_random_transforms_of_a_users_own_dataset_go_on(tmp_path):
    data = Dataset(Items(rows().x), spec=SPEC, test=[])

    def splits():
        random.seed(3)
        np.random.seed(3)
        return data.split(20)

    assert_goes_on(by_hand, splits, tmp_path, save_every="3 steps")


def test_the_streams_of_a_caller_who_resumes_are_left_alone(tmp_path):
    saved = []
    Trainer(by_hand(), rows().split(20), TrainConfig(epochs=2, batch_size=16), on_save=saved.append).fit()
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    before = torch.rand(1), random.random(), np.random.rand()
    model = by_hand()
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    Trainer(model, rows().split(20), TrainConfig(epochs=4, batch_size=16), state=saved[0]).fit()
    assert (torch.rand(1), random.random(), np.random.rand()) == before


def test_a_file_beyond_memory_goes_on_in_the_middle_of_an_epoch(tmp_path, monkeypatch):
    from aezoo.training import batches

    np.save(tmp_path / "rows.npy", rows(400).x)
    monkeypatch.setattr(batches, "HELD_BYTES", 1000)
    monkeypatch.setattr(batches, "READ_BYTES", 16 * 24 * 3)

    def splits():
        found = open_data(tmp_path / "rows.npy")
        assert isinstance(batches.make_batches(found.split(30).train, by_hand()), batches.Mapped)
        return found.split(30)

    assert_goes_on(by_hand, splits, tmp_path, epochs=2, save_every="3 steps")


def test_rows_drawn_afresh_go_on(tmp_path):
    grey = open_data("digits").x[:150] / 16.0
    spec = DataSpec(shape=(64,), low=0, high=1, levels=2, scaling="none")
    data = Dataset((grey > 0.5).reshape(150, 64), spec=spec, rates=grey.reshape(150, 64))
    values = {"latent_dim": 4, "hidden": [8], "likelihood": "bernoulli"}
    make, splits = (lambda: build_model("vae", values, data.spec)), (lambda: data.split(30))
    assert_goes_on(make, splits, tmp_path, epochs=3)


def test_more_epochs_are_what_they_would_have_been(tmp_path, digits):
    def run(epochs, state=None):
        saved = []
        torch.manual_seed(0)
        model = build_model("contractive", {"latent_dim": 8, "hidden": [8]}, digits.spec)
        config = TrainConfig(epochs=epochs, batch_size=32)
        history = Trainer(model, digits.split(), config, on_save=saved.append, state=state).fit()
        return history, bits(model), saved[-1] if saved else state

    history, wanted, _ = run(6)
    _, _, ended = run(3)
    more, found, _ = run(6, ended)
    assert more == history
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    # and a run that is at its end is at its end
    again, *_ = run(3, ended)
    assert again == history[:3]


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("every", "steps"),
    [("epoch", [6, 12, 18]), ("2 epochs", [12, 18]), ("4 steps", [4, 8, 12, 16, 18]), ("5 minutes", [18])],
)
def test_saves_come_when_they_are_asked_for_and_at_the_end(every, steps):
    saved = []
    config = TrainConfig(epochs=3, batch_size=16, save_every=every)
    Trainer(by_hand(), rows(96).split(0), config, on_save=saved.append).fit()
    assert [state.position.step for state in saved] == steps


def test_weights_that_are_not_finite_are_never_saved():
    saved = []
    config = TrainConfig(epochs=3, batch_size=4, save_every="2 steps", optimizer="sgd", lr=1e12)
    with pytest.raises(DivergenceError):
        Trainer(by_hand(), rows(96).split(0), config, on_save=saved.append).fit()
    assert all(tensor.isfinite().all() for state in saved for tensor in state.under("model/").values())


def test_minutes_are_counted_from_the_last_save(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    saving = Saving("2 minutes")
    found = []
    for now[0] in (60.0, 119.0, 121.0, 200.0, 242.0):
        found.append(saving.after_step(7))
        if found[-1]:
            saving.done()
    assert found == [False, False, True, False, True]


def test_epochs_shorter_than_their_saves_are_passed_over(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(Saving, "MOST_OF_THE_TIME", 0.1)
    paced, told = Saving("epoch"), Saving("2 epochs")
    assert paced.after_epoch(1)
    paced.done(0.5), told.done(0.5)
    found = []
    for now[0] in (100.1, 104.4, 104.6):
        found.append(paced.after_epoch(2))
        assert told.after_epoch(2)
    assert found == [False, False, True]


@pytest.mark.parametrize("text", ["", "0 steps", "every step", "1.5 epochs", "-3 steps", "1e9 steps", "5", "3 days"])
def test_a_time_to_save_that_is_none_is_refused(text):
    from aezoo.errors import UsageError

    with pytest.raises(UsageError, match=r"save_every.*500 steps"):
        TrainConfig.parse({"save_every": text})


@pytest.mark.parametrize(("text", "meant"), [("1 epochs", "epoch"), ("500steps", "500 steps"), ("minute", "minute")])
def test_ways_to_write_a_time_to_save(text, meant):
    assert TrainConfig(save_every=text).save_every == meant


# ---------------------------------------------------------------- what a state holds


def test_figures_of_half_an_epoch_are_summed_in_the_same_order():
    figures = torch.rand(500, 2, generator=torch.Generator().manual_seed(0))
    outcomes = [step.Step(loss, {"penalty": term}, None) for loss, term in figures]
    whole, broken = Record(), Record()
    for number, outcome in enumerate(outcomes):
        whole.add(outcome, number % 7 + 1, number)
        broken.add(outcome, number % 7 + 1, number)
        if number in (3, 150, 199, 200, 350):
            broken = Record.going_on(*broken.so_far())
    assert whole.means() == broken.means()
    rows = torch.arange(500) % 7 + 1
    exact = (figures.double() * rows[:, None]).sum(0) / rows.sum()
    assert list(whole.means().values()) == pytest.approx(exact.tolist(), rel=1e-12)


@pytest.fixture
def saved(tmp_path):
    """The state of a run after its first epoch, and its file."""
    found = []
    Trainer(by_hand(), rows().split(20), TrainConfig(epochs=2, batch_size=16), on_save=found.append).fit()
    found[0].save(tmp_path / "state.safetensors", {"model": "mine"})
    return found[0], tmp_path / "state.safetensors"


def test_a_state_is_read_as_it_was_written(saved):
    state, path = saved
    found = State.load(path)
    assert found.position == state.position.model_copy(update={"run": {"model": "mine"}})
    assert found.tensors.keys() == state.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in state.tensors.items())


def test_a_state_does_not_move_with_the_training():
    saves = []
    trainer = Trainer(by_hand(), rows().split(20), TrainConfig(epochs=4, batch_size=16), on_save=saves.append)
    trainer.fit()
    for a, b in pairwise(saves):
        assert not torch.equal(a.tensors["model/encoder.network.0.weight"], b.tensors["model/encoder.network.0.weight"])


def test_a_state_is_as_it_was_after_a_training_from_it(saved):
    state, _ = saved
    before = {name: tensor.clone() for name, tensor in state.tensors.items()}
    for _ in range(2):
        Trainer(by_hand(), rows().split(20), TrainConfig(epochs=2, batch_size=16), state=state).fit()
        assert all(torch.equal(state.tensors[name], tensor) for name, tensor in before.items())


def test_steps_are_counted_exactly_where_a_scalar_parameter_counts_in_16_bits():
    weight = nn.Parameter(torch.ones((), dtype=torch.bfloat16))
    optimizer = torch.optim.Adam([weight], fused=True)
    moments = dict.fromkeys(("0/exp_avg", "0/exp_avg_sq"), torch.ones((), dtype=torch.bfloat16))
    fill_optimizer(optimizer, {"0/step": torch.tensor(257.0), **moments}, {})
    assert optimizer.state[weight]["step"].item() == 257


def test_a_state_outside_of_the_training_is_refused_since_its_random_streams_are_elsewhere():
    trainer = Trainer(by_hand(), rows().split(20), TrainConfig(epochs=1, batch_size=16))
    within = []
    trainer.on_epoch = lambda metrics, keep: within.append(trainer.state())
    with pytest.raises(UsageError, match="give the trainer on_save"):
        trainer.state()
    trainer.fit()
    assert within[0].position.epoch == 1
    with pytest.raises(UsageError, match="give the trainer on_save"):
        trainer.state()


def test_fewer_epochs_than_were_begun_are_refused():
    found = []
    config = {"batch_size": 16, "save_every": "4 steps"}
    Trainer(by_hand(), rows().split(20), TrainConfig(epochs=3, **config), on_save=found.append).fit()
    middle = next(state for state in found if state.position.epoch == 1 and state.position.batches)
    with pytest.raises(CheckpointError, match="epochs is 1, and epoch 2 has begun"):
        Trainer(by_hand(), rows().split(20), TrainConfig(epochs=1, **config), state=middle)


def test_a_flipped_bit_is_noticed(saved):
    _, path = saved
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        State.load(path)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_cut_state_is_refused(saved, keep):
    _, path = saved
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="whole safetensors"):
        State.load(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 99}, "format 99.*upgrade"),
        ({"step": -1}, "not one that aezoo writes"),
        ({"surplus": 1}, "not one that aezoo writes"),
        ({"lines": "abc"}, "one of this training|aezoo writes"),
        ({"lines": ["{"]}, "not one of this training"),
        ({"lines": ["3"]}, "not one of this training"),
        ({"moves": {}}, "not one of this training"),
        ({"scalars": {"optimizer//main/99/x": 1}}, "not one of this training"),
        ({"sums": {"rows": [1, 2]}, "batches": 2}, "not one of this training"),
    ],
)
def test_a_header_that_lies_is_refused(saved, change, words):
    state, path = saved
    values = {**state.position.model_dump(mode="json"), **change}
    from aezoo.storage.tensors import write_tensors

    write_tensors(path, state.tensors, "aezoo-state", values)
    with pytest.raises(CheckpointError, match=words) as caught:
        Trainer(by_hand(), rows().split(20), TrainConfig(epochs=2, batch_size=16), state=State.load(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("model/encoder.network.0.weight", None, "no tensor 'encoder.network.0.weight'"),
        ("model/surplus", torch.ones(1), "an unknown tensor 'surplus'"),
        ("model/encoder.network.0.weight", torch.ones(5, 7), r"float32 \(5, 7\)"),
        ("model/encoder.network.0.weight", torch.ones(5, 6).double(), "float64"),
        ("order", torch.zeros(3, dtype=torch.uint8), "not one of this training"),
        ("order", None, "not one of this training"),
        ("optimizer//main/77/exp_avg", torch.ones(1), "not one of this training"),
        ("optimizer//main/word/exp_avg", torch.ones(1), "not one of this training"),
        ("stream/cpu", torch.zeros(3, dtype=torch.uint8), "streams"),
        ("stream/python", torch.zeros(3, dtype=torch.int64), "streams"),
        ("stream/numpy", None, "streams"),
    ],
)
def test_tensors_of_another_model_are_refused(saved, name, tensor, words):
    state, _ = saved
    tensors = {**state.tensors, name: tensor} if tensor is not None else dict(state.tensors)
    if tensor is None:
        del tensors[name]
    broken = State(state.position, tensors)
    with pytest.raises(CheckpointError, match=words):
        Trainer(by_hand(), rows().split(20), TrainConfig(epochs=2, batch_size=16), state=broken).fit()


@pytest.mark.parametrize(
    ("config", "held_out", "words"),
    [
        ({"lr": 0.5}, 20, r"lr was 0\.001, and is 0\.5"),
        ({"batch_size": 15}, 20, "batch_size was 16"),
        ({}, 30, "rows was 70, and is 60"),
        ({"seed": 1}, 20, "seed was 0"),
    ],
)
def test_a_training_by_other_options_or_rows_is_refused(saved, config, held_out, words):
    state, _ = saved
    values = {"epochs": 2, "batch_size": 16, **config}
    with pytest.raises(CheckpointError, match=words):
        Trainer(by_hand(), rows().split(held_out), TrainConfig(**values), state=state)
    Trainer(by_hand(), rows().split(20), TrainConfig(epochs=5, batch_size=16, save_every="3 steps"), state=state)


def test_a_missing_state_is_said(tmp_path):
    with pytest.raises(CheckpointError, match="no state of training"):
        State.load(tmp_path)


def test_a_state_of_the_first_format_is_read():
    formats = Path(__file__).parent / "formats"
    state = State.load(formats / "state-1.safetensors")
    wanted = json.loads((formats / "state-1.json").read_text())
    assert state.position.step == wanted["step"]
    assert [line["loss"] for line in state.history] == wanted["losses"]
    assert state.tensors["model/encoder.network.0.bias"].tolist() == wanted["bias"]
