"""Checkpoints, states and runs' folders made by somebody who knows the format: whole, with a digest that fits."""

import importlib
import json
import math
import os
import struct

import pytest
import torch

import aezoo
from aezoo.core.options import ModelConfig
from aezoo.core.spec import DataSpec
from aezoo.errors import CheckpointError, UsageError, ZooError
from aezoo.storage import checkpoint, tensors
from aezoo.training import State, pick_device
from aezoo.training.randomness import set_generator, set_generators
from campaigns.checkpoints import CONFIG, MODEL, RUNS, STATE, put, run
from campaigns.tensorfiles import parts, whole

WEIGHT, BIAS = "encoder.network.1.weight", "encoder.network.1.bias"


@pytest.fixture(params=["file", "folder"])
def path(request, tmp_path):
    """Where a checkpoint is written, and what is loaded."""
    if request.param == "file":
        return tmp_path / "a.safetensors", tmp_path / "a.safetensors"
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / MODEL, tmp_path / "run"


def forged(path, name="beta-vae", change=None, **tensors):
    """Writes the model of a small run with other words in its header, or other tensors: None leaves one out."""
    said, found = parts(run(name)[MODEL], "aezoo")
    found |= {key.replace("__", "."): value for key, value in tensors.items()}
    path.write_bytes(whole({**said, **(change or {})}, {k: v for k, v in found.items() if v}, "aezoo"))


def refusal(function, *arguments, kind=CheckpointError):
    """The one line by which something is refused."""
    with pytest.raises(kind) as caught:
        function(*arguments)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 1000
    return line


def packed(letter, *numbers):
    return struct.pack(f"<{len(numbers)}{letter}", *numbers)


# ---------------------------------------------------------------- a checkpoint's tensors


def test_what_is_not_tampered_with_loads(path):
    for name in RUNS:
        forged(path[0], name)
        model = aezoo.load(path[1])
        assert model.encode(torch.zeros(2, 2)).shape[0] == 2


@pytest.mark.parametrize(
    ("kind", "size"), [("I64", 8), ("I32", 4), ("U8", 1), ("BOOL", 1), ("C64", 8), ("F8_E4M3", 1), ("U64", 8)]
)
def test_weights_of_another_type_are_refused(path, kind, size):
    forged(path[0], encoder__network__1__bias=(kind, [4], bytes(4 * size)))
    line = refusal(aezoo.load, path[1])
    assert f"tensor {BIAS!r} of" in line
    assert f"is of type {kind}, and the model needs F64 or F32" in line


def test_a_flag_of_another_type_is_refused(path):
    forged(path[0], preprocess__fitted=("F32", [], packed("f", 1.0)))
    assert "is of type F32, and the model needs BOOL" in refusal(aezoo.load, path[1])


