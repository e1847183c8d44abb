"""Checkpoints, states of training and runs' folders to damage, and how far they are asked to be read."""

from __future__ import annotations

import json
import math
import os
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from campaigns.mutations import SIZES, WORDS, altered, damaged, nested, written
from campaigns.tensorfiles import odd_header, odd_tensors, parts, whole

MODEL, STATE, CONFIG, METRICS, RESULTS = (
    *("model.safetensors", "state.safetensors", "config.json", "metrics.jsonl", "results.json"),
)
KEYS = {MODEL: "aezoo", STATE: "aezoo-state"}
SMALL = {"latent_dim": 2, "hidden": [4], "batch_size": 16, "validation": 10, "device": "cpu", "epochs": 4}
# among them: schedules, early stopping, a part's own stream, buffers that move, momentum, and a finished run
RUNS: dict[str, tuple[dict[str, Any], int | None]] = {
    "beta-vae": ({"beta": "linear:0:1:9", "likelihood": "gaussian=optimal", "patience": 3, "save_every": "2 steps"}, 3),
    "denoising": ({"corruption": "gaussian=0.3,seed=7", "optimizer": "sgd", "momentum": 0.9}, 2),
    "vq-vae": ({"save_every": "2 steps", "network": "mlp,norm=batch"}, 2),
    "batch-topk": ({"k": 1, "schedule": "cosine", "warmup": 2}, None),
}


class _Break:
    def __init__(self, epoch: int | None) -> None:
        self.epoch = epoch

    def aezoo_epoch_end(self, run: Any, metrics: dict[str, float]) -> None:
        if metrics["epoch"] == self.epoch:
            raise KeyboardInterrupt


@cache
def run(name: str) -> dict[str, bytes]:
    """The files of a small run, broken off or finished."""
    import contextlib

    import aezoo

    options, end = RUNS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        with contextlib.suppress(KeyboardInterrupt):
            aezoo.train(
                name,
                "moons,rows=60,noise=0.1",
                out=folder,
                progress=False,
                trackers=[_Break(end)],
                **{**SMALL, **options},
            )
        return {
            path.name: path.read_bytes() for path in folder.iterdir() if path.name in (*KEYS, CONFIG, METRICS, RESULTS)
        }


# ------------------------------------------------------------------ what a file says of itself


def odd_words(draw: Random, said: dict[str, Any]) -> Any:
    """What a file says of itself, with something else at one to three places, or sizes that no memory holds."""
    kind = draw.random()
    config = said.get("config")
    if kind < 0.25 and isinstance(config, dict):
        return {**said, "config": {**config, **huge(draw)}, **_forgotten(draw)}
    if kind < 0.35 and isinstance(config, dict):
        return {**said, "model": draw.choice(("vae", "contractive", "topk", "linear", "iwae", "jumprelu", *WORDS))}
    if kind < 0.40 and "data" in said:
        shape = draw.choice(([10**6] * 3, [10**6] * 900, [2, 1], [1, 1, 2], [1], [0], [10**6], [2] * 40, [1] * 1000))
        return {**said, "data": {**said["data"], "shape": shape}}
    if kind < 0.55 and "step" in said:
        return {**said, **odd_place(draw, said)}
    if kind < 0.58:
        return draw.choice((None, [], "x", nested(100_000, list), {"format": draw.choice(SIZES)}, {}))
    if kind < 0.61 and "step" in said:
        many = draw.choice(({"lines": ["{}"] * 200_000}, {"lines": [written(nested(50_000, list))] * 2}))
        return {**said, **many}
    return altered(draw, said)


def _forgotten(draw: Random) -> dict[str, Any]:
    return draw.choice(
        ({}, {}, {"format": 1}, {"requires": ["a/../b", "\0", ""] * 40}, {"distribution": "x; rm -rf ~"})
    )


def huge(draw: Random) -> dict[str, Any]:
    """Options of a model that would take more than there is, or nearly."""
    size = draw.choice((300, 3000, 30_000, 10**6, 10**6 + 1, 10**9, 2**63, 10**30))
    regularizer = draw.choice(("l1", "kl-sparsity", {"name": "l1", "weight": 1e308}, "l1=cyclical:0:1:0", "nothing"))
    return draw.choice(
        (
            {"latent_dim": size, "hidden": [size]},
            {"hidden": [size] * draw.choice((1, 3, 1000))},
            {"hidden": [30_000, 30_000, 10**6] + [10**6] * draw.choice((0, 900))},
            {"latent_dim": size, "likelihood": draw.choice(("laplace=per-dimension", "categorical", "bernoulli"))},
            {"codebook": size, "latent_dim": draw.choice((2, size))},
            {"k": size},
            {"draws": size},
            {"network": draw.choice(({"name": "mlp", "options": nested(900, dict)}, "conv,kernel=7", "mlp,tied=true"))},
            {"regularizers": [regularizer] * draw.choice((1, 20, 3000))},
            {"activation": draw.choice(("identity", "topk=1000000000", {"name": "os:system", "value": "true"}))},
            {
                "corruption": draw.choice(
                    ("masking=0.3", "gaussian=1e308", {"name": "gaussian", "options": {"seed": size}})
                )
            },
        )
    )


