"""``aezoo resume``: what goes on, what is refused, and what is said."""

import importlib.metadata
import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import aezoo
from aezoo.data import Dataset
from aezoo.errors import CheckpointError, DataError, UsageError
from aezoo.parts import Decoder, Gaussian, PointEncoder
from aezoo.training import State

FILES = ("model.safetensors", "metrics.jsonl", "results.json", "config.json")
QUICK = {"hidden": [8], "latent_dim": 4}


@pytest.fixture(autouse=True, scope="module")
def no_pictures():
    """They take longer than all else, and hold no state."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aezoo.plots.draw_run", lambda *arguments: [])
        yield


class Breaker:
    """Ends a run after an epoch, as a power cut would, but for what a dead process does not clear away."""

    def __init__(self, epoch):
        self.epoch = epoch

    def aezoo_epoch_end(self, run, metrics):
        if metrics["epoch"] == self.epoch:
            raise KeyboardInterrupt


def broken(folder, epoch=2, model="vae", data="digits", **options):
    with pytest.raises(KeyboardInterrupt):
        aezoo.train(model, data, out=folder, trackers=[Breaker(epoch)], **{"epochs": 4, **QUICK, **options})
    return folder


def contents(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never broken off."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    aezoo.train("vae", "digits", out=folder, epochs=4, **QUICK)
    return folder


def change(folder, **values):
    """Edits config.json: a value, or a dict of values to put into one."""
    config = json.loads((folder / "config.json").read_text())
    for key, value in values.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    (folder / "config.json").write_text(json.dumps(config))


# ---------------------------------------------------------------- going on


def test_a_run_goes_on_from_the_command_line_to_the_same_files(cli, tmp_path, whole):
    broken(tmp_path / "run")
    result = cli("resume", "run", "--json")
    assert result.status == 0, result.err
    assert contents(tmp_path / "run") == contents(whole)
    assert json.loads(result.out)["squared_error"] == json.loads((whole / "results.json").read_text())["squared_error"]
    assert {path.name for path in (tmp_path / "run").iterdir()} == {path.name for path in whole.iterdir()}


def test_a_run_killed_before_its_first_save_begins_anew(cli, tmp_path, whole):
    code = (
        "import os, signal, aezoo; from aezoo.training import Trainer;"
        "Trainer._train_step = lambda *a: os.kill(os.getpid(), signal.SIGKILL);"
        "aezoo.train('vae', 'digits', out='run', epochs=4, hidden=[8], latent_dim=4)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert cli("train", "--out", "run").err.count("aezoo resume run") == 1
    result = cli("resume", "run")
    assert result.status == 0, result.err
    assert "saved nothing yet" in result.err
    assert contents(tmp_path / "run") == contents(whole)


def test_lines_of_epochs_that_were_not_saved_are_written_once(tmp_path, whole):
    broken(tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    (tmp_path / "run" / "metrics.jsonl").write_text(lines + '{"epoch": 3}\n{"epo')
    aezoo.resume(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(whole)


def test_a_finished_run_is_as_it_was_and_can_be_trained_on(cli, tmp_path):
    # a share of few steps would be another
    aezoo.train("vae", "digits", out=tmp_path / "whole", epochs=4, kl_warmup=0, **QUICK)
    aezoo.train("vae", "digits", out=tmp_path / "run", epochs=2, kl_warmup=0, **QUICK)
    before = contents(tmp_path / "run")
    result = cli("resume", "run")
    assert result.status == 0
    assert "nothing was left to train" in result.err
    assert contents(tmp_path / "run") == before
    run = aezoo.resume(tmp_path / "run", epochs=4)
    assert [line["epoch"] for line in run.history] == [1, 2, 3, 4]
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_who_trains_on_is_told_of_weights_that_follow_the_number_of_steps(tmp_path):
    aezoo.train("vae", "digits", out=tmp_path / "run", epochs=2, **QUICK)
    assert any("weights that grow over a share" in note for note in aezoo.resume(tmp_path / "run", epochs=4).notes)


def test_a_run_that_was_broken_twice_goes_on_twice(tmp_path, whole):
    broken(tmp_path / "run", 1)
    with pytest.raises(KeyboardInterrupt, match="go on with: aezoo resume"):
        aezoo.resume(tmp_path / "run", trackers=[Breaker(3)])
    aezoo.resume(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(whole)


def test_early_stopping_remembers_its_best_epoch(tmp_path):
    options = {"epochs": 30, "patience": 2, "lr": 0.03, "validation": 100, "latent_dim": 2, "hidden": [64]}
    data = np.random.default_rng(0).normal(size=(200, 5))
    run = aezoo.train("undercomplete", data, out=tmp_path / "whole", **options)
    best = min(run.history, key=lambda line: line["validation_loss"])["epoch"]
    assert len(run.history) == best + 2 < 30
    # between the best epoch and the end, where the last weights are no longer the best
    with pytest.raises(KeyboardInterrupt):
        aezoo.train("undercomplete", data, out=tmp_path / "run", trackers=[Breaker(best + 1)], **options)
    aezoo.resume(tmp_path / "run", data=data)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_more_epochs_for_a_run_whose_patience_ran_out_are_said_to_change_nothing(cli, tmp_path):
    aezoo.train("undercomplete", "digits", out=tmp_path / "run", epochs=30, patience=1, lr=0.05, **QUICK)
    before = contents(tmp_path / "run")
    result = cli("resume", "run", "--epochs", "40")
    assert result.status == 0
    assert "nothing was left to train: patience ran out" in result.err
    assert {**contents(tmp_path / "run"), "config.json": ""} == {**before, "config.json": ""}


def test_data_given_in_python_is_given_again(tmp_path):
    data = np.random.default_rng(0).normal(size=(80, 5))
    run = broken(tmp_path / "run", model="undercomplete", data=data)
    with pytest.raises(UsageError, match="given in Python"):
        aezoo.resume(run)
    aezoo.resume(run, data=data)
    aezoo.train("undercomplete", data, out=tmp_path / "whole", epochs=4, **QUICK)
    assert contents(run) == contents(tmp_path / "whole")


def test_a_file_that_moved_is_named(cli, tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(80, 5)))
    broken(tmp_path / "run", model="undercomplete", data=tmp_path / "rows.npy")
    (tmp_path / "rows.npy").rename(tmp_path / "others.npy")
    assert "rows.npy" in cli("resume", "run").err
    result = cli("resume", "run", "--data", "others.npy")
    assert result.status == 0, result.err
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"]["name"].endswith("others.npy")


def test_a_file_that_was_renamed_changes_no_bit_however_often_the_run_is_killed(tmp_path):
    data = tmp_path / "rows.npy"
    np.save(data, np.random.default_rng(0).normal(size=(80, 5)))
    aezoo.train("undercomplete", data, out=tmp_path / "whole", epochs=4, **QUICK)
    run = broken(tmp_path / "run", model="undercomplete", data=data)
    renamed = data.rename(tmp_path / "others.npy")

    class AtOnce:
        def aezoo_train_start(self, run):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        aezoo.resume(run, data=renamed, trackers=[AtOnce()])
    aezoo.resume(run)
    found, wanted = contents(run), contents(tmp_path / "whole")
    # but for where the data is now
    configs = [json.loads(files.pop("config.json")) for files in (found, wanted)]
    assert configs[0].pop("data")["name"].endswith("others.npy")
    assert configs[1].pop("data")["name"].endswith("rows.npy")
    assert configs[0] == configs[1]
    assert found == wanted


def by_hand():
    torch.manual_seed(0)
    spec = aezoo.DataSpec(shape=(5,), scaling="none")
    return aezoo.Autoencoder(PointEncoder(nn.Linear(5, 2)), Decoder(nn.Linear(2, 5), Gaussian(spec)), spec=spec)


def test_a_model_composed_by_hand_is_handed_over(cli, tmp_path):
    data = np.random.default_rng(0).normal(size=(80, 5))
    with pytest.raises(KeyboardInterrupt, match=r"aezoo\.resume\(.*, into=model\)"):
        aezoo.train(by_hand(), data, out=tmp_path / "run", epochs=4, trackers=[Breaker(2)])
    result = cli("resume", "run")
    assert result.status == 2
    assert "composed by hand" in result.err
    aezoo.resume(tmp_path / "run", into=by_hand(), data=data)
    aezoo.train(by_hand(), data, out=tmp_path / "whole", epochs=4)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")
    with pytest.raises(UsageError, match="leave into out"):
        aezoo.resume(broken(tmp_path / "other"), into=by_hand())


def test_trackers_hear_of_the_epochs_that_are_new(tmp_path):
    heard = []

    class Tracker:
        def aezoo_train_start(self, run):
            heard.append(len(run.history))

        def aezoo_epoch_end(self, run, metrics):
            heard.append(metrics["epoch"])

    broken(tmp_path / "run", 3)
    aezoo.resume(tmp_path / "run", trackers=[Tracker()])
    assert heard == [3, 4]


# ---------------------------------------------------------------- refused


def test_other_options_are_refused_and_those_that_may_change_are_named(cli, tmp_path):
    run = broken(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    for arguments in (("--lr", "0.5"), ("--lr=0.5",), ("--hidden", "3"), ("--latent-dim", "7")):
        result = cli("resume", "run", *arguments)
        assert result.status == 2
        assert "--epochs, --save-every, --device" in result.err
        assert len(result.err.splitlines()) == 1
    with pytest.raises(UsageError, match=r"lr is 0\.001 in this run and cannot become 0.5: only epochs"):
        aezoo.resume(run, lr=0.5)
    with pytest.raises(UsageError, match="no option 'latent_dm'; did you mean 'latent_dim'"):
        aezoo.resume(run, latent_dm=5)
    with pytest.raises(UsageError, match="epochs is 1, and 2 are done"):
        aezoo.resume(run, epochs=1)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert len(aezoo.resume(run, lr=0.001, latent_dim=4, epochs=3, save_every="5 steps").history) == 3


def test_an_end_within_an_epoch_that_has_begun_is_refused(cli, tmp_path):
    run = broken(tmp_path / "run", save_every="5 steps")
    at = State.load(run).position
    assert (at.epoch, at.batches > 0) == (1, True)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    result = cli("resume", "run", "--epochs", "1")
    assert result.status == 2
    assert "epochs is 1, and epoch 2 has begun: give more" in result.err
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"training": {"lr": 0.5}}, "lr was 0.001 and is 0.5"),
        ({"training": {"seed": 5}}, "seed was 0 and is 5"),
        ({"config": {"latent_dim": 5}}, "latent_dim was 4 and is 5"),
        ({"model": "contractive"}, "model was 'vae' and is 'contractive'"),
        ({"digest": "x"}, "digest was"),
    ],
)
def test_a_config_edited_by_hand_is_refused_with_what_differs(tmp_path, values, words):
    run = broken(tmp_path / "run")
    change(run, **values)
    with pytest.raises(CheckpointError, match=words):
        aezoo.resume(run)
    config = json.loads((run / "config.json").read_text())
    assert config["training"]["epochs"] == 4


def test_epochs_edited_by_hand_count(tmp_path):
    whole = tmp_path / "whole"
    aezoo.train("vae", "digits", out=whole, epochs=4, kl_warmup=0, **QUICK)
    run = broken(tmp_path / "run", epochs=3, kl_warmup=0)
    change(run, training={"epochs": 4})
    aezoo.resume(run)
    assert contents(run)["model.safetensors"] == contents(whole)["model.safetensors"]


@pytest.mark.parametrize("what", ["value", "row", "label", "test"])
def test_changed_data_is_refused(tmp_path, what):
    x = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
    labels = np.arange(80) % 3
    spec = aezoo.DataSpec(shape=(5,))
    run = broken(tmp_path / "run", model="undercomplete", data=Dataset(x, labels, spec=spec, test=np.arange(9)))
    same = {"x": x.copy(), "labels": labels.copy(), "test": np.arange(9)}
    if what == "value":
        same["x"][70, 4] = np.nextafter(same["x"][70, 4], 1)
    elif what == "row":
        same["x"], same["labels"] = same["x"][:79], same["labels"][:79]
    elif what == "label":
        same["labels"][5] = 0
    else:
        same["test"] = np.arange(1, 10)
    changed = Dataset(same["x"], same["labels"], spec=spec, test=same["test"])
    with pytest.raises(DataError, match=r"the data is not what .* was trained on"):
        aezoo.resume(run, data=changed)
    aezoo.resume(run, data=Dataset(x, labels, spec=spec, test=np.arange(9)))


def test_data_of_another_shape_is_refused_with_what_differs(tmp_path):
    run = broken(tmp_path / "run")
    with pytest.raises(DataError, match=r"shape was \(1, 8, 8\) and is \(5,\)"):
        aezoo.resume(run, data=np.random.default_rng(0).normal(size=(80, 5)))


def test_another_version_is_refused_with_both(tmp_path, monkeypatch):
    run = broken(tmp_path / "run")
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9" if name == "aezoo" else version(name))
    with pytest.raises(CheckpointError, match=r"aezoo 0\.1\.0, and 9\.9 is installed: pip install aezoo==0\.1\.0"):
        aezoo.resume(run)


def test_another_torch_or_number_of_threads_is_said(tmp_path):
    run = broken(tmp_path / "run")
    state = aezoo.training.State.load(run)
    versions = {**state.position.run["versions"], "torch": "2.1.0"}
    changed = state.position.model_copy(update={"threads": 99})
    aezoo.training.State(changed, state.tensors).save(
        run / "state.safetensors", {**state.position.run, "versions": versions}
    )
    change(run, versions={"torch": "2.1.0"})
    notes = aezoo.resume(run).notes
    assert sum("last bits" in note for note in notes) == 2
    assert any(note.startswith("torch was 2.1.0") for note in notes)
    assert any(note.startswith("threads was 99") for note in notes)


def test_a_new_end_of_a_cosine_is_said(tmp_path):
    run = broken(tmp_path / "run", schedule="cosine")
    assert any("cosine" in note for note in aezoo.resume(run, epochs=6).notes)


def test_what_is_no_run_is_refused(cli, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, status in (("nowhere", 1), ("file", 1), ("empty", 1)):
        result = cli("resume", name)
        assert result.status == status
        assert len(result.err.splitlines()) == 1
    assert list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def seeds_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".json", ".jsonl", ".safetensors") and path.name != "state.safetensors"
    }


@pytest.mark.parametrize(("together", "at"), [(False, 1), (True, 0)])
def test_runs_of_several_seeds_go_on(cli, tmp_path, together, at):
    class Stopper:
        def aezoo_epoch_end(self, run, metrics):
            if (run.training.seed, metrics["epoch"]) == (at, 2):
                raise KeyboardInterrupt

    options = {"seeds": 3, "epochs": 3, "together": together, **QUICK}
    with pytest.raises(KeyboardInterrupt, match="go on with: aezoo resume"):
        aezoo.train_many("undercomplete", "digits", out=tmp_path / "it", trackers=[Stopper()], **options)
    result = cli("resume", "it", "--json")
    assert result.status == 0, result.err
    whole = aezoo.train_many("undercomplete", "digits", out=tmp_path / "whole", **options)
    assert whole.together is together
    assert json.loads(result.out)["mean"] == whole.mean
    assert seeds_of(tmp_path / "it") == seeds_of(tmp_path / "whole")
    result = cli("resume", "it")
    assert result.status == 2
    assert "finished" in result.err


def test_what_of_several_runs_cannot_go_on_is_refused(cli, tmp_path):
    result = cli("train", "--seeds", "2", "--epochs", "1", "--out", "it", "--hidden", "8")
    assert result.status == 0, result.err
    result = cli("resume", "it/seed-0")
    assert result.status == 1
    assert "no state of training was saved" in result.err
    with pytest.raises(UsageError, match="resume_many"):
        aezoo.resume(tmp_path / "it")
    (tmp_path / "it" / "results.json").unlink()
    assert "leave options out" in cli("resume", "it", "--epochs", "3").err
    aezoo.train_many("undercomplete", "digits", settings=[{"lr": 0.1}], epochs=1, out=tmp_path / "other", **QUICK)
    assert "several seeds" in cli("resume", "other").err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("[]", "not what aezoo train writes"),
        ("{}", "model"),
        ("[" * 100_000, "cannot be read"),
        ('{"model": 5}', "model"),
    ],
)
def test_a_broken_config_is_refused_in_one_line(cli, tmp_path, text, words):
    run = broken(tmp_path / "run")
    (run / "config.json").write_text(text)
    result = cli("resume", "run")
    assert result.status == 1
    assert words in result.err
    assert len(result.err.splitlines()) == 1


def test_a_run_from_before_there_were_states_is_refused(cli, tmp_path):
    run = broken(tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    del config["digest"]
    (run / "config.json").write_text(json.dumps(config))
    result = cli("resume", "run")
    assert result.status == 1
    assert "before runs could go on" in result.err


def test_a_state_of_another_run_is_refused(tmp_path):
    run, other = broken(tmp_path / "run"), broken(tmp_path / "other", seed=3)
    (other / "state.safetensors").replace(run / "state.safetensors")
    with pytest.raises(CheckpointError, match="seed was 3 and is 0"):
        aezoo.resume(run)


def test_a_model_whose_plugin_is_gone_is_named(tmp_path):
    run = broken(tmp_path / "run")
    state = aezoo.training.State.load(run)
    theirs = {**state.position.run, "model": "vampire", "distribution": "aezoo-vampire", "plugin": "vampire"}
    state.save(run / "state.safetensors", theirs)
    change(run, model="vampire", distribution="aezoo-vampire", plugin="vampire")
    with pytest.raises(CheckpointError, match=r"vampire.*pip install aezoo-vampire"):
        aezoo.resume(run)
