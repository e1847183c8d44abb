"""Settings, catalogues and records of runs that nobody in their right mind has written."""

import json
import resource

import numpy as np
import pytest

import aezoo
from aezoo import registry
from aezoo.core import mapped
from aezoo.core.options import ModelConfig, TrainConfig
from aezoo.core.spec import DataSpec
from aezoo.data import open_data, reopen
from aezoo.errors import DataError, UnknownNameError, UsageError, ZooError, one_line
from aezoo.registry import catalog
from aezoo.storage.sizes import refuse_huge_model

DIGITS = DataSpec(name="digits", shape=(1, 8, 8), low=0.0, high=16.0, scaling="scale")


def within(depth, kind):
    value = 1
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


def one_error(result):
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("aezoo: error: ")
    assert lines[0].isprintable()
    assert len(lines[0]) < 1000
    return lines[0]


def test_a_message_is_one_line_that_any_terminal_can_show():
    line = str(ZooError("a\n\x1b[31mb\tc\u202ed\ud800\0"))
    assert line == r"a \x1b[31mb c\u202ed\ud800\x00"
    assert str(ZooError("ä 漢 − ±")) == "ä 漢 − ±"
    line = one_line("the thing " + "\x1b" * 10**6 + " the remedy.")
    assert line.isprintable()
    assert len(line) < 1000
    assert line.startswith("the thing ")
    assert line.endswith(" the remedy.")


@pytest.mark.parametrize("kind", [list, dict])
@pytest.mark.parametrize("depth", [40, 900, 50_000])
def test_values_within_values_are_refused(kind, depth):
    for config in (ModelConfig, TrainConfig, DataSpec):
        with pytest.raises(UsageError, match="more than 32 deep"):
            config.parse({config.keys()[0]: within(depth, kind)})


@pytest.mark.parametrize("number", [2**64, -(2**70), 10**5000], ids=["65 bits", "negative", "5,001 digits"])
def test_numbers_beyond_64_bits_are_refused(number):
    for key in ("epochs", "batch_size", "warmup"):
        with pytest.raises(UsageError, match=f"{key}: a whole number beyond 64 bits"):
            TrainConfig.parse({key: number})


def test_layers_beyond_counting_are_refused():
    with pytest.raises(UsageError, match="hidden: tuple should have at most 1000 items"):
        ModelConfig.parse({"hidden": [1] * 1001})
    assert len(ModelConfig.parse({"hidden": [1] * 1000}).hidden) == 1000


