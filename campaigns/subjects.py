"""What is fed: each reader, how its inputs are made, and how far it is asked to read."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from campaigns import checkpoints, files
from campaigns.mutations import WORDS, altered, damaged, hostile_value, nested, toml, written

MIB = 1 << 20


class FoundError(Exception):
    """A reader that did something else than to read an input or to refuse it in one line."""


class RefusedError(Exception):
    """One line by which a command refused an input."""


@dataclass(frozen=True)
class Subject:
    """A reader under test.

    Args:
        name: by which it is chosen.
        about: what it reads.
        make: leaves one input in an empty folder and says what to hand to ``read``.
        read: reads it as a user's command would, returns nothing, and raises a ZooError or RefusedError to refuse it.
        memory: bytes by which one input may raise the memory of the process.
        seconds: of a processor that one input may take.
    """

    name: str
    about: str
    make: Callable[[Random, Path], Any]
    read: Callable[[Any], None]
    memory: int = 400 * MIB
    seconds: float = 10.0


def touch(dataset: Any) -> None:
    """Splits a dataset and takes from it what a training would take before its first step."""
    from aezoo.data import make_preprocess

    splits = dataset.split()
    preprocess = make_preprocess("auto", dataset.spec)
    preprocess.fit(splits.train.batches(256))
    for split in splits:
        for _, batch in zip(range(2), split.batches(64), strict=False):
            assert batch.shape[1:] == dataset.spec.shape
            preprocess(batch)
        assert split.labels is None or len(split.labels) == len(split)


def _written(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def _file(name: str, make: Callable[[Random], bytes]) -> Callable[[Random, Path], str]:
    return lambda draw, folder: _written(folder, name, make(draw))


def _open(given: Any) -> None:
    from aezoo.data import open_data

    path, options = given if isinstance(given, tuple) else (given, {})
    touch(open_data(path, **options))


def _table(draw: Random, folder: Path) -> tuple[str, dict[str, Any]]:
    options: dict[str, Any] = {}
    if draw.random() < 0.4:
        options["label"] = draw.choice((0, -1, 1, "c0", "c1", "k", "absent", 10**30, draw.choice(WORDS)))
    if draw.random() < 0.1:
        options["delimiter"] = draw.choice((",", ";", " ", "1", '"', "\n", "\0", "é", ".", "\r", "\ud800"))
    if draw.random() < 0.1:
        options["header"] = draw.choice((True, False))
    return _written(folder, draw.choice(("t.csv", "t.tsv")), files.csv(draw)), options


def _labelled(draw: Random, folder: Path) -> tuple[str, dict[str, Any]]:
    import numpy as np

    x = np.arange(60.0).reshape(20, 3)
    made = draw.choice((files.label_lines, files.label_lines, files.npy, files.idx, files.gz))
    name = {files.label_lines: "y.txt", files.npy: "y.npy", files.idx: "y.idx", files.gz: "y.gz"}[made]
    if draw.random() < 0.3:
        name, content = "y.npy", files.sometimes_damaged(draw, files.npy_bytes(files.labels(draw, 20)))
    else:
        content = made(draw)
    return _written(folder, "x.npy", files.npy_bytes(x)), {"labels": _written(folder, name, content)}


def _idx_files(draw: Random, folder: Path) -> None:
    """The four files of MNIST, small ones, one or two of them damaged; now and then one is missing or zipped."""
    import numpy as np

    wrong = {draw.randrange(4), draw.randrange(4)}
    for number, name in enumerate(("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")):
        if draw.random() < 0.03:
            continue
        count = 30 if "train" in name else 10
        x = np.zeros((count, 28, 28), "u1") if "images" in name else np.arange(count, dtype="u1") % 10
        content = files.idx(draw, x) if number in wrong else _whole_idx(x)
        zipped = draw.random() < 0.4
        content = files.gz(draw, content) if zipped and number in wrong else _gz(content) if zipped else content
        _written(folder, f"{name}-ubyte" + (".gz" if zipped else ""), content)


def _whole_idx(x: Any) -> bytes:
    import struct

    return bytes((0, 0, 8, x.ndim)) + struct.pack(f">{x.ndim}I", *x.shape) + bytes(x.tobytes())


def _gz(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content, mtime=0)


def _mnist(draw: Random, folder: Path) -> tuple[str, dict[str, Any]]:
    _idx_files(draw, folder)
    return "mnist", {"data_dir": str(folder), "binarize": draw.choice(("none", "static", "dynamic"))}


def _idx_folder(draw: Random, folder: Path) -> str:
    _idx_files(draw, folder)
    return str(folder)


def _named(draw: Random, folder: Path) -> str:
    """The text behind --data: a name, its options, and what is no such thing."""
    name = draw.choice(("moons", "swiss-roll", "gaussian-subspace", "sparse-dictionary", "digits", "mnist", "nothing"))
    words = [name]
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        key = draw.choice(("rows", "noise", "dim", "rank", "seed", "features", "active", "decay", "folder", "binarize"))
        value = draw.choice(("10", "100", "0", "-1", "1e9", "100000000", "0.5", "null", '"x"', "[1]"))
        words.append(f"{key}={value if draw.random() < 0.5 else written(hostile_value(draw))}")
    text = ",".join(words).replace("\0", "")
    return text if draw.random() < 0.5 else damaged(draw, text.encode("utf-8", "replace")).decode("utf-8", "replace")


OPTIONS: dict[str, Any] = {
    "model": "beta-vae",
    "latent_dim": 4,
    "hidden": [16, 8],
    "activation": "relu",
    "likelihood": "gaussian",
    "network": {"name": "mlp", "options": {"dropout": 0.1}},
    "corruption": "gaussian=0.5",
    "regularizers": ["l1=0.01", {"name": "l1", "weight": {"kind": "linear", "start": 0.0, "end": 1.0, "steps": 10}}],
    "beta": 1.0,
    "preprocess": "auto",
    "lr": 0.001,
    "batch_size": 16,
    "optimizer": "adam",
    "warmup": 1,
    "schedule": "cosine",
    "clip_norm": 1.0,
    "seed": 3,
    "validation": 0.1,
    "data": "moons,rows=60",
}


def _some(draw: Random, options: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in options.items() if draw.random() < 0.5}
    if draw.random() < 0.5 or "model" not in kept:
        kept.pop("beta", None)
        kept["model"] = draw.choice(("vae", "contractive", "sparse", "topk", "vq-vae", "iwae", "denoising", "linear"))
    changed = altered(draw, kept)
    return changed if isinstance(changed, dict) else kept


def _toml(draw: Random, folder: Path) -> str:
    text = toml(draw, _some(draw, OPTIONS)).encode("utf-8", "surrogatepass")
    return _written(folder, "c.toml", damaged(draw, text) if draw.random() < 0.3 else text)


def _run_config(draw: Random, folder: Path) -> str:
    """The config.json of a run."""
    model = {"latent_dim": 4, "hidden": [16], "likelihood": "gaussian", "regularizers": []}
    training = {"epochs": 1, "batch_size": 16, "lr": 0.001, "seed": 0, "validation": 5, "device": "cpu"}
    data = {"name": "moons", "options": {"rows": 60, "noise": 0.1, "seed": 0}, "labels": None}
    run = {"model": "vae", "config": model, "training": training, "data": data, "spec": {"shape": [2]}, "versions": {}}
    text = written(altered(draw, run)).encode("utf-8", "surrogatepass")
    return _written(folder, "c.json", damaged(draw, text) if draw.random() < 0.3 else text)


def command(*arguments: str) -> None:
    """Runs ``aezoo`` in this process; raises RefusedError with its line, FoundError for anything but one line."""
    from aezoo.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(arguments))
    said = [line for line in err.getvalue().split("\n") if line and not line.startswith("aezoo: note: ")]
    if status == 0 and not said:
        return
    if status not in (1, 2) or len(said) != 1 or not said[0].startswith("aezoo: error: "):
        raise FoundError(f"exit status {status} and {len(said)} lines: {said[:3]!r}"[:500])
    raise RefusedError(said[0].removeprefix("aezoo: error: "))


def _train(path: str) -> None:
    """``aezoo train --config`` up to a model of these options with its first steps; no figures, no pictures."""
    from unittest import mock

    from aezoo import api
    from aezoo.runs.job import Job
    from aezoo.runs.prepare import prepare

    def begun(model: Any, data: Any, **options: Any) -> Any:
        run = prepare(model, Job.of({"data": data, **options, "out": None}))
        # who asks for a million rows, or weights, has to wait for them
        if len(run.run.dataset) <= 1000 and sum(p.numel() for p in run.run.model.parameters()) <= 1_000_000:
            run.trainer.fit()
        raise _DoneError

    with (
        mock.patch.object(api, "train", begun),
        mock.patch("aezoo.runs.repeats.train_many", begun),
        contextlib.suppress(_DoneError),
    ):
        command("train", "--config", path, "--epochs", "1", "--out", str(Path(path).parent / "run"))


class _DoneError(Exception):
    """The part of a training that matters here is over."""


def _catalogue(draw: Random, folder: Path) -> str:
    row = {"name": "aezoo-vamp", "models": ["vamp"], "priors": ["vampire"]}
    model = {"name": "vae", "family": "variational", "summary": "", "references": [], "results": {"squared_error": 0.5}}
    catalogue = {"format": 1, "models": [model], "community": [row, {"name": "aezoo-x", "regularizers": ["x"]}]}
    text = written(altered(draw, catalogue)).encode("utf-8", "surrogatepass")
    if draw.random() < 0.03:
        text = draw.choice((written(nested(100_000, list)).encode(), b'{"format":1,"community":[' + b"{}," * 200_000))
    return _written(folder, "registry.json", damaged(draw, text) if draw.random() < 0.4 else text)


def _look_up(path: str) -> None:
    """An unknown name must be explained in one line whatever the catalogue holds; then the catalogue itself."""
    from unittest import mock

    from aezoo import registry
    from aezoo.errors import UnknownNameError
    from aezoo.registry import catalog

    catalog.community.cache_clear()
    try:
        with mock.patch.object(catalog, "location", return_value=Path(path)):
            for kind in ("models", "priors", "regularizers"):
                try:
                    getattr(registry, kind)["vamp"]
                except UnknownNameError as error:
                    complaint = wrong_line(str(error))
                    if complaint:
                        raise FoundError(complaint) from error
                else:
                    raise FoundError("an unknown name was found")
            # without the rows that are made anew: what is asked is what becomes of the old ones
            registry.generate(mock.Mock(entries=lambda kind: []), registry.read(Path(path)), None)
    finally:
        catalog.community.cache_clear()


def _values(draw: Random, folder: Path) -> tuple[str, Any]:
    options = {key: value for key, value in OPTIONS.items() if key not in ("model", "data")}
    spec = {"name": "d", "shape": [1, 8, 8], "low": 0.0, "high": 1.0, "levels": 17, "classes": 3, "scaling": "scale"}
    which = draw.choice(("model", "training", "spec", "text"))
    if which == "text":
        return which, damaged(draw, draw.choice(("mlp,tied=true,dropout=0.1", "l1=linear:0:1:10", "topk=8")).encode())
    return which, altered(draw, spec if which == "spec" else options)


def _parse(given: tuple[str, Any]) -> None:
    """Any JSON as a config of a model, of training or of data, and any text as a part."""
    from aezoo.core.config import Config
    from aezoo.core.options import ModelConfig, TrainConfig
    from aezoo.core.spec import DataSpec
    from aezoo.core.text import read_value

    which, values = given
    if which == "text":
        text = values.decode("utf-8", "replace")
        read_value(text)
        ModelConfig.parse({"network": text, "regularizers": text}, owner="model 'x'")
        return
    kinds: dict[str, type[Config]] = {"model": ModelConfig, "training": TrainConfig, "spec": DataSpec}
    kind = kinds[which]
    values = values if isinstance(values, dict) else {"latent_dim": values}
    for key in [key for key in values if key not in kind.keys()]:  # noqa: SIM118 - not a mapping
        if len(values) > 1:
            del values[key]
    json.dumps(kind.parse(values, owner="x").model_dump(mode="json"))


def wrong_line(line: str) -> str | None:
    """What is wrong with a message: it is one line that can be printed, and short enough to be read."""
    if not line.strip():
        return "an empty message"
    if not line.isprintable():
        return f"a message with characters that cannot be printed: {line[:200]!a}"
    return f"a message of {len(line)} characters: {line[:200]}" if len(line) > 1000 else None


SENSIBLE = (
    "1",
    "8",
    "8,4",
    "0.1",
    "relu",
    "mlp",
    "gaussian",
    "l1=0.1",
    "masking=0.3",
    "vae",
    "sparse",
    "moons,rows=60",
)


def _arguments(draw: Random, folder: Path) -> list[str]:
    """Options on the command line, with values that nobody means."""
    flags = ("latent-dim", "hidden", "activation", "lr", "epochs", "seed", "validation", "regularizer", "corruption")
    words = ["--data", "moons,rows=60", "--epochs", "1", "--out", str(folder / "run")]
    for _ in range(draw.choice((1, 1, 2, 3))):
        value = draw.choice((written(hostile_value(draw)), draw.choice(WORDS), *SENSIBLE, *SENSIBLE))
        words += [f"--{draw.choice((*flags, 'model', 'data', 'labels', 'config', 'network', 'likelihood'))}", value]
    words = [word.replace("\0", "")[:100_000] for word in words]
    return [os.fsdecode(word.encode("utf-8", "surrogateescape")) if word.isascii() else word for word in words]


def _command_line(words: list[str]) -> None:
    from unittest import mock

    from aezoo import api
    from aezoo.runs.job import Job
    from aezoo.runs.prepare import prepare

    def built(model: Any, data: Any, **options: Any) -> Any:
        prepare(model, Job.of({"data": data, **options}))
        raise _DoneError

    with mock.patch.object(api, "train", built), contextlib.suppress(_DoneError):
        command("train", *words)


def _use(words: list[str]) -> None:
    command(*words)


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("npy", "a .npy file", _file("a.npy", files.npy), _open),
        Subject("npz", "a .npz archive", _file("a.npz", files.npz), _open),
        Subject("idx", "an IDX file", _file("a.idx", files.idx), _open),
        Subject("idx.gz", "a gzipped IDX file", _file("a.idx.gz", files.gz), _open),
        Subject("safetensors", "a .safetensors file of data", _file("a.safetensors", files.tensors), _open),
        Subject("csv", "a table as text, with options", _table, _open),
        Subject("labels", "a file of labels: text, .npy or IDX", _labelled, _open),
        Subject("mnist", "the folder of MNIST", _mnist, _open),
        Subject("idx-folder", "a folder of IDX files", _idx_folder, _open),
        Subject("named", "the text behind --data", _named, _open),
        Subject("toml", "a TOML file behind --config", _toml, _train, memory=1200 * MIB),
        Subject("config.json", "the config.json of a run behind --config", _run_config, _train, memory=1200 * MIB),
        Subject("arguments", "options on the command line", _arguments, _command_line),
        Subject("options", "values of the configs of models, training and data", _values, _parse),
        Subject("registry", "registry.json", _catalogue, _look_up),
        Subject("load", "a checkpoint, as a file or in a folder", checkpoints.make_model, checkpoints.load),
        Subject("resume", "a run's folder that is to go on", checkpoints.make_run, checkpoints.resume),
        Subject("use", "a run's folder behind evaluate, encode, score and inspect", checkpoints.make_use, _use),
    )
}