@pytest.mark.parametrize(("kind", "letter"), [("F16", "e"), ("F32", "f"), ("F64", "d")])
def test_floats_of_any_width_are_read(path, kind, letter):
    forged(path[0], encoder__network__1__bias=(kind, [4], packed(letter, 0.5, -2.0, 0.25, 8.0)))
    assert aezoo.load(path[1]).encoder.network[1].bias.tolist() == [0.5, -2.0, 0.25, 8.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_without_end_are_refused_by_name(path, value):
    forged(path[0], encoder__network__1__bias=("F32", [4], packed("f", 0, value, 0, 0)))
    line = refusal(aezoo.load, path[1])
    assert f"tensor {BIAS!r} of" in line
    assert "diverged" in line
    for change in ({"format": 1}, {}):
        forged(path[0], change=change, encoder__network__1__bias=("BF16", [4], b"\0\0\xc0\x7f" * 2))
        assert "diverged" in refusal(aezoo.load, path[1])


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scaling_that_cannot_be_undone_is_refused(path, scale):
    forged(path[0], preprocess__scale=("F64", [2], packed("d", 1.0, scale)))
    assert "tensor 'preprocess.scale' of" in refusal(aezoo.load, path[1])


def test_a_buffer_may_hold_infinity_but_not_nan(path):
    forged(path[0], "batch-topk", encoder__activation__threshold=("F32", [], packed("f", math.nan)))
    assert "encoder.activation.threshold" in refusal(aezoo.load, path[1])
    forged(path[0], "batch-topk", encoder__activation__threshold=("F32", [], packed("f", math.inf)))
    assert not aezoo.load(path[1]).encode(torch.ones(3, 2)).any()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a.b.c" * 500, "\x1b[31m", "encoder.__class__", ""]
)
def test_tensors_of_odd_names_are_refused_by_them(path, name):
    said, found = parts(run("beta-vae")[MODEL], "aezoo")
    path[0].write_bytes(whole(said, {**found, name: ("F32", [], bytes(4))}, "aezoo"))
    assert "has an unknown tensor" in refusal(aezoo.load, path[1])


# ---------------------------------------------------------------- what a checkpoint says of itself


@pytest.mark.parametrize(
    "config",
    [
        {"latent_dim": 10**6, "hidden": [10**6]},
        {"hidden": [30_000, 30_000, 10**6]},
        {"latent_dim": 10**6, "prior": {"name": "mixture", "options": {"components": 10**9}}},
    ],
)
def test_sizes_beyond_the_file_take_no_memory(path, config, monkeypatch):
    said, _ = parts(run("beta-vae")[MODEL], "aezoo")
    made = []
    build = checkpoint.build_model
    monkeypatch.setattr(
        checkpoint, "build_model", lambda *given: made.append(torch.zeros(()).device.type) or build(*given)
    )
    forged(path[0], change={"config": {**said["config"], **config}})
    refusal(aezoo.load, path[1])
    # never but on the device that has no memory
    assert made == ["meta"]


def test_more_layers_than_tensors_are_refused_before_any_is_made(path, monkeypatch):
    said, found = parts(run("beta-vae")[MODEL], "aezoo")
    forged(path[0], change={"config": {**said["config"], "hidden": [10**6] * 1000}})
    monkeypatch.setattr(checkpoint, "build_model", None)
    assert f"names 1000 hidden layers and holds {len(found)} tensors" in refusal(aezoo.load, path[1])


@pytest.mark.parametrize("shape", [[10**6] * 3, [10**6] * 900, [2, 1], [1]])
def test_another_shape_of_the_data_is_refused(path, shape):
    said, _ = parts(run("beta-vae")[MODEL], "aezoo")
    forged(path[0], change={"data": {**said["data"], "shape": shape}})
    refusal(aezoo.load, path[1], kind=ZooError)


def test_a_model_that_is_built_only_with_values_is_bounded_too(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "build_skeleton", lambda *given: None)
    forged(path[0])
    aezoo.load(path[1])
    said, _ = parts(run("beta-vae")[MODEL], "aezoo")
    for config in ({"hidden": [30_000, 30_000]}, {"latent_dim": 10**6, "hidden": [10**6]}):
        forged(path[0], change={"config": {**said["config"], **config}})
        assert "far more memory than the file has tensors" in refusal(aezoo.load, path[1])


def test_a_model_that_takes_much_beside_its_file_is_refused(path, monkeypatch):
    forged(path[0])
    monkeypatch.setattr(checkpoint, "ROOM", 100 - 8 * path[0].stat().st_size)
    assert "most of which is not in the file" in refusal(aezoo.load, path[1])


def test_regularizers_beyond_counting_are_refused(path):
    said, _ = parts(run("beta-vae")[MODEL], "aezoo")
    forged(path[0], change={"config": {**said["config"], "regularizers": ["l1=0.1"] * 50_000}})
    assert "at most 100 regularizers" in refusal(aezoo.load, path[1])
    assert len(ModelConfig.parse({"regularizers": ["l1=0.1"] * 100}).regularizers) == 100


@pytest.mark.parametrize("name", ["os:system", "aezoo.cli:main", "../x", "builtins.exec"])
def test_nothing_that_a_file_names_is_imported(path, name, monkeypatch):
    asked = []
    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name, *more: asked.append(name) or real(name, *more))
    said, _ = parts(run("beta-vae")[MODEL], "aezoo")
    parts_of = ("activation", "network", "likelihood", "prior", "corruption")
    for change in ({"model": name}, *({"config": {**said["config"], kind: {"name": name}}} for kind in parts_of)):
        forged(path[0], change=change)
        assert name in refusal(aezoo.load, path[1])
    assert not {name, *name.split(":"), *name.split(".")} & set(asked)


