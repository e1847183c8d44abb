"""Every option of ``aezoo train``, and of training, changes something; one without a test here fails the last one."""

import json

import numpy as np
import pytest
import torch

import aezoo
from aezoo.cli.options import ConfigOption
from aezoo.cli.train import train as command
from aezoo.data import Dataset, open_data
from aezoo.training import TrainConfig, Trainer, build_model

FLIPPED = set()
TINY = ("--model", "undercomplete", "--hidden", "4", "--latent-dim", "2", "--epochs", "1")
PLAIN = {"epochs": 3, "batch_size": 32}


def flips(*options):
    """Marks a test as the one that flips these options."""
    FLIPPED.update(options)
    return lambda test: test


@pytest.fixture(scope="module")
def digits():
    whole = open_data("digits")
    return Dataset(whole.x[:150], whole.labels[:150], spec=whole.spec)


class Ran:
    """A short training, and what it left: weights, history, and how often it saved."""

    def __init__(self, digits, **options):
        torch.manual_seed(0)
        self.model = build_model("vae", {"latent_dim": 3, "hidden": [8]}, digits.spec)
        self.saves = []
        config = TrainConfig(**{**PLAIN, **options})
        splits = digits.split(config.validation)
        self.history = Trainer(self.model, splits, config, on_save=self.saves.append).fit()

    def weights(self):
        return torch.cat([tensor.flatten().double() for tensor in self.model.state_dict().values()])

    def differs(self, other):
        return not torch.equal(self.weights(), other.weights()) or self.history != other.history


@pytest.fixture(scope="module")
def plain(digits):
    return Ran(digits)


@pytest.mark.parametrize(
    ("option", "value"),
    {
        "epochs": 2, "batch_size": 16, "lr": 0.01, "optimizer": "sgd", "weight_decay": 0.5, "schedule": "cosine",
        "warmup": 5, "clip_norm": 1e-3, "precision": "bf16", "seed": 1, "validation": 30,
    }.items(),
)  # fmt: skip
@flips(
    *("epochs", "batch_size", "lr", "optimizer", "weight_decay", "schedule", "warmup", "clip_norm", "precision"),
    *("seed", "validation"),
)
def test_it_changes_the_weights_or_the_history(option, value, digits, plain):
    assert plain.differs(Ran(digits, **{option: value}))


def test_the_same_options_change_nothing(digits, plain):
    assert not plain.differs(Ran(digits))


@flips("momentum", "weight_decay")
def test_what_belongs_to_an_optimizer(digits):
    assert Ran(digits, optimizer="sgd").differs(Ran(digits, optimizer="sgd", momentum=0.9))
    assert Ran(digits, weight_decay=0.5).differs(Ran(digits, weight_decay=0.5, optimizer="adamw"))


@flips("steps")
def test_steps_take_the_place_of_epochs(digits):
    # 108 training rows are 3 steps of 32, the last of which is joined with what is left
    passes = [len(Ran(digits, epochs=None, steps=steps).history) for steps in (1, 9)]
    assert passes[0] == 1 < passes[1]


@flips("tolerance")
def test_tolerance_lets_patience_run_out_sooner(digits):
    lengths = [len(Ran(digits, epochs=30, patience=2, tolerance=tolerance).history) for tolerance in (0.0, 100.0)]
    # no epoch is a hundred nats better than the first
    assert lengths[0] > lengths[1] == 3


def test_tolerance_without_patience_is_a_mistake():
    with pytest.raises(aezoo.errors.UsageError, match="there is no patience"):
        TrainConfig.parse({"tolerance": 0.1}, owner="training")


@flips("log_every")
def test_further_lines_are_those_of_every_nth_step(digits):
    run = Ran(digits, log_every=3)
    lines = [json.loads(line) for line in run.saves[-1].position.further]
    assert [line["step"] for line in lines] == list(range(3, lines[-1]["step"] + 1, 3))
    assert run.saves[-1].position.step - lines[-1]["step"] < 3
    assert not Ran(digits).saves[-1].position.further


@flips("patience")
def test_patience_ends_a_run_that_gets_no_better(digits):
    assert len(Ran(digits, lr=1.0, epochs=50, patience=1).history) < 50


@flips("save_every")
def test_how_often_it_saves(digits, plain):
    # 108 rows are four batches of 32
    steps = [[state.position.step for state in ran.saves] for ran in (plain, Ran(digits, save_every="5 steps"))]
    assert steps == [[4, 8, 12], [5, 10, 12]]


@flips("compile")
def test_compile_hands_the_step_to_torch(digits, plain, monkeypatch):
    given = []
    monkeypatch.setattr(torch, "compile", lambda function, **options: given.append(function) or function)
    assert not plain.differs(Ran(digits, compile=True))
    assert given


@flips("device")
def test_a_device_that_is_not_there_is_refused_by_name(digits):
    with pytest.raises(aezoo.errors.UsageError, match="device 'cuda:99'"):
        Ran(digits, device="cuda:99")


# ------------------------------------------------------------------ of the command alone


def train(cli, *arguments):
    result = cli("train", *TINY, *arguments)
    assert result.status == 0, result.err
    return result


def run_of(cli, *arguments):
    return json.loads(train(cli, *arguments, "--json").out)


@flips("layout", "test", "train_on")
def test_which_rows_and_what_they_are(cli, tmp_path):
    np.save("x.npy", np.random.RandomState(0).normal(size=(60, 6, 5)))
    shapes = {}
    for layout in ("image", "series", "table"):
        run = run_of(cli, "--data", "x.npy", "--layout", layout, "--network", "mlp")["run"]
        shapes[layout] = aezoo.load(run).spec.shape
    assert shapes == {"image": (1, 6, 5), "series": (6, 5), "table": (30,)}
    assert run_of(cli, "--data", "x.npy", "--test", "0.5")["examples"] == 30
    assert run_of(cli, "--data", "x.npy")["examples"] == 12
    assert run_of(cli, "--data", "x.npy", "--train-on", "all")["examples"] == 0


@flips("model", "data", "json", "out", "seeds", "config", "overwrite", "labels", "data_dir")
def test_the_options_of_the_command(cli, tmp_path):
    first = run_of(cli, "--out", "first")
    assert first["run"] == "first"
    assert (first["model"], run_of(cli, "--model", "linear")["model"]) == ("undercomplete", "linear")

    np.save("x.npy", np.random.RandomState(0).rand(60, 5))
    np.save("y.npy", np.arange(60) % 2)
    assert "probe_accuracy" not in run_of(cli, "--data", "x.npy")
    assert "probe_accuracy" in run_of(cli, "--data", "x.npy", "--labels", "y.npy")

    refused = cli("train", *TINY, "--out", "first")
    assert refused.status == 2
    assert "--overwrite" in refused.err
    assert run_of(cli, "--out", "first", "--overwrite", "--seed", "1") != first

    assert run_of(cli, "--seeds", "2")["runs"] == ["seed-0", "seed-1"]
    (tmp_path / "it.toml").write_text("latent-dim = 3\nhidden = []\nepochs = 1\n")
    given = json.loads(cli("train", "--config", "it.toml", "--json").out)["run"]
    assert json.loads((tmp_path / given / "config.json").read_text())["config"]["latent_dim"] == 3

    missing = cli("train", *TINY, "--data", "mnist", "--data-dir", "nowhere")
    assert missing.status == 1
    assert "nowhere" in missing.err


def test_every_option_is_flipped():
    own = {str(o.opts[-1])[2:].replace("-", "_") for o in command.params if not isinstance(o, ConfigOption)}
    assert own | set(TrainConfig.model_fields) == FLIPPED