@pytest.mark.parametrize("value", ["[" * 5000, '{"a":' * 5000, "\x1b[31m", "9" * 5000, "\udcff"], ids=str.__len__)
@pytest.mark.parametrize(
    "option", ["latent-dim", "hidden", "lr", "likelihood", "regularizer", "model", "data", "config"]
)
def test_odd_arguments_get_one_line(cli, option, value):
    result = cli("train", "--epochs", "1", f"--{option}", value)
    assert result.status in (1, 2)
    one_error(result)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.toml", "#" * 300_000, "more than 256 KiB"),
        ("c.toml", "a" + ".a" * 20_000 + " = 1", "more than 100 dots"),
        ("c.toml", "epochs = 0x" + "f" * 5000, "epochs: a whole number beyond 64 bits"),
        ("c.toml", "hidden = " + "[" * 3000, "cannot be read"),
        ("c.toml", b"\xff\xfe", "cannot be read"),
        ("c.json", "[" * 50_000, "cannot be read"),
        ("c.json", '{"a":' * 50_000, "cannot be read"),
        ("c.json", '{"model": 5, "config": {}, "training": {}, "data": {}}', "'model' must be a text"),
        ("c.json", '{"model": "vae", "config": {"out": 5}, "training": {}, "data": {}}', "'out' must be a text"),
        (
            "c.json",
            '{"model": "vae", "config": {}, "training": {}, "data": {}, "seeds": "x"}',
            "must be a whole number",
        ),
        ("c.json", '{"model": "vae", "config": {}, "training": {}, "data": [1]}', "cannot be read"),
        ("c.json", '{"model": "vae", "config": 3, "training": {}, "data": {}}', "cannot be read"),
        (
            "c.json",
            '{"model": "vae", "config": {}, "training": {}, "data": {"name": "moons", "options": "abc"}}',
            "what the run says of its data is not what aezoo train writes",
        ),
    ],
)
def test_broken_config_files_get_one_line(cli, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    result = cli("train", "--config", name)
    assert result.status == 2
    assert message in one_error(result)


@pytest.mark.parametrize(
    "source",
    [
        5,
        [1],
        {"name": 5},
        {"name": [[1.0, 2.0]] * 9},
        {"name": "moons", "options": "abc"},
        {"name": "moons", "options": [1]},
        {"name": "moons", "options": {"data": "digits"}},
        {"name": "moons", "options": {"data_dir": "x"}},
        {"name": "moons", "labels": 5},
        {"name": "moons", "options": {"labels": ["a"]}},
    ],
)
def test_a_record_of_data_that_was_tampered_with_is_refused(source):
    with pytest.raises(UsageError, match="is not what aezoo train writes: name the data by --data"):
        reopen(source)


GOOD = {"name": "aezoo-vamp", "models": ["vamp"]}


@pytest.mark.parametrize(
    "content",
    [
        {"format": 1, "community": 5},
        {"format": 1, "community": [5]},
        {"format": 1, "community": [{"name": "aezoo-vamp", "models": 5}]},
        {"format": 1, "community": [{"name": "aezoo-vamp", "models": "vamp"}]},
        {"format": 1, "community": [{"name": "aezoo-vamp; rm -rf ~", "models": ["vamp"]}]},
        {"format": 1, "community": [{"name": "--index-url=http://x", "models": ["vamp"]}]},
        {"format": 1, "community": [{"name": "\x1b[31m", "models": ["vamp"]}]},
        {"format": 1, "community": [{"models": ["vamp"]}]},
        {"format": 1, "community": [], "models": {"vae": 1}},
        {"format": 1, "community": [], "models": [{"results": {}}]},
        {"format": 1, "community": [], "models": [{"name": ["vae"]}]},
        {"format": 1, "community": [], "models": [{"name": "vae", "results": {"squared_error": "0"}}]},
        {"format": 1, "community": [], "models": [{"name": "vae", "results": {"squared_error": float("nan")}}]},
        {"format": 2, "community": [GOOD]},
        [],
        "x",
        b"\xff",
        b"[" * 200_000,
        b'{"format": 1, "community": []}' + b" " * (17 << 20),
    ],
)
def test_a_broken_catalogue_stops_nothing_but_its_own_command(content, monkeypatch, tmp_path):
    path = tmp_path / "registry.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    monkeypatch.setattr(catalog, "location", lambda: path)
    catalog.community.cache_clear()
    try:
        with pytest.raises(UnknownNameError, match="no model 'vamp'") as caught:
            registry.models["vamp"]
        assert "pip install" not in str(caught.value)
        with pytest.raises(DataError, match="is no catalogue of aezoo"):
            registry.read(path)
    finally:
        catalog.community.cache_clear()


def test_a_whole_catalogue_still_says_what_to_install(monkeypatch, tmp_path):
    path = tmp_path / "registry.json"
    path.write_text(json.dumps({"format": 1, "community": [GOOD]}))
    monkeypatch.setattr(catalog, "location", lambda: path)
    catalog.community.cache_clear()
    try:
        with pytest.raises(UnknownNameError, match="pip install aezoo-vamp"):
            registry.models["vamp"]
    finally:
        catalog.community.cache_clear()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("moons", {"rows": 100_000_000}),
        ("swiss-roll", {"rows": 100_000_000}),
        ("gaussian-subspace", {"rows": 100_000_000, "dim": 20}),
        ("gaussian-subspace", {"rows": 10, "dim": 100_000, "rank": 100_000}),
        ("sparse-dictionary", {"rows": 10, "dim": 100_000, "features": 1_000_000}),
    ],
)
def test_synthetic_data_beyond_memory_are_refused_before_they_are_drawn(monkeypatch, name, options):
    monkeypatch.setattr("aezoo.data.builtin.physical_memory", lambda: 4 << 30)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: pytest.fail("it was drawn"))
    with pytest.raises(DataError, match=f"the dataset '{name}' takes .* GiB with these options"):
        open_data(name, **options)


def test_a_model_beyond_memory_is_refused_before_it_is_built(cli):
    result = cli("train", "--model", "vae", "--latent-dim", "1000000", "--hidden", "1000000")
    assert result.status == 2
    assert "GiB of weights, which take" in one_error(result)


def test_the_weights_of_a_model_are_counted(monkeypatch):
    model = aezoo.train("undercomplete", "digits", epochs=1).model
    size = sum(len(bytes(tensor.contiguous().view(-1).numpy())) for tensor in model.state_dict().values())
    monkeypatch.setattr("aezoo.storage.sizes.physical_memory", lambda: 4 * size)
    refuse_huge_model("undercomplete", {}, DIGITS)
    monkeypatch.setattr("aezoo.storage.sizes.physical_memory", lambda: 4 * size - 1)
    with pytest.raises(UsageError, match="model 'undercomplete' with these options has"):
        refuse_huge_model("undercomplete", {}, DIGITS)


def test_counting_draws_nothing():
    with_count = aezoo.train("undercomplete", "moons", epochs=1, hidden=[4], seed=3)
    twice = aezoo.train("undercomplete", "moons", epochs=1, hidden=[4], seed=3)
    assert with_count.results == twice.results


@pytest.mark.parametrize("content", ["1073741824\n", "max\n", "nonsense"])
def test_the_memory_of_a_container_counts(monkeypatch, tmp_path, content):
    whole = mapped.physical_memory()
    (tmp_path / "memory.max").write_text(content)
    monkeypatch.setattr(mapped, "LIMITS", (tmp_path / "memory.max", tmp_path / "absent"))
    assert mapped.physical_memory() == (min(whole, 1 << 30) if content[0] == "1" else whole)


def test_the_memory_that_a_shell_allows_counts(monkeypatch):
    allowed = {resource.RLIMIT_AS: (5 << 20, -1), resource.RLIMIT_DATA: (3 << 20, -1)}
    monkeypatch.setattr(resource, "getrlimit", allowed.get)
    assert mapped.physical_memory() == 3 << 20


def test_classes_of_far_numbers_are_counted_by_name(tmp_path):
    x = np.random.default_rng(0).random((60, 2))
    run = aezoo.train("undercomplete", x, labels=np.array([7, 10**12] * 30), epochs=1, hidden=[4], latent_dim=1)
    found = aezoo.inspect(run, "classes", split="all").figures
    assert found["rows_of"] == {"7": 30, "1000000000000": 30}