@pytest.mark.parametrize("name", ["x; rm -rf ~", "$(reboot)", "--index-url=http://evil", "a b", "git+https://evil/x"])
def test_a_distribution_of_no_name_becomes_no_command(path, name):
    forged(path[0], change={"model": "vampire", "distribution": name})
    assert "pip install" not in refusal(aezoo.load, path[1])
    said, _ = parts(run("beta-vae")[MODEL], "aezoo")
    forged(path[0], change={"requires": [name], "config": {**said["config"], "activation": "vampiric"}})
    assert "pip install" not in refusal(aezoo.load, path[1])


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    "entries",
    [
        ",".join(f'"{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(120_000)),
        '"__metadata__":{' + ",".join(f'"{i}":""' for i in range(260_000)) + "}",
        '"w":{"dtype":"F32","shape":[' + "0," * 4_500_000 + '0],"data_offsets":[0,0]}',
    ],
    ids=["tensors", "words", "axes"],
)
def test_a_header_without_end_is_not_parsed(tmp_path, entries, monkeypatch):
    def refuse(*given, **more):
        raise AssertionError

    monkeypatch.setattr(tensors, "safe_open", refuse)
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(entries) + 2) + b"{" + entries.encode() + b"}")
    for read in (aezoo.load, State.load):
        assert "names more than any model has" in refusal(read, path)


def test_the_lines_of_a_long_training_are_no_header_without_end(tmp_path):
    said, found = parts(run("beta-vae")[STATE], "aezoo-state")
    lines = [json.dumps({"epoch": i, "loss": 0.5, "validation_loss": 0.25}) for i in range(1, 20_001)]
    (tmp_path / STATE).write_bytes(whole({**said, "lines": lines}, found, "aezoo-state"))
    assert len(State.load(tmp_path).history) == 20_000


@pytest.mark.skipif(os.name == "nt", reason="there are no such things")
@pytest.mark.parametrize("target", ["pipe", "folder", "/dev/zero", "/dev/null", "itself", "nothing"])
@pytest.mark.parametrize("name", [MODEL, STATE, CONFIG])
def test_what_is_no_file_is_neither_read_nor_waited_for(cli, tmp_path, name, target):
    folder = tmp_path / "run"
    put(folder, run("beta-vae"))
    (folder / name).unlink()
    if target == "pipe":
        os.mkfifo(folder / name)
    elif target == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).symlink_to({"itself": name, "nothing": "absent"}.get(target, target))
    if name == MODEL:
        refusal(aezoo.load, folder)
    if name == STATE:
        refusal(State.load, folder)
    result = cli("resume" if name == STATE else "evaluate", folder)
    if (name, target) == (STATE, "nothing"):
        return
    assert result.status in (1, 2)
    assert len(result.err.splitlines()) == 1, result.err


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "\ud800", "", "a/" * 3000])
def test_names_that_no_file_has_are_refused(name):
    for read in (aezoo.load, State.load):
        refusal(read, name)


def test_a_config_without_end_is_not_read(cli, tmp_path):
    put(tmp_path / "run", run("beta-vae"))
    with (tmp_path / "run" / CONFIG).open("ab") as file:
        file.truncate(1 << 34)
    for command in ("evaluate", "resume"):
        assert "more than 4 MiB" in cli(command, "run").err


# ---------------------------------------------------------------- config.json of a run that is used


@pytest.mark.parametrize(
    "training", [[1], "x", 3, {"seed": "x"}, {"seed": -1}, {"validation": "x"}, {"validation": [1]}]
)
@pytest.mark.parametrize("command", ["evaluate", "encode", "inspect"])
def test_a_training_that_nobody_wrote_is_refused(cli, tmp_path, training, command):
    files = dict(run("beta-vae"))
    files[CONFIG] = json.dumps({**json.loads(files[CONFIG]), "training": training}).encode()
    put(tmp_path / "run", files)
    result = cli(command, "run", *(["--dimensions"] if command == "inspect" else []))
    assert result.status == 2
    assert "training" in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["hpu", "privateuseone", "meta", "mkldnn", "xla:0", "", "\0", "cuda:-1", "cpu:x"])
