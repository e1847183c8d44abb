"""What the defaults of each family show: before they were chosen for that, and after.

    python -m reproductions.defaults

Digits, the table cardio of ADBench and 12,000 images of MNIST, three seeds each. Writes results/defaults/defaults.json
and the table of docs/results/defaults.md. What an option can undo is undone for "before"; jumprelu's older L0 penalty,
which did not answer to its weight, is not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

import aezoo
from aezoo.data import Dataset, open_data
from aezoo.evaluation import (
    contraction_ratios,
    effective_rank,
    jacobian_spectrum,
    linear_decoder,
    prepared_split,
    principal_angles,
    principal_components,
    some_rows,
)
from aezoo.training import Progress
from reproductions.card import CHECKOUT

SEEDS = (0, 1, 2)
ROWS = 12_000
DATA = CHECKOUT.parent / "shared" / "data"
RESULT = CHECKOUT / "reproductions" / "results" / "defaults" / "defaults.json"
PAGE = CHECKOUT / "docs" / "results" / "defaults.md"
MARKS = ("## Before and after\n", "## What it costs\n")

Figures = dict[str, float]


class Case(NamedTuple):
    """A model, the options that undo its new defaults, and what it is for."""

    before: dict[str, Any]
    measure: Callable[[aezoo.Run], Figures]


def as_pca(run: aezoo.Run) -> Figures:
    """The largest principal angle to PCA, and the squared error over PCA's."""
    weight = linear_decoder(run.model).weight
    axes = principal_components(prepared_split(run.model, run.splits.train), weight.shape[1]).axes
    error = run.results["squared_error"] / run.results["pca_squared_error"]
    return {"largest angle to PCA, °": float(principal_angles(weight, axes.T).max()), "error / PCA": error}


def contracting(run: aezoo.Run) -> Figures:
    """How few directions move the code, and how little data close by does, beside how much other data does."""
    split = some_rows(run.splits.test, 300)
    ratios = contraction_ratios(run.model, split, distances=1)
    rank = float(effective_rank(jacobian_spectrum(run.model, split)).mean())
    size = run.config.latent_dim if run.config else 1
    found = {"effective rank / code": rank / size, "local / global": float(ratios.ratios[0]) / ratios.between}
    return found | taken(run, probe_accuracy="probe, %", squared_error="error")


def taken(run: aezoo.Run, **names: str) -> Figures:
    """Figures that every run has, by other names; shares as percentages."""
    found = {called: run.results[name] for name, called in names.items() if name in run.results}
    return {name: 100 * value if name.endswith("%") else value for name, value in found.items()}


def bounded(run: aezoo.Run) -> Figures:
    """The bound, what codes say, and the error."""
    return taken(run, neg_elbo="−ELBO, nats", penalty_kl="KL, nats", squared_error="error")


def sparse(run: aezoo.Run) -> Figures:
    """Dead units, active ones, and the error."""
    size = run.config.latent_dim if run.config else 1
    dead = {"dead units, %": 100 * run.results["dead_units"] / size}
    return dead | taken(run, l0="L0", squared_error="error", probe_accuracy="probe, %")


CASES = {
    "linear": Case({"steps": 2000, "lr": 1e-3, "schedule": "constant"}, as_pca),
    "contractive": Case({"latent_dim": 16, "network": "mlp", "contraction": 0.03}, contracting),
    "topk": Case({"aux_units": 0}, sparse),
    "batch-topk": Case({"aux_units": 0}, sparse),
    "jumprelu": Case({"l0_warmup": 0}, sparse),
    "vae": Case({"kl_warmup": 0}, bounded),
    "beta-vae": Case({"kl_warmup": 0}, bounded),
    "iwae": Case({"kl_warmup": 0}, bounded),
}


def datasets() -> Iterator[tuple[str, Dataset, dict[str, Any]]]:
    """Their names, they, and the size of code that suits them where the default does not."""
    yield "digits", open_data("digits"), {}
    table = np.load(DATA / "adbench" / "cardio.npz")
    yield "cardio (ADBench)", open_data(table["X"].astype(np.float32), labels=table["y"].astype(np.int64)), {}
    whole = open_data("mnist", data_dir=DATA / "mnist")
    assert whole.labels is not None
    images = Dataset(np.asarray(whole.x[:ROWS]), whole.labels[:ROWS], spec=whole.spec)
    yield "MNIST, 12,000 images", images, {}


def smaller(model: str, data: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    """Codes of a linear or variational model are smaller than the data."""
    given = dict(options)
    if model == "linear" or model in ("vae", "beta-vae", "iwae"):
        given.setdefault("latent_dim", min(16, max(1, data.spec.size // 3)))
    return given


def measured() -> Iterator[dict[str, Any]]:
    """A row for each data set and model: the means over the seeds, before and after."""
    sets = list(datasets())
    progress = Progress()
    with progress.of(1, len(sets) * len(CASES) * 2 * len(SEEDS), "runs"):
        for name, data, options in sets:
            for model, case in CASES.items():
                found: dict[str, list[Figures]] = {"before": [], "after": []}
                for when, more in (("before", case.before), ("after", {})):
                    for seed in SEEDS:
                        run = aezoo.train(
                            model, data, seed=seed, progress=False, **{**smaller(model, data, options), **more}
                        )
                        found[when].append(case.measure(run))
                        progress.advance(1)
                yield {"data": name, "model": model, **{when: spread(rows) for when, rows in found.items()}}


def spread(rows: list[Figures]) -> dict[str, list[float]]:
    """Mean and standard deviation of each figure."""
    return {name: [float(np.mean(values)), float(np.std(values, ddof=1))] for name, values in by_name(rows).items()}


def by_name(rows: list[Figures]) -> dict[str, list[float]]:
    """The values of each figure, one a seed."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def table(rows: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = ["| data | model | figure | before | after |", "|---|---|---|---:|---:|"]
    for row in rows:
        for name in row["after"]:
            pair = [shown(*row[when].get(name, (math.nan, math.nan))) for when in ("before", "after")]
            lines.append(f"| {row['data']} | `{row['model']}` | {name} | {' | '.join(pair)} |")
    return "\n".join(lines) + "\n"


def shown(mean: float, deviation: float) -> str:
    """A mean and its deviation over the seeds."""
    return "" if math.isnan(mean) else f"{mean:.3g} ± {deviation:.2g}"


def main() -> None:
    """Measures, and writes what was found, row by row: who is broken off keeps what there was."""
    rows: list[dict[str, Any]] = []
    for row in measured():
        rows.append(row)
        write(rows)


def write(rows: list[dict[str, Any]]) -> None:
    """The JSON file, and the table of the page."""
    text = json.dumps({"seeds": SEEDS, "rows": rows}, indent=1, ensure_ascii=False) + "\n"
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text, encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    PAGE.write_text(f"{before}{MARKS[0]}\n{table(rows)}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
