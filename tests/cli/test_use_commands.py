import json
import math
import shutil

import numpy as np
import pytest
from sklearn.datasets import load_digits

import aezoo

DIGITS = load_digits().data


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a run, so that a command may write beside it."""

    def copy(name):
        return shutil.copytree(trained / name, tmp_path / name)

    return copy


def test_evaluate_prints_what_training_found(cli, run):
    folder = run("vae")
    figures = json.loads(cli("evaluate", folder, "--json").out)
    written = json.loads((folder / "results.json").read_text())
    written.pop("notes")
    assert figures == written
    assert {"squared_error", "neg_elbo", "bits_per_dim", "pca_squared_error", "probe_accuracy"} <= set(figures)
    assert f"{figures['squared_error']:.4f}" in cli("evaluate", folder).out


def test_evaluate_a_bare_checkpoint_of_a_registered_dataset(cli, run, tmp_path):
    folder = run("contractive")
    shutil.copy(folder / "model.safetensors", tmp_path / "alone.safetensors")
    alone = json.loads(cli("evaluate", "alone.safetensors", "--json").out)
    assert alone["squared_error"] == json.loads((folder / "results.json").read_text())["squared_error"]


def test_encode_writes_the_codes_of_every_row(cli, run, tmp_path):
    folder = run("contractive")
    np.save(tmp_path / "raw.npy", DIGITS.reshape(-1, 8, 8))
    result = cli("encode", folder, "--data", "raw.npy", "--out", "codes.npy")
    assert result.status == 0, result.err
    codes = np.load(tmp_path / "codes.npy")
    assert codes.shape == (1797, 4)
    np.testing.assert_allclose(codes, aezoo.load(folder).encode(DIGITS), rtol=1e-5, atol=1e-6)


def test_encode_by_default_writes_beside_the_checkpoint(cli, run):
    folder = run("contractive")
    report = json.loads(cli("encode", folder, "--json", "--split", "test").out)
    assert report == {"out": str(folder / "codes.npy"), "shape": [359, 4]}
    assert np.load(folder / "codes.npy").shape == (359, 4)


def test_reconstruct_is_in_raw_units_and_csv_holds_the_same(cli, run, tmp_path):
    folder = run("contractive")
    assert cli("reconstruct", folder, "--out", "r.npy").status == 0
    assert cli("reconstruct", folder, "--out", "r.csv").status == 0
    images = np.load(tmp_path / "r.npy")
    assert images.shape == (1797, 1, 8, 8)
    assert 4 < images.mean() < 6  # the digits' mean grey level is 4.88 of 16
    np.testing.assert_allclose(
        np.loadtxt(tmp_path / "r.csv", delimiter=","), images.reshape(1797, -1), rtol=1e-6, atol=1e-6
    )


def test_sample_draws_as_many_as_asked_and_depends_on_the_seed(cli, run, tmp_path):
    folder = run("vae")
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert cli("sample", folder, "-n", "5", "--seed", seed, "--out", f"{name}.npy").status == 0
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert a.shape == (5, 1, 8, 8)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_score_is_one_number_a_row(cli, run):
    folder = run("vae")
    printed = [float(line) for line in cli("score", folder).out.split()]
    listed = json.loads(cli("score", folder, "--json").out)
    assert len(printed) == len(listed) == 1797
    np.testing.assert_allclose(printed, listed, rtol=1e-5)
    np.testing.assert_allclose(listed, aezoo.load(folder).score(DIGITS), rtol=1e-4, atol=1e-3)
    assert all(math.isfinite(value) for value in listed)


@pytest.mark.parametrize(
    ("name", "arguments", "status", "words"),
    [
        ("contractive", ["sample"], 2, ["samples", "vae"]),
        ("contractive", ["encode", "--data", "wide.npy"], 1, ["(1, 8, 8)", "(1, 9, 9)"]),
        ("contractive", ["encode", "--data", "nowhere.npy"], 1, ["nowhere.npy"]),
        ("contractive", ["encode", "--out", "codes.txt"], 2, [".npy", ".csv"]),
        ("contractive", ["encode", "--out", "no/such/folder/codes.npy"], 1, ["no/such/folder"]),
        ("contractive", ["score", "--draws", "0"], 2, ["draws"]),
        ("contractive", ["evaluate", "--split", "half"], 2, ["split"]),
    ],
)
def test_misuse_gets_one_line(cli, run, tmp_path, name, arguments, status, words):
    np.save(tmp_path / "wide.npy", np.zeros((4, 9, 9), dtype=np.uint8))
    folder = run(name)
    result = cli(arguments[0], folder, *arguments[1:])
    assert result.status == status, result
    assert len(result.err.splitlines()) == 1
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err


@pytest.mark.parametrize("command", ["evaluate", "encode", "score", "sample", "reconstruct"])
@pytest.mark.parametrize("broken", ["missing", "folder", "truncated", "foreign", "text"])
def test_a_checkpoint_that_is_none(cli, run, tmp_path, command, broken):
    whole = (run("vae") / "model.safetensors").read_bytes()
    path = tmp_path / "it.safetensors"
    if broken == "folder":
        path.mkdir()
    elif broken == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif broken == "foreign":
        from safetensors.numpy import save_file

        save_file({"w": np.zeros(3, dtype=np.float32)}, path)
    elif broken == "text":
        path.write_text("hello")
    result = cli(command, path)
    assert result.status == 1, result
    assert len(result.err.splitlines()) == 1
    assert "it.safetensors" in result.err


def test_a_run_on_files_is_evaluated_from_anywhere_with_its_labels(cli, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", DIGITS.reshape(-1, 8, 8)[:300])
    (tmp_path / "y.txt").write_text("\n".join(map(str, load_digits().target[:300])))
    trained = cli(
        "train", "--data", "x.npy", "--labels", "y.txt", "--epochs", "2", "--seed", "3", "--out", "run", "--json"
    )
    figures = json.loads(trained.out)
    assert figures["probe_accuracy"] > 0.3
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = json.loads(cli("evaluate", tmp_path / "run", "--json").out)
    assert again == {key: value for key, value in figures.items() if key not in ("run", "model", "notes")}


def test_flat_rows_go_to_a_model_of_images(cli, run, tmp_path):
    folder = run("vae")
    np.save(tmp_path / "flat.npy", DIGITS)
    np.save(tmp_path / "square.npy", DIGITS.reshape(-1, 8, 8))
    flat, square = (
        json.loads(cli("score", folder, "--data", f"{name}.npy", "--json").out) for name in ("flat", "square")
    )
    assert flat == square


def test_a_folder_for_data_that_reads_none_is_refused(cli, run):
    result = cli("evaluate", run("vae"), "--data-dir", "nowhere")
    assert result.status == 2
    assert "--data-dir" in result.err


def test_a_run_on_an_idx_file_is_evaluated_with_its_labels(cli, tmp_path):
    images, labels = DIGITS[:200].astype(np.uint8).reshape(-1, 8, 8), load_digits().target[:200].astype(np.uint8)
    for name, array in (("a-images-idx3-ubyte", images), ("a-labels-idx1-ubyte", labels)):
        header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        (tmp_path / name).write_bytes(header + array.tobytes())
    command = (
        "train",
        "--data",
        "a-images-idx3-ubyte",
        "--labels",
        "a-labels-idx1-ubyte",
        "--out",
        "run",
        "--epochs",
        "1",
    )
    trained = cli(*command, "--json")
    assert trained.status == 0, trained.err
    figures = json.loads(cli("evaluate", "run", "--json").out)
    assert figures["probe_accuracy"] == json.loads(trained.out)["probe_accuracy"]