def test_devices_that_a_file_may_name_are_refused(name):
    assert "device" in refusal(pick_device, name, kind=UsageError)


@pytest.mark.parametrize(
    "change", [{"data": [1]}, {"data": "x"}, {"seeds": 10**12}, {"seeds": True}, {"config": {"out": "elsewhere"}}]
)
def test_runs_of_several_seeds_that_nobody_wrote_are_refused(cli, tmp_path, change):
    (tmp_path / "it").mkdir()
    values = {**json.loads(run("beta-vae")[CONFIG]), "seeds": 2, **change}
    (tmp_path / "it" / CONFIG).write_text(json.dumps(values))
    result = cli("resume", "it")
    assert result.status == 2
    assert len(result.err.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.rglob("*")) == [CONFIG, "it"]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_character_is_refused_wherever_it_stands(tmp_path, text):
    said, _ = parts(run("beta-vae")[MODEL], "aezoo")
    path = tmp_path / "a.safetensors"
    odd = ({text: 2**70}, {text: 1}, {"config": {**said["config"], text: 1}})
    for change in (*odd, {"data": {**said["data"], text: 1}}, {"config": {**said["config"], "network": {text: 2**70}}}):
        forged(path, change=change)
        refusal(aezoo.load, path)
    for number, change in enumerate(({"how": {text: 1}}, {"moves": {text: 1}}, {"lines": [text] * 2}, {text: 1})):
        refusal(aezoo.resume, tampered(tmp_path / str(number), change=change))
    folder = tampered(tmp_path / "config")
    config = json.loads((folder / CONFIG).read_text())
    for change in (
        {"versions": {text: "1"}},
        {text: 1},
        {"training": {text: 1}},
        {"data": {text: 1}},
        {"config": {text: 1}},
    ):
        (folder / CONFIG).write_text(json.dumps({**config, **change}))
        refusal(aezoo.resume, folder, kind=ZooError)


# ---------------------------------------------------------------- a run that is to go on


def tampered(folder, name="beta-vae", change=None, leave=(), **tensors):
    """A run's folder whose state says other words or holds other tensors, under a digest that fits."""
    said, found = parts(run(name)[STATE], "aezoo-state")
    said |= change(said) if callable(change) else (change or {})
    found = {key: value for key, value in {**found, **tensors}.items() if key not in leave}
    put(folder, {**run(name), STATE: whole(said, found, "aezoo-state")})
    return folder


