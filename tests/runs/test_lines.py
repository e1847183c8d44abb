"""The lines of metrics.jsonl: of each epoch, and of every nth step."""

import json

import numpy as np
import pytest
import torch

import aezoo
from aezoo.data import Dataset
from aezoo.parts import Decoder, Gaussian, PointEncoder, Regularizer, Weighted

ROWS = np.random.default_rng(0).normal(size=(160, 5)).astype("float32")


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def train(out, **options):
    return aezoo.train("vae", ROWS, latent_dim=2, hidden=(8,), batch_size=20, out=out, progress=False, **options)


def test_an_epoch_tells_the_norm_of_all_that_learned(tmp_path):
    run = train(tmp_path / "run", epochs=2)
    norm = np.sqrt(sum(np.square(p.detach().numpy().astype(float)).sum() for p in run.model.parameters()))
    assert lines_of(tmp_path / "run")[-1]["parameter_norm"] == pytest.approx(norm, rel=1e-12)


def test_a_step_tells_its_own_loss_and_rate(tmp_path):
    run = train(tmp_path / "run", epochs=3, log_every=2, schedule="cosine", kl_warmup=0)
    lines = lines_of(tmp_path / "run")
    steps = [line for line in lines if "epoch" not in line]
    epochs = [line for line in lines if "epoch" in line]
    assert [line["step"] for line in steps] == list(range(2, epochs[-1]["step"] + 1, 2))
    assert sorted(lines, key=lambda line: (line["step"], "epoch" in line)) == lines
    assert all(line["loss"] == pytest.approx(line["reconstruction"] + line["kl"], rel=1e-5) for line in steps)
    rates = [line["lr"] for line in steps]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(1e-3 * 0.5 * (1 + np.cos(np.pi * 1 / epochs[-1]["step"])))
    assert run.history == epochs


def test_they_change_nothing_else(tmp_path):
    one, other = (train(tmp_path / str(n), epochs=2, log_every=n) for n in (None, 3))
    assert one.history == other.history
    assert all(map(torch.equal, one.model.parameters(), other.model.parameters()))


class Stops:
    """Breaks a run off after so many further lines."""

    def __init__(self, after):
        self.after, self.lines = after, []

    def aezoo_steps_end(self, run, metrics):
        self.lines.append(metrics["step"])
        if len(self.lines) == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [3, 4, 8])
def test_a_run_that_was_broken_off_has_the_same_lines_in_the_end(tmp_path, after):
    options = {"epochs": 4, "log_every": 2, "save_every": "3 steps"}
    train(tmp_path / "whole", **options)
    stops = Stops(after)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", trackers=[stops], **options)
    assert stops.lines == list(range(2, 2 * after + 1, 2))
    aezoo.resume(tmp_path / "broken", data=ROWS)
    both = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "broken")]
    assert both[0] == both[1]


def test_seeds_with_lines_of_steps_are_trained_one_after_the_other(tmp_path):
    runs = aezoo.train_many("undercomplete", "digits", seeds=2, epochs=1, log_every=5, out=tmp_path / "seeds")
    assert not runs.together
    assert any("single steps" in note for note in runs.notes)
    assert [line["step"] for line in lines_of(tmp_path / "seeds" / "seed-1")] == [5, 10, 11]


def test_a_regularizer_of_the_name_of_a_figure_gets_another():
    class Size(Regularizer):
        def forward(self, z):
            return z.square().flatten(2).sum(-1)

    spec = aezoo.DataSpec(shape=(5,))
    layers = torch.nn.Linear(5, 2), torch.nn.Linear(2, 5)
    model = aezoo.Autoencoder(
        PointEncoder(layers[0]),
        Decoder(layers[1], Gaussian(spec)),
        spec=spec,
        regularizers=[Weighted("parameter_norm", Size(), 0.1)],
    )
    assert "parameter_norm-2" in aezoo.train(model, Dataset(ROWS, spec=spec), epochs=1).history[-1]
