"""Files that older versions wrote are read to the same figures; those of newer ones are refused by their number."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

import aezoo
from aezoo.errors import CheckpointError
from aezoo.storage import checkpoint, state
from aezoo.training import read_header

FORMATS = Path(__file__).parent / "formats"
# rows of digits' shape and range that no dataset's version can change
ROWS = (np.arange(192) * 7 % 17).reshape(3, 1, 8, 8)


@pytest.mark.parametrize("number", range(1, checkpoint.FORMAT + 1))
def test_a_checkpoint_of_every_format_gives_the_codes_and_scores_that_it_gave(number):
    path = FORMATS / f"model-{number}.safetensors"
    wanted = json.loads((FORMATS / f"model-{number}.json").read_text())
    assert read_header(path).format == number
    model = aezoo.load(path)
    np.testing.assert_allclose(model.encode(ROWS), wanted["codes"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.score(ROWS), wanted["scores"], rtol=1e-5)


def test_there_is_a_sample_of_every_format():
    assert {path.name for path in FORMATS.glob("*.safetensors")} == {
        *(f"model-{number}.safetensors" for number in range(1, checkpoint.FORMAT + 1)),
        *(f"state-{number}.safetensors" for number in range(1, state.FORMAT + 1)),
    }


def renumbered(source, path, key, number):
    """The file with another number of its format."""
    content = source.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    said = json.loads(header["__metadata__"][key])
    header["__metadata__"][key] = json.dumps({**said, "format": number})
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    return path


@pytest.mark.parametrize("number", [checkpoint.FORMAT + 1, 99, 2**70])
def test_a_format_to_come_is_refused_by_its_number(tmp_path, number):
    path = renumbered(FORMATS / "model-2.safetensors", tmp_path / "a.safetensors", "aezoo", number)
    with pytest.raises(CheckpointError, match=f"has format {number}, and this aezoo reads up to 2: upgrade aezoo"):
        aezoo.load(path)
    path = renumbered(FORMATS / "state-1.safetensors", tmp_path / "b.safetensors", "aezoo-state", number)
    with pytest.raises(CheckpointError, match=f"has format {number}, and this aezoo reads up to 1: upgrade aezoo"):
        state.State.load(path)


@pytest.mark.parametrize("number", [0, -1, 1.0, "2", True, None])
def test_a_number_that_no_format_has_is_refused(tmp_path, number):
    # the first format had no digest: a smaller number must not do without one
    path = renumbered(FORMATS / "model-2.safetensors", tmp_path / "a.safetensors", "aezoo", number)
    with pytest.raises(CheckpointError, match="not one that aezoo writes"):
        aezoo.load(path)
    path = renumbered(FORMATS / "state-1.safetensors", tmp_path / "b.safetensors", "aezoo-state", number)
    with pytest.raises(CheckpointError, match="not one that aezoo writes"):
        state.State.load(path)


@pytest.fixture
def first_kind(tmp_path):
    """A run's folder as it was before there were digests and states."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(FORMATS / "model-1.safetensors", folder / "model.safetensors")
    shutil.copy(FORMATS / "run-1.json", folder / "config.json")
    (folder / "metrics.jsonl").write_text('{"epoch": 1, "loss": 90.0, "step": 11}\n')
    return folder


def test_a_run_of_the_first_kind_can_be_used(cli, first_kind):
    result = cli("evaluate", first_kind, "--json")
    assert result.status == 0, result.err
    figures = json.loads(result.out)
    model, splits = aezoo.load(first_kind), aezoo.data.open_data("digits").split()
    errors = (model.reconstruct(splits.test.rows()) - splits.test.rows()) / 16
    assert figures["squared_error"] == pytest.approx(float(errors.square().sum((1, 2, 3)).mean()), rel=1e-4)
    assert cli("encode", first_kind, "--out", "codes.npy").status == 0
    assert np.load("codes.npy").shape == (1797, 2)


def test_a_run_of_the_first_kind_cannot_go_on_and_says_so(cli, first_kind):
    before = {path.name: path.read_bytes() for path in first_kind.iterdir()}
    result = cli("resume", first_kind)
    assert result.status == 1
    assert len(result.err.splitlines()) == 1
    assert "written before runs could go on: train again" in result.err
    assert {path.name: path.read_bytes() for path in first_kind.iterdir()} == before


def test_a_run_that_was_begun_before_the_modules_moved_goes_on_to_the_end_that_it_had(cli, tmp_path):
    shutil.copytree(FORMATS / "run-2", tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    values = json.loads(config.read_text())
    # a run goes on under its own version; which one that was is not what is tested here
    values["versions"]["aezoo"] = aezoo.__version__
    config.write_text(json.dumps(values))
    result = cli("resume", "run", "--json")
    assert result.status == 0, result.err
    wanted = json.loads((FORMATS / "run-2.json").read_text())
    model = aezoo.load(tmp_path / "run")
    np.testing.assert_allclose(model.encode(ROWS), wanted["codes"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.score(ROWS), wanted["scores"], rtol=1e-4)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [line["step"] for line in wanted["metrics"]]
    for line, other in zip(lines, wanted["metrics"], strict=True):
        # which lines had none of then
        line.pop("parameter_norm", None)
        assert line == pytest.approx(other, rel=1e-4)