def refused_as_it_is(folder):
    """The line by which ``resume`` refuses a folder, in which everything stays as it was."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    line = refusal(aezoo.resume, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in before} == before
    return line


def test_a_run_that_is_not_tampered_with_goes_on(tmp_path):
    for name in RUNS:
        assert len(aezoo.resume(tampered(tmp_path / name, name)).history) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": 2**60}, "step"),
        ({"step": 9}, "step 9 is not batch 2 after 2 epochs"),
        ({"epoch": 3, "step": 11, "moves": {"/main": 11}}, "the metrics of 2 epochs, and 3 are done"),
        ({"batches": 10**6, "step": 10**6 + 6}, "is not batch 1000000"),
        ({"best_epoch": 3}, "is not batch 2 after 2 epochs"),
        ({"moves": {"/main": -1}}, "moves"),
        ({"moves": {"/main": 2**53}}, "has moved 9007199254740992 times in 8 steps"),
        ({"format": 0}, "format"),
        ({"sums": {}}, "the figures of the epoch are not of 32 rows, or of other terms"),
        (lambda said: {"sums": {**said["sums"], "count": 1}}, "the figures of the epoch"),
        (lambda said: {"sums": {**said["sums"], "names": ["loss", "reconstruction", "epoch"]}}, "of other terms"),
        (lambda said: {"sums": {**said["sums"], "names": ["loss"]}}, "of other terms"),
        (lambda said: {"lines": said["lines"] * 1000}, "the metrics of 2000 epochs"),
        (lambda said: {"lines": said["lines"][::-1]}, "the metrics of epoch 1 are none"),
        ({"lines": ['{"epoch": 1, "loss": "x"}', "{}"]}, "the metrics of epoch 1 are none"),
        ({"lines": ['{"epoch": 1, "loss": NaN}', "{}"]}, "the metrics of epoch 1 are none"),
        ({"lines": ["[" * 100_000, "{}"]}, "recursion"),
        (
            {"scalars": {"optimizer//main/0/exp_avg": [1, 2]}},
            "'exp_avg' of a parameter float32 (4, 2) cannot be [1, 2]",
        ),
        ({"scalars": {"optimizer//main/0/momentum_buffer": None}}, "'momentum_buffer'"),
        ({"scaler": {"scale": -1}}, "scaler"),
    ],
)
def test_a_place_that_no_training_is_at_is_refused(tmp_path, change, words):
    assert words in refused_as_it_is(tampered(tmp_path / "run", change=change))


MAIN = "optimizer//main/"
ONE = packed("f", 1.0)


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        (f"{MAIN}0/exp_avg", ("F32", [2, 4], bytes(32)), "cannot be float32 (2, 4)"),
        (f"{MAIN}0/exp_avg", ("F32", [1], ONE), "cannot be float32 (1,)"),
        (f"{MAIN}0/exp_avg", ("F64", [4, 2], bytes(64)), "cannot be float64 (4, 2)"),
        (f"{MAIN}0/step", ("F32", [], packed("f", -1.0)), "'step'"),
        (f"{MAIN}0/step", ("F32", [], packed("f", math.nan)), "'step'"),
        (f"{MAIN}0/step", ("F32", [1], ONE), "'step'"),
        (f"{MAIN}0/step", ("I64", [], bytes(8)), "'step'"),
        (f"{MAIN}0/__class__", ("F32", [], ONE), "'__class__'"),
        (f"{MAIN}-1/step", ("F32", [], ONE), "no parameter '-1'"),
        (f"{MAIN}٣/step", ("F32", [], ONE), "no parameter '٣'"),
        (f"{MAIN}00/step", ("F32", [], ONE), "no parameter '00'"),
        (f"{MAIN}99/step", ("F32", [], ONE), "no parameter '99'"),
        (f"best/{BIAS}", ("F32", [5], bytes(20)), f"tensor '{BIAS}' is float32 (5,)"),
        (f"best/{BIAS}", ("F16", [4], bytes(8)), "float16"),
        ("best/surplus", ("F32", [], ONE), "an unknown tensor 'surplus'"),
        ("model/../../x", ("F32", [], ONE), "an unknown tensor '../../x'"),
        ("surplus", ("F32", [], ONE), "an unknown tensor 'surplus'"),
        ("pending", ("C64", [2, 3], bytes(48)), "the figures of the epoch are complex64"),
        ("pending", ("F64", [0, 3], b""), "the figures of the epoch do not fit"),
        ("order", ("F32", [1264], bytes(5056)), "float32"),
        ("order", ("U8", [5056], bytes(5056)), "not one of this training"),
        ("order", ("U8", [], b"\0"), "not one of this training"),
        ("generator/encoder.network:training", ("U8", [1], b"\0"), "no part keeps a generator"),
        ("generator/:spec", ("U8", [1], b"\0"), "no part keeps a generator"),
        ("stream/cpu", ("F32", [1264], bytes(5056)), "stream/cpu is float32"),
        ("stream/python", ("F64", [625], bytes(5000)), "stream/python is float64"),
        ("stream/numpy", ("C64", [624], bytes(4992)), "stream/numpy is complex64"),
        ("stream/numpy-gauss", ("F64", [3], packed("d", 1 << 30, 0, 0)), "NumPy's stream is at 1073741824"),
        ("stream/numpy-gauss", ("F64", [3], packed("d", -5, 0, 0)), "NumPy's stream is at -5"),
        ("stream/numpy-gauss", ("F64", [3], packed("d", math.nan, 0, 0)), "NumPy's stream is at nan"),
    ],
)
def test_tensors_that_no_training_leaves_are_refused(tmp_path, name, tensor, words):
    folder = tampered(tmp_path / "run", **{name: tensor})
    assert words in refusal(aezoo.resume, folder)


def test_momentum_that_is_left_out_begins_anew(tmp_path):
    folder = tampered(tmp_path / "run", "denoising", leave=[f"{MAIN}1/momentum_buffer"])
    assert len(aezoo.resume(folder).history) == 4
    none = {"scalars": {f"{MAIN}1/momentum_buffer": None}}
    folder = tampered(tmp_path / "none", "denoising", change=none, leave=[f"{MAIN}1/momentum_buffer"])
    assert "'momentum_buffer'" in refused_as_it_is(folder)


@pytest.mark.parametrize(
    "gone", [f"{MAIN}0/step", f"{MAIN}1/exp_avg_sq", "pending", "order", f"best/{BIAS}", "stream/cpu"]
)
def test_what_is_left_out_is_missed(tmp_path, gone):
    refusal(aezoo.resume, tampered(tmp_path / "run", leave=[gone]))


@pytest.mark.parametrize(("left", "place"), [(624, 624), (2, 624), (624, 2)])
def test_a_stream_that_would_be_read_beyond_its_end_is_refused(tmp_path, left, place):
    state = bytearray(torch.Generator().get_state().numpy().tobytes())
    state[8:12], state[16:24] = packed("i", left), packed("q", place)
    given = torch.frombuffer(state, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"at {place} with {left} left"):
        set_generator(torch.Generator(), given)
    for number, name in enumerate(("order", "stream/cpu", "generator/corruption:_generator")):
        folder = tampered(tmp_path / str(number), "denoising", **{name: ("U8", [5056], bytes(state))})
        assert f"at {place} with {left} left" in refusal(aezoo.resume, folder)


def test_streams_are_taken_over_wherever_they_are():
    source = torch.Generator().manual_seed(3)
    for count in (0, 1, 1, 300, 321, 1, 1, 624, 1000):
        torch.rand(count, generator=source)
        other = torch.Generator()
        set_generator(other, source.get_state())
        assert torch.equal(other.get_state(), source.get_state())


def test_a_state_sets_no_attribute_but_generators():
    model = build("denoising", corruption="gaussian=0.3,seed=7")
    state = torch.Generator().manual_seed(5).get_state()
    before = {path: dict(vars(module)) for path, module in model.named_modules()}
    for path, module in model.named_modules():
        for name in vars(module):
            if "generator" in name:
                continue
            with pytest.raises(ValueError, match="no part keeps a generator"):
                set_generators(model, {f"{path}:{name}": state})
    assert {path: dict(vars(module)) for path, module in model.named_modules()} == before
    set_generators(model, {"corruption:_generator": state})
    assert torch.equal(model.corruption._generator.get_state(), state)


def build(name, **options):
    return checkpoint.build_model(name, {"latent_dim": 2, "hidden": [4], **options}, DataSpec(shape=(2,)))


@pytest.mark.parametrize("name", ["vae", "contractive", "vq-vae", "batch-topk", "jumprelu", "linear", "beta-vae"])
def test_models_can_be_seen_without_memory(name):
    values = {} if name == "linear" else {"hidden": [10**6, 10**6]}
    skeleton = checkpoint.build_skeleton(name, values, DataSpec(shape=(20,)))
    assert {tensor.device.type for tensor in skeleton.parameters()} == {"meta"}


def test_a_config_and_a_state_that_agree_on_a_huge_model_take_no_memory(tmp_path):
    config = json.loads(run("beta-vae")[CONFIG])
    for sizes in ({"latent_dim": 10**6, "hidden": [10**6]}, {"hidden": [2000]}):
        theirs = {**config, "config": {**config["config"], **sizes}}
        folder = tampered(tmp_path / str(len(sizes)), change={"run": theirs})
        (folder / CONFIG).write_text(json.dumps(theirs))
        line = refusal(aezoo.resume, folder, kind=ZooError)
        assert "choose smaller sizes" in line or "in the state of training" in line


@pytest.mark.parametrize("name", ["x; rm -rf ~", "a b"])
def test_a_version_of_no_name_becomes_no_command(tmp_path, name):
    folder = tampered(tmp_path / "run")
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "versions": {name: "1"}}))
    assert "pip install" not in refusal(aezoo.resume, folder)
    (folder / CONFIG).write_text(json.dumps({**config, "versions": {"aezoo": "1; reboot"}}))
    assert "pip install" not in refusal(aezoo.resume, folder)
    (folder / CONFIG).write_text(json.dumps({**config, "versions": {"aezoo": "0.0.1"}}))
    assert "pip install aezoo==0.0.1" in refusal(aezoo.resume, folder)