def odd_place(draw: Random, said: dict[str, Any]) -> dict[str, Any]:
    """Where a run stands, made of counts and figures that are well-typed and senseless."""
    count = draw.choice((0, 1, 2, 3, 4, 7, 100, 10**6, 2**31, 2**53, 2**63 - 1))
    sums = dict(said["sums"])
    names = list(sums["names"])
    sums |= draw.choice(
        (
            {"names": names[:1]},
            {"names": [*names, "more"]},
            {"names": names[::-1]},
            {"names": ["epoch"] * len(names)},
            {"count": 0},
            {"count": count},
            {"rows": [count] * len(sums["rows"])},
            {"rows": [], "sums": []},
            {"sums": [1e308] * len(names)},
            {"first_step": count},
        )
    )
    lines = list(said["lines"])
    line = draw.choice(
        ("{}", "[]", "3", "{", '{"epoch": "x"}', '{"epoch": 1, "loss": NaN}', '{"loss": {"a": []}}', "\ud800")
    )
    scalars = draw.choice(
        ({"optimizer//main/0/step": 1}, {"optimizer//main/0/exp_avg": None}, {"optimizer//main/-1/x": [1]}, {"x": 1})
    )
    return draw.choice(
        (
            {"sums": sums},
            {"step": count},
            {"epoch": count},
            {"batches": count},
            {"batches": 1 + count, "sums": {}},
            {"step": count, "epoch": count, "batches": count},
            {"best": draw.choice((None, 0.0, -1e308, 5))},
            {"best_epoch": count},
            {"lines": [*lines[:-1], line]},
            {"lines": lines * draw.choice((0, 2, 20_000))},
            {"moves": {name: draw.choice((count, -count)) for name in said["moves"]}},
            {"scalars": {**said["scalars"], **scalars}},
            {"scaler": {"scale": count}},
            {"threads": -count},
        )
    )


# ------------------------------------------------------------------ files


def odd_file(draw: Random, name: str, content: bytes) -> bytes:
    """A checkpoint or state that is damaged, or whole and wrong."""
    how = draw.random()
    if how < 0.15:
        return damaged(draw, content)
    if how < 0.3:
        return odd_header(draw, content)
    said, tensors = parts(content, KEYS[name])
    fitting = draw.random() < 0.95
    words = odd_words(draw, said) if how < 0.7 else said
    if how >= 0.6:
        tensors = odd_tensors(draw, tensors)
    return whole(words, tensors, KEYS[name], fitting)


def odd_config(draw: Random, content: bytes) -> bytes:
    """A run's config.json, altered or damaged."""
    if draw.random() < 0.2:
        return damaged(draw, content)
    return written(_odd_run(draw, json.loads(content))).encode("utf-8", "surrogatepass")


def _odd_run(draw: Random, said: dict[str, Any]) -> Any:
    how = draw.random()
    if how < 0.2:
        return {**said, "config": {**said["config"], **huge(draw)}}
    if how < 0.4:
        training = {
            "seed": draw.choice(("x", -1, 2**63, 1.5, None)),
            "validation": draw.choice((0, 59, 60, 10**6, 0.999, "x", [1], -1, math.nan)),
            "device": draw.choice(("cuda", "hpu", "meta", "privateuseone", "mkldnn", "cpu:3", *WORDS)),
            "precision": draw.choice(("bf16", "fp16", "fp64")),
            "epochs": draw.choice((None, 1, 4, 5, 0, 2**70)),
        }
        key = draw.choice(list(training))
        return {**said, "training": draw.choice(([1], "x", None, {**said["training"], key: training[key]}))}
    if how < 0.5:
        data: Any = draw.choice(
            ({}, [], {"name": "moons"}, {"name": "/dev/zero"}, {"name": 1}, {"name": "moons", "options": 3})
        )
        return {**said, "data": data}
    changed = altered(draw, said)
    if isinstance(changed, dict) and isinstance(changed.get("training"), dict):
        # to compile takes its time, and is nothing that a file hides
        changed["training"].pop("compile", None)
    return changed


