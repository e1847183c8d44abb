import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open

import aezoo
from aezoo import registry

QUICK = ("--epochs", "1", "--hidden", "8", "--latent-dim", "3")


@pytest.fixture(autouse=True)
def pictures(request, monkeypatch):
    """Drawn only where a test asks for them: they take longer than all else."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr("aezoo.plots.draw_run", lambda *arguments: [])


@pytest.fixture
def drawn():
    """Asks for pictures."""


def run_of(result):
    assert result.status == 0, result.err
    return json.loads(result.out)


def test_everything_defaulted_leaves_a_whole_run(cli, tmp_path, drawn):
    result = cli("train", "--epochs", "3")
    assert result.status == 0, result.err
    folder = tmp_path / "runs" / "contractive-digits"
    names = {path.name for path in folder.iterdir()}
    pictures = {"loss.png", "reconstructions.png", "codes.png"}
    files = {"config.json", "metrics.jsonl", "model.safetensors", "state.safetensors", "results.json"}
    assert names == files | pictures
    assert "runs/contractive-digits" in result.out
    assert "aezoo evaluate runs/contractive-digits" in result.out
    assert "squared_error" in result.out
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_second_default_run_gets_a_folder_of_its_own(cli, tmp_path):
    for _ in range(2):
        assert cli("train", *QUICK).status == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"contractive-digits", "contractive-digits-2"}


def test_the_saved_config_is_resolved_and_the_checkpoint_describes_itself(cli, tmp_path):
    result = cli("train", *QUICK, "--out", "run", "--corruption", "masking=0.25", "--regularizer", "l1=linear:0:0.1:50")
    assert result.status == 0, result.err
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["config"]["corruption"] == {
        "name": "masking", "value": None, "options": {"strength": 0.25, "missing": "zero", "seed": None},
    }  # fmt: skip
    assert config["config"]["regularizers"][0]["weight"] == {
        "kind": "linear",
        "start": 0.0,
        "end": 0.1,
        "steps": 50,
        "share": None,
    }
    assert config["training"]["epochs"] == 1
    assert config["data"] == {"name": "digits", "options": {}}
    assert config["distribution"] == "aezoo"
    assert set(config["versions"]) >= {"aezoo", "torch", "python"}
    with safe_open(tmp_path / "run" / "model.safetensors", "numpy") as file:
        header = json.loads(file.metadata()["aezoo"])
    assert header["model"] == "contractive"
    assert header["config"] == config["config"]
    assert header["data"]["shape"] == [1, 8, 8]


def test_settings_from_a_file_with_the_command_line_winning(cli, tmp_path):
    (tmp_path / "it.toml").write_text(
        'model = "sparse-l1"\nepochs = 1\nlatent-dim = 5\nhidden = [6]\nl1 = 0.5\nregularizer = ["contraction=0.1"]\n'
        'out = "run"\n'
    )
    assert cli("train", "--config", "it.toml", "--latent-dim", "7").status == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"] == "sparse-l1"
    assert config["config"]["latent_dim"] == 7
    assert config["config"]["hidden"] == [6]
    assert config["config"]["l1"] == 0.5
    assert config["config"]["regularizers"][0]["name"] == "contraction"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epocs = 1", ("epocs", "epochs")),
        ("epochs = 'many'", ("epochs", "integer")),
        ("epochs = ", ("cannot be read", "TOML")),
        ("[model]\nlatent_dim = 3", ("'model'", "sections")),
        ("corruption = 3", ("corruption", "NAME=VALUE")),
    ],
)
def test_a_bad_settings_file(cli, tmp_path, text, words):
    (tmp_path / "it.toml").write_text(text)
    result = cli("train", "--config", "it.toml")
    assert result.status == 2
    assert_one_line(result, *words)


def test_json_is_one_flat_object(cli):
    figures = run_of(cli("train", *QUICK, "--json"))
    assert figures["model"] == "contractive"
    assert {"run", "squared_error", "pca_squared_error", "probe_accuracy", "penalty_contraction"} <= set(figures)
    assert figures.pop("notes") == []
    assert not any(isinstance(value, dict | list) for value in figures.values())


def test_help_lists_the_options_of_the_model_that_is_named(cli):
    text = cli("train", "--model", "contractive", "--help").out
    assert "Options of contractive" in text
    assert "--contraction NUMBER" in text
    assert "--batch-size INTEGER" in text
    assert "--beta" not in text
    assert "--beta NUMBER" in cli("train", "--model", "beta-vae", "--help").out
    for option in registry.models["topk"].config.keys():  # noqa: SIM118
        flag = {"regularizers": "regularizer"}.get(option, option).replace("_", "-")
        assert f"--{flag} " in cli("train", "--model", "topk", "--help").out


def test_families_compose_from_the_command_line(cli):
    figures = run_of(
        cli("train", *QUICK, "--code-activation", "topk=2", "--corruption", "masking=0.3", "--regularizer", "l1=0.01",
            "--likelihood", "bernoulli", "--json")
    )  # fmt: skip
    assert {"penalty_contraction", "penalty_l1"} <= set(figures)
    assert figures["l0"] <= 2


def assert_one_line(result, *words):
    assert "Traceback" not in result.err
    lines = [line for line in result.err.splitlines() if "error:" in line]
    assert len(lines) == len(result.err.splitlines()) == 1, result.err
    for word in words:
        assert word in lines[0], lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "contractve"], ["'contractve'", "'contractive'"]),
        (["--model", "nonsense-at-all"], ["nonsense-at-all", "contractive", "vae"]),
        (["--latent-dm", "3"], ["--latent-dm", "--latent-dim"]),
        (["--latent-dim", "0"], ["latent_dim", "greater than or equal to 1"]),
        (["--latent-dim", "many"], ["latent_dim", "integer", "many"]),
        (["--latent-dim", "2.5"], ["latent_dim", "integer"]),
        (["--lr", "-1"], ["lr", "greater than 0"]),
        (["--lr", "nan"], ["lr"]),
        (["--hidden", "12,x"], ["hidden", "512,256"]),
        (["--preprocess", "zscore"], ["preprocess", "standardize"]),
        (["--corruption", "maskin=0.3"], ["maskin", "masking"]),
        (["--corruption", "masking=1.5"], ["masking", "strength", "less than 1"]),
        (["--corruption", "masking=0.3,sed=1"], ["masking", "sed", "seed"]),
        (["--regularizer", "topk=8"], ["topk", "--code-activation"]),
        (["--regularizer", "l1=lots"], ["lots", "linear:START:END:STEPS"]),
        (["--regularizer", "kl=1"], ["KL", "prior", "variational"]),
        (["--regularizer", "firing-rate=1", "--code-activation", "relu"], ["firing-rate", "sigmoid"]),
        (["--likelihood", "bernouli"], ["bernouli", "bernoulli"]),
        (["--likelihood", "bernoulli", "--preprocess", "standardize"], ["Bernoulli", "[0, 1]", "--preprocess minmax"]),
        (["--network", "mlp,norm=batch"], ["batch normalisation", "norm=layer"]),
        (["--network", "mlp,tied=true", "--likelihood", "categorical"], ["tied", "1088"]),
        (["--hidden", "", "--activation", "tanh"], ["tanh", "hidden"]),
        (["--code-activation", "topk=99"], ["k=99", "32"]),
        (["--momentum", "0.9"], ["momentum", "sgd"]),
        (["--precision", "fp16", "--device", "cpu"], ["fp16", "bf16"]),
        (["--device", "quantum"], ["quantum", "--device auto"]),
        (["--patience", "2", "--validation", "0"], ["patience", "validation"]),
        (["--validation", "5000"], ["validation", "digits"]),
        (["--data", "didgits"], ["didgits", "digits"]),
        (["--data", "swiss-roll,nois=1"], ["nois", "noise"]),
        (["--data", "digits", "--data-dir", "."], ["digits", "--data-dir"]),
        (["--model", "linear", "--activation", "relu", "--hidden", "8"], ["linear", "relu"]),
        (["--model", "iwae", "--regularizer", "contraction=0.1"], ["importance", "contraction", "draw axis"]),
        (["--model", "vae", "--prior", "mixture", "--estimator", "analytic"], ["closed form", "sampled"]),
        (["--model", "topk", "--code-activation", "relu"], ["--code-activation"]),
        (["surplus"], ["surplus"]),
    ],
)  # fmt: skip
def test_a_usage_mistake_gets_one_line_and_writes_nothing(cli, tmp_path, arguments, words):
    result = cli("train", *arguments)
    assert result.status == 2, result
    assert_one_line(result, *words)
    assert list(tmp_path.iterdir()) == []


def bad_files(folder):
    good = np.random.default_rng(0).normal(size=(50, 4))
    holed = good.copy()
    holed[7, 2] = np.nan
    endless = good.copy()
    endless[3, 1] = np.inf
    np.save(folder / "nan.npy", holed)
    np.save(folder / "inf.npy", endless)
    np.save(folder / "text.npy", np.array([["a", "b"]] * 9))
    np.save(folder / "objects.npy", np.array([[{}, None]] * 9, dtype=object), allow_pickle=True)
    np.save(folder / "none.npy", np.empty((0, 4)))
    np.save(folder / "flat.npy", np.zeros(9))
    np.save(folder / "good.npy", good)
    np.save(folder / "labels.npy", np.zeros(49, dtype=int))
    (folder / "empty.csv").write_text("")
    (folder / "words.csv").write_text("a,b\n1,2\n3,x\n")
    (folder / "cut.npz").write_bytes(b"PK\x03\x04 no archive")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("missing.npy", ["missing.npy"]),
        ("nan.npy", ["row 7", "column 2"]),
        ("inf.npy", ["row 3", "column 1"]),
        ("text.npy", ["text", "dtype"]),
        ("objects.npy", ["objects.npy"]),
        ("none.npy", ["rows"]),
        ("flat.npy", ["flat", "reshape(-1, 1)"]),
        ("empty.csv", ["empty"]),
        ("words.csv", ["words.csv", "3"]),
        ("cut.npz", ["cut.npz"]),
    ],
)
def test_bad_data_gets_one_line_and_status_1(cli, tmp_path, data, words):
    bad_files(tmp_path)
    result = cli("train", "--data", data, "--out", "run")
    assert result.status == 1
    assert_one_line(result, *words)
    assert not (tmp_path / "run").exists()


def test_labels_of_another_length(cli, tmp_path):
    bad_files(tmp_path)
    result = cli("train", "--data", "good.npy", "--labels", "labels.npy", "--out", "run")
    assert result.status == 1
    assert_one_line(result, "49", "50")


def test_mnist_without_its_folder(cli):
    result = cli("train", "--data", "mnist")
    assert result.status == 1
    assert_one_line(result, "train-images-idx3-ubyte", "--data-dir")


def test_an_existing_run_is_refused_without_overwrite(cli, tmp_path):
    assert cli("train", *QUICK, "--out", "run").status == 0
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    result = cli("train", *QUICK, "--out", "run", "--seed", "1")
    assert result.status == 2
    assert_one_line(result, "run", "--overwrite")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before
    assert cli("train", *QUICK, "--out", "run", "--seed", "1", "--overwrite").status == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() != before
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 1


def test_overwrite_never_touches_a_folder_that_is_no_run(cli, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.png").write_text("years of work")
    result = cli("train", *QUICK, "--out", "thesis", "--overwrite")
    assert result.status == 2
    assert_one_line(result, "thesis", "no run")
    assert (tmp_path / "thesis" / "chapter.png").read_text() == "years of work"


def test_a_folder_below_a_file_cannot_be_written(cli, tmp_path):
    (tmp_path / "file").write_text("")
    result = cli("train", *QUICK, "--out", "file/run")
    assert result.status == 1
    assert_one_line(result, "file/run")


def test_a_batch_larger_than_the_data_is_clipped_and_said(cli):
    result = cli("train", *QUICK, "--batch-size", "99999")
    assert result.status == 0
    assert "99999" in result.err
    assert "1295" in result.err


def test_same_seed_same_bytes_and_another_seed_others(cli, tmp_path):
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert cli("train", *QUICK, "--model", "vae", "--seed", seed, "--out", name).status == 0
    read = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in "abc"}
    assert read["a"] == read["b"]
    assert read["a"] != read["c"]
    assert (tmp_path / "a" / "metrics.jsonl").read_text() == (tmp_path / "b" / "metrics.jsonl").read_text()


def test_ctrl_c_finishes_the_step_saves_and_says_how_to_go_on(cli, tmp_path, monkeypatch):
    from aezoo.training import State, Trainer

    step = Trainer._train_step

    def pressed(self, x):
        if self.step == 13:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, x)

    monkeypatch.setattr(Trainer, "_train_step", pressed)
    result = cli("train", "--hidden", "8", "--epochs", "5", "--out", "run")
    assert result.status == 130
    assert_one_line(result, "aezoo resume run")
    assert aezoo.load(tmp_path / "run") is not None
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 1
    assert State.load(tmp_path / "run").position.step == 14


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(cli, tmp_path):
    result = cli(
        "train", "--model", "undercomplete", "--optimizer", "sgd", "--lr", "1e12", "--out", "run", "--hidden", "8"
    )
    assert result.status == 1
    assert_one_line(result, "step", "reconstruction", "lr")
    result = cli("train", "--model", "undercomplete", "--optimizer", "sgd", "--lr", "1e3", "--clip-norm", "0.001",
                 "--epochs", "2", "--out", "other", "--hidden", "8")  # fmt: skip
    assert aezoo.load(tmp_path / "other") is not None


def test_overwrite_keeps_the_old_run_until_the_new_one_has_a_checkpoint(cli, tmp_path):
    assert cli("train", *QUICK, "--out", "run").status == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    result = cli("train", *QUICK, "--out", "run", "--overwrite", "--optimizer", "sgd", "--lr", "1e12")
    assert result.status == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    result = cli("train", *QUICK, "--out", "fresh", "--optimizer", "sgd", "--lr", "1e12")
    assert result.status == 1
    assert not (tmp_path / "fresh").exists()


def test_a_second_run_into_the_same_folder_is_refused(cli, tmp_path):
    from aezoo.training import RunFolder

    with RunFolder(tmp_path / "run").claimed():
        result = cli("train", *QUICK, "--out", "run")
    assert result.status == 2
    assert_one_line(result, "another run", "--out")
    assert cli("train", *QUICK, "--out", "run").status == 0


def test_a_run_is_repeated_bit_for_bit_from_its_own_config(cli, tmp_path):
    first = ("train", "--model", "contractive", *QUICK, "--corruption", "masking=0.3", "--data", "swiss-roll,rows=99")
    assert cli(*first, "--regularizer", "l1=linear:0:0.1:9", "--out", "first").status == 0
    result = cli("train", "--config", "first/config.json", "--out", "again")
    assert result.status == 0, result.err
    names = ("model.safetensors", "metrics.jsonl", "config.json", "results.json")
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_a_full_disk_gets_one_line(cli, monkeypatch):
    from safetensors import SafetensorError

    from aezoo.storage import tensors

    def full(*arguments):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", full)
    result = cli("train", *QUICK, "--out", "run")
    assert result.status == 1
    assert_one_line(result, "No space left", "model.safetensors")


def test_rows_too_few_to_measure_are_said(cli, tmp_path):
    np.save(tmp_path / "few.npy", np.arange(8.0).reshape(4, 2))
    result = cli("train", "--data", "few.npy", "--latent-dim", "1", "--epochs", "1")
    assert result.status == 0
    assert "too few rows" in result.err


def test_a_closed_stdout_is_no_trouble(tmp_path):
    command = f"{sys.executable} -m aezoo list >&-"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_disk_that_fills_up_leaves_the_old_run_as_it_was(cli, tmp_path, monkeypatch):
    from safetensors import SafetensorError

    from aezoo.storage import tensors

    assert cli("train", *QUICK, "--out", "run").status == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}

    def full(*arguments):
        raise SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", full)
    assert cli("train", *QUICK, "--out", "run", "--overwrite", "--seed", "9").status == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_failed_run_takes_away_the_folders_it_made_and_no_others(cli, tmp_path):
    (tmp_path / "mine").mkdir()
    ruin = ("--optimizer", "sgd", "--lr", "1e12")
    for folder in ("mine", "new/deep"):
        assert cli("train", *QUICK, *ruin, "--out", folder).status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_memory_that_runs_out_is_no_plugins_fault(cli, monkeypatch):
    from aezoo.parts import networks

    def hungry(*arguments):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(networks.nn, "Linear", hungry)
    result = cli("train", *QUICK)
    assert result.status == 1
    assert_one_line(result, "not enough memory")


def test_a_run_is_repeated_on_data_whose_options_hold_commas_and_whose_folder_moved(cli, tmp_path):
    text = "\n".join(f"{i}.5,{i % 7},{'ab'[i % 2]}" for i in range(40))
    (tmp_path / "t.csv").write_text("x,y,kind\n" + text)
    run = aezoo.train("vae", aezoo.data.open_data("t.csv", delimiter=",", label="kind"), out="c", epochs=1, hidden=[4])
    result = cli("train", "--config", "c/config.json", "--out", "d", "--json")
    assert result.status == 0, result.err
    assert json.loads(result.out)["probe_accuracy"] == run.results["probe_accuracy"]
    assert cli("train", "--config", "c/config.json", "--data", "digits", "--out", "e").status == 0
    aezoo.train("vae", np.random.default_rng(0).normal(size=(40, 3)), out="p", epochs=1, hidden=[4])
    result = cli("train", "--config", "p/config.json", "--out", "q")
    assert result.status == 2
    assert_one_line(result, "--data")
    assert cli("train", "--config", "p/config.json", "--data", "swiss-roll,rows=40", "--out", "q").status == 0
