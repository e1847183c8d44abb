"""Several runs at once: what they leave, what they say, and that each is the run that it would be alone."""

import json
import statistics

import pytest
import torch

import aezoo
from aezoo.errors import DivergenceError, OutputError, UsageError
from aezoo.training import NotTogetherError

QUICK = {"epochs": 2, "hidden": (8,), "latent_dim": 3, "progress": False}


def alone(model="undercomplete", **options):
    return aezoo.train(model, "digits", **{**QUICK, **options})


def test_seeds_are_the_runs_that_they_would_be_alone(tmp_path):
    runs = aezoo.train_many("vae", "digits", seeds=3, seed=4, out=tmp_path / "it", together=True, **QUICK)
    assert runs.together
    assert runs.names == ["seed-4", "seed-5", "seed-6"]
    assert len(runs) == 3
    for name, run, seed in zip(runs.names, runs, (4, 5, 6), strict=True):
        single = alone("vae", seed=seed, out=tmp_path / f"alone-{seed}")
        assert run.results == pytest.approx(single.results, rel=1e-4)
        ours, theirs = tmp_path / "it" / name, tmp_path / f"alone-{seed}"
        assert json.loads((ours / "config.json").read_text()) == json.loads((theirs / "config.json").read_text())
        assert json.loads((ours / "results.json").read_text()) == {**run.results, "notes": run.notes}
        assert len((ours / "metrics.jsonl").read_text().splitlines()) == 2
        for a, b in zip(aezoo.load(ours).parameters(), single.model.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_mean_and_sample_deviation_of_every_figure(tmp_path):
    runs = aezoo.train_many("undercomplete", "digits", seeds=3, out=tmp_path / "it", together=False, **QUICK)
    assert not runs.together
    errors = [alone(seed=seed).results["squared_error"] for seed in range(3)]
    assert [run.results["squared_error"] for run in runs] == errors
    assert runs.mean["squared_error"] == pytest.approx(sum(errors) / 3)
    assert runs.deviation["squared_error"] == pytest.approx(statistics.stdev(errors))
    written = json.loads((tmp_path / "it" / "results.json").read_text())
    assert written["mean"] == runs.mean
    assert written["deviation"] == runs.deviation
    assert written["runs"] == ["seed-0", "seed-1", "seed-2"]


def test_one_run_has_no_deviation():
    runs = aezoo.train_many("undercomplete", "digits", seeds=1, **QUICK)
    assert not runs.together
    assert runs.deviation["squared_error"] is None


def test_small_models_are_trained_together_unless_told_otherwise():
    assert aezoo.train_many("undercomplete", "digits", seeds=2, **QUICK).together
    wide = {**QUICK, "hidden": (2000,), "latent_dim": 500, "epochs": 1}
    assert not aezoo.train_many("undercomplete", "digits", seeds=2, **wide).together


def test_settings_train_together_where_their_steps_are_the_same(tmp_path):
    every = [{"lr": 0.01}, {"lr": 0.001, "seed": 3}]
    runs = aezoo.train_many("undercomplete", "digits", settings=every, out=tmp_path / "it", **QUICK)
    assert runs.together
    assert runs.names == ["setting-1", "setting-2"]
    for run, setting in zip(runs, every, strict=True):
        assert run.results == pytest.approx(alone(**setting).results, rel=1e-4)
    assert json.loads((tmp_path / "it" / "config.json").read_text())["settings"] == every


def test_settings_of_other_shapes_train_one_by_one_and_say_so():
    runs = aezoo.train_many("undercomplete", "digits", settings=[{"latent_dim": 2}, {"latent_dim": 4}], **{
        key: value for key, value in QUICK.items() if key != "latent_dim"
    })  # fmt: skip
    assert not runs.together
    assert [run.config.latent_dim for run in runs] == [2, 4]
    assert any("one after the other: their weights have different" in note for note in runs.notes)


def test_what_was_tried_in_vain_leaves_no_trace(monkeypatch):
    def in_vain(trainers, *others):
        for trainer in trainers:
            next(iter(trainer.train.epoch(trainer.batch_size, trainer.order)))
        raise NotTogetherError("no")

    monkeypatch.setattr("aezoo.runs.repeats.Together", in_vain)
    runs = aezoo.train_many("undercomplete", "digits", seeds=2, **QUICK)
    assert runs.notes == ["trained one after the other: no."]
    assert runs[1].results == alone(seed=1).results


def test_noise_with_a_seed_of_its_own_is_drawn_as_alone():
    options = {**QUICK, "corruption": "gaussian=0.3,seed=5"}
    runs = aezoo.train_many("denoising", "digits", seeds=2, **options)
    assert not runs.together
    assert runs[1].results == aezoo.train("denoising", "digits", seed=1, **options).results


def test_one_that_diverges_is_left_out_and_said(tmp_path):
    every = [{"lr": 1e30}, {"lr": 0.01}, {"lr": 0.02}]
    runs = aezoo.train_many("undercomplete", "digits", settings=every, out=tmp_path / "it", **QUICK)
    assert runs.names == ["setting-2", "setting-3"]
    assert list(runs.failed) == ["setting-1"]
    assert any(note.startswith("setting-1 is left out") for note in runs.notes)
    assert runs.mean["squared_error"] == pytest.approx(
        (runs[0].results["squared_error"] + runs[1].results["squared_error"]) / 2
    )
    # the whole is repeated from where it began, be the first run lost or not
    assert json.loads((tmp_path / "it" / "config.json").read_text())["training"]["lr"] == 1e30


@pytest.mark.parametrize("together", [True, False])
def test_where_all_diverge_it_is_an_error(tmp_path, together):
    with pytest.raises(DivergenceError, match="no run came to its end; seed-0: "):
        aezoo.train_many("undercomplete", "digits", seeds=2, lr=1e30, together=together, out=tmp_path / "it", **QUICK)
    assert not (tmp_path / "it").exists()


class Stopper:
    """Presses Ctrl-C at a run's epoch."""

    def __init__(self, seed, epoch):
        self.at = seed, epoch

    def aezoo_epoch_end(self, run, metrics):
        if (run.training.seed, metrics["epoch"]) == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("together", "said"),
    [(True, "0 of 3 runs are whole in .*, and 3 more left"), (False, "1 of 3 .*, and 1 more left")],
)
def test_ctrl_c_says_what_stays(tmp_path, together, said):
    options = {**QUICK, "seeds": 3, "out": tmp_path / "it"}
    with pytest.raises(KeyboardInterrupt, match=said):
        aezoo.train_many("undercomplete", "digits", together=together, trackers=[Stopper(1, 2)], **options)
    assert aezoo.load(tmp_path / "it" / "seed-0").spec.shape == (1, 8, 8)
    again = aezoo.train_many("undercomplete", "digits", seeds=3, out=tmp_path / "it", overwrite=True, **QUICK)
    assert len(again) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seeds": 0}, "1 at least"),
        ({"seeds": True}, "1 at least"),
        ({"seeds": 2.0}, "1 at least"),
        ({}, "one of the two"),
        ({"seeds": 2, "settings": [{}]}, "one of the two"),
        ({"settings": []}, "settings is empty"),
        ({"seeds": 2, "latnt_dim": 3}, "did you mean 'latent_dim'"),
        ({"settings": [{"lr": 0.1}, {"lr": -1}]}, "lr"),
    ],
)
def test_bad_input_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        aezoo.train_many("undercomplete", "digits", **given)


def test_what_cannot_be_trained_together_is_refused_where_that_is_asked():
    with pytest.raises(UsageError, match=r"cannot be trained together: .*; leave together out"):
        aezoo.train_many("vq-vae", "digits", seeds=2, together=True, epochs=1, progress=False)


def test_folders_that_hold_something_else_are_refused(tmp_path):
    alone(out=tmp_path / "single")
    with pytest.raises(UsageError, match="holds a single run"):
        aezoo.train_many("undercomplete", "digits", seeds=2, out=tmp_path / "single", overwrite=True, **QUICK)
    aezoo.train_many("undercomplete", "digits", seeds=3, out=tmp_path / "many", **QUICK)
    with pytest.raises(UsageError, match="give --overwrite"):
        aezoo.train_many("undercomplete", "digits", seeds=3, out=tmp_path / "many", **QUICK)
    with pytest.raises(UsageError, match="holds seed-2 of an older"):
        aezoo.train_many("undercomplete", "digits", seeds=2, out=tmp_path / "many", overwrite=True, **QUICK)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        aezoo.train_many("undercomplete", "digits", seeds=2, out=tmp_path / "file", **QUICK)