def put(folder: Path, files: dict[str, bytes]) -> None:
    """Writes files into a folder of their own."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def odd_kind(draw: Random, path: Path) -> None:
    """Something else than a file in a file's place."""
    content = path.read_bytes()
    path.unlink()
    how = draw.randrange(6)
    if how == 0:
        path.mkdir()
    elif how == 1:
        os.mkfifo(path)
    elif how == 2:
        path.symlink_to(draw.choice(("/dev/zero", "/dev/null", "/etc/passwd", path.name, "nothing", "..", "/dev/tty")))
    elif how == 3:
        # as large as memory, and nothing on the disk
        with path.open("wb") as made:
            made.write(content[: draw.choice((0, 8, len(content)))])
            made.truncate(draw.choice((1 << 30, 1 << 40)))
    elif how == 4:
        path.write_bytes(b"")


# ------------------------------------------------------------------ inputs


def make_model(draw: Random, folder: Path) -> str:
    """A checkpoint, as a file or in a run's folder."""
    name = draw.choice(list(RUNS))
    content = odd_file(draw, MODEL, run(name)[MODEL])
    place = folder / "run"
    if draw.random() < 0.7:
        path = folder / draw.choice(("a.safetensors", "model"))
        path.write_bytes(content)
        return str(path)
    put(place, {MODEL: content})
    if draw.random() < 0.1:
        odd_kind(draw, place / MODEL)
    return str(place)


def make_run(draw: Random, folder: Path) -> str:
    """A run's folder in which one to three files are not what they were."""
    files = dict(run(draw.choice(list(RUNS))))
    how = draw.random()
    if how < 0.2:
        files[CONFIG], files[STATE] = _agreeing(draw, files)
    elif how < 0.35:
        files[CONFIG] = odd_config(draw, files[CONFIG])
    else:
        files[STATE] = odd_file(draw, STATE, files[STATE])
    for name, chance in ((METRICS, 0.05), (RESULTS, 0.03), (MODEL, 0.05)):
        if draw.random() < chance and name in files:
            files[name] = damaged(draw, files[name])
    if draw.random() < 0.03:
        files.pop(draw.choice(list(files)))
    put(folder / "run", files)
    if draw.random() < 0.03:
        odd_kind(draw, folder / "run" / draw.choice(list(files)))
    return str(folder / "run")


def _agreeing(draw: Random, files: dict[str, bytes]) -> tuple[bytes, bytes]:
    """A config, and a state that was saved with it."""
    config = _odd_run(draw, json.loads(files[CONFIG]))
    said, tensors = parts(files[STATE], KEYS[STATE])
    said["run"] = config
    if isinstance(config, dict) and isinstance(config.get("training"), dict):
        said["how"] = {key: config["training"].get(key, value) for key, value in said["how"].items()}
    return written(config).encode("utf-8", "surrogatepass"), whole(said, tensors, KEYS[STATE])


def make_use(draw: Random, folder: Path) -> list[str]:
    """A command on a run's folder whose config.json, or checkpoint, is not what it was."""
    files = dict(run(draw.choice(list(RUNS))))
    if draw.random() < 0.8:
        files[CONFIG] = odd_config(draw, files[CONFIG])
    else:
        files[MODEL] = odd_file(draw, MODEL, files[MODEL])
    put(folder / "run", files)
    if draw.random() < 0.03:
        odd_kind(draw, folder / "run" / draw.choice((CONFIG, MODEL)))
    words = draw.choice((["evaluate"], ["encode"], ["encode"], ["score"], ["inspect", "--dimensions"]))
    return [words[0], str(folder / "run"), *words[1:], "--device", "cpu"]


# ------------------------------------------------------------------ readers


def load(path: str) -> None:
    """Loads a checkpoint, and uses the model on two rows."""
    import contextlib

    import torch

    import aezoo
    from aezoo.errors import CapabilityError

    model = aezoo.load(path)
    if model.spec.size > 10**6:
        return
    x = torch.zeros(2, *model.spec.shape)
    for use in (model.encode, model.reconstruct, model.score):
        assert len(use(x)) == 2
    with contextlib.suppress(CapabilityError):
        assert len(model.sample(2)) == 2


def resume(path: str) -> None:
    """Goes on with a run, to its end where that is near."""
    from unittest import mock

    from aezoo.runs import recorder as recording
    from aezoo.runs import resume as resuming
    from aezoo.runs.job import Job
    from aezoo.training import RunFolder

    folder = RunFolder(path, resume=True)
    # pictures take a second each, and are of what was seen before
    with mock.patch.object(recording.Recorder, "_draw", return_value=None), folder.claimed():
        recorder = resuming.reopened(folder, Job(progress=False))
        if recorder.trainer.epochs <= 20:
            recorder.go()
