import json
import os
import struct

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import aezoo
from aezoo.errors import CheckpointError, OutputError
from aezoo.parts import Decoder, Gaussian, PointEncoder
from aezoo.training import load_model, read_header, write_text, write_whole


@pytest.fixture
def checkpoint(trained, tmp_path):
    path = tmp_path / "it.safetensors"
    path.write_bytes((trained / "vae" / "model.safetensors").read_bytes())
    return path


def rewrite(path, tensors=None, **changes):
    """The checkpoint with other tensors or header fields."""
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["aezoo"])
    header |= changes
    save_file(tensors or load_file(path), path, {"aezoo": json.dumps(header)})


def test_the_header_says_what_it_is(checkpoint):
    header = read_header(checkpoint)
    assert header.model == "vae"
    assert header.data.shape == (1, 8, 8)
    assert header.distribution == "aezoo"
    assert header.versions["aezoo"] == aezoo.__version__


def test_a_checkpoint_alone_serves_raw_data(checkpoint, trained):
    x = np.random.default_rng(0).integers(0, 17, (5, 8, 8))
    assert np.array_equal(aezoo.load(checkpoint).encode(x), aezoo.load(trained / "vae").encode(x))


def test_a_float64_model_comes_back_as_one(tmp_path):
    run = aezoo.train("vae", "digits", out=tmp_path / "run", epochs=1, hidden=[4], latent_dim=2)
    from aezoo.training import save_model

    save_model(tmp_path / "double.safetensors", run.model.double(), run.header)
    assert aezoo.load(tmp_path / "double.safetensors").encode(run.splits.test.rows()).dtype == torch.float64


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "vampire"}, ["vampire", "not installed"]),
        ({"model": "", "config": {}}, ["composed by hand", "into"]),
        ({"model": "../../etc/passwd"}, ["not installed"]),
        ({"format": 99}, ["format 99", "upgrade"]),
        ({"format": "one"}, ["format"]),
        ({"surplus": 1}, ["surplus"]),
        ({"config": {"latent_dim": 5}}, ["shape"]),
        ({"config": {"latent_dim": 1_000_000, "hidden": [1_000_000]}}, ["shape"]),
        ({"config": {"latent_dm": 5}}, ["latent_dm"]),
        ({"config": {"latent_dim": "many"}}, ["latent_dim"]),
        ({"config": {"likelihood": "nonsense"}}, ["nonsense"]),
        ({"model": "contractive", "config": {}}, ["tensor"]),
        ({"data": {"shape": [3, 9, 9]}}, ["shape"]),
        ({"data": {"shape": []}}, ["data"]),
    ],
)
def test_a_header_that_lies_is_refused_with_one_line(checkpoint, change, words):
    rewrite(checkpoint, **change)
    with pytest.raises(CheckpointError) as caught:
        aezoo.load(checkpoint)
    assert "\n" not in str(caught.value)
    assert "it.safetensors" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_missing_extra_and_misshapen_tensors_are_refused_by_name(checkpoint):
    tensors = load_file(checkpoint)
    name = next(key for key in tensors if key.endswith("weight"))
    for changed in (
        {key: value for key, value in tensors.items() if key != name},
        {**tensors, name: torch.zeros(3)},
    ):
        rewrite(checkpoint, changed)
        with pytest.raises(CheckpointError, match=name):
            aezoo.load(checkpoint)
    rewrite(checkpoint, {**tensors, "stowaway": torch.zeros(3)})
    with pytest.raises(CheckpointError, match="stowaway"):
        aezoo.load(checkpoint)


@pytest.mark.parametrize("length", [0, 4, 8, 20, 500, -1])
def test_a_cut_file_is_refused(checkpoint, length):
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"it\.safetensors"):
        aezoo.load(checkpoint)


def test_a_header_of_another_kind_is_refused(checkpoint):
    tensors = load_file(checkpoint)
    for metadata in (None, {"format": "pt"}, {"aezoo": "no json"}, {"aezoo": "[]"}, {"aezoo": "[" * 100_000}):
        save_file(tensors, checkpoint, metadata)
        with pytest.raises(CheckpointError):
            aezoo.load(checkpoint)


def test_pickles_are_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    torch.save({"w": Bomb()}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError):
        aezoo.load(tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_a_length_that_would_take_terabytes_is_refused(tmp_path):
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(CheckpointError):
        aezoo.load(path)


def composed():
    torch.manual_seed(3)
    spec = aezoo.DataSpec(shape=(1, 8, 8), low=0, high=16, scaling="none")
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    return aezoo.Autoencoder(PointEncoder(encoder), Decoder(nn.Linear(3, 64), Gaussian(spec)), spec=spec)


def test_a_model_composed_by_hand_is_saved_and_filled_again(tmp_path):
    run = aezoo.train(composed(), "digits", out=tmp_path / "run", epochs=1)
    x = run.splits.test.rows()
    fresh = composed()
    assert not torch.equal(fresh.encode(x), run.model.encode(x))
    assert torch.equal(aezoo.load(tmp_path / "run", into=fresh).encode(x), run.model.encode(x))
    with pytest.raises(CheckpointError, match="into"):
        aezoo.load(tmp_path / "run")


def test_a_failed_write_leaves_the_older_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "it.txt"
    write_text(path, "old")

    def fail(beside):
        beside.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["it.txt"]


def test_loading_leaves_the_model_in_evaluation_mode(checkpoint):
    model, _ = load_model(checkpoint)
    assert not model.training
