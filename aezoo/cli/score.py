"""Commands that score rows: by row, by column, beside clean rows, and the worst of them explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aezoo.cli.options import device, seed
from aezoo.cli.output import as_json, note, print_json, print_table, write_rows
from aezoo.cli.use import data_options, each, folder_of, on_rows, report, write_array
from aezoo.errors import UsageError, one_line

COLUMNS = 3
CALIBRATED = ("typicality", "nearest", "both")
of_option = click.option(
    "--of",
    type=click.Choice(["bound", "reconstruction", "typicality", "nearest", "both"]),
    help="The bound, the reconstruction alone, how far the bound is from the usual one, the distance to the "
    "nearest codes learned from, or bound and distance: the last three by a calibration. [default: that of the "
    "calibration, else the bound]",
)


@click.command()
@on_rows("standard output, one a line")
@of_option
@click.option(
    "--by",
    type=click.Choice(["row", "column", "step"]),
    default="row",
    show_default=True,
    help="A score for each; by step of the series that windows were cut from.",
)
@click.option("--alarms", is_flag=True, help="Add p-values and alarms by the run's calibration (aezoo calibrate).")
@click.option("--explain", type=click.IntRange(1), metavar="N", help="Show the N worst rows and what makes them so.")
def score(
    run: str,
    split: str,
    data: str | None,
    data_dir: str | None,
    out: str | None,
    draws: int | None,
    of: str | None,
    by: str,
    alarms: bool,
    explain: int | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Print one anomaly score a row, in nats: the negative log-likelihood at the code's mean, KL divergence included.

    With --draws it is the negative log-likelihood bound. With --by column, the table of what each column adds to it,
    and the code, which sum to the score. A row is numbered as in the data, from 0. Of a folder of runs with several
    seeds, it is the mean over them.
    """
    members = sorted(path for path in Path(run).glob("seed-*") if path.is_dir())
    if members:
        _refuse_members(run, by, alarms, explain)
        each_of = [
            _scores(*_opened(str(path), split, data, data_dir, of, draws, device), draws, seed) for path in members
        ]
        _give_scores(sum(each_of) / len(each_of), run, out, as_json)
        return
    if by == "step" and (alarms or explain is not None):
        raise UsageError("--by step gives one score a step: leave --alarms and --explain out.")
    model, rows, calibration, chosen = _opened(run, split, data, data_dir, of, draws, device)
    if alarms and calibration is None:
        raise UsageError(f"{run} has no calibration to tell alarms by: aezoo calibrate {run} first.")
    if alarms and calibration is not None and (chosen != calibration.of or draws is not None):
        raise UsageError(
            f"the calibration is of the score {calibration.of!r} without draws: leave --of and --draws out."
        )
    if by == "step":
        _by_step(model, rows, chosen, out, as_json, draws, seed)
        return
    scores = _scores(model, rows, calibration, chosen, draws, seed)
    if by == "row" and not alarms and explain is None:
        _give_scores(scores, run, out, as_json)
        return
    table: dict[str, Any] = {"row": rows.index.tolist(), "score": scores}
    if alarms and calibration is not None:
        table["p_value"] = calibration.p_values(scores)
        if calibration.threshold is not None:
            table["alarm"] = (scores > calibration.threshold).astype(int)
    if by == "row" and explain is None:
        _give(table, out, as_json, scores.shape)
        return
    if by == "column" and chosen not in ("bound", "reconstruction"):
        raise UsageError(f"the score {chosen!r} is no sum over columns: give --of bound or reconstruction.")
    of_parts = "reconstruction" if chosen == "reconstruction" else "bound"
    parts = each(lambda x, **more: model.score_by_value(x, of=of_parts, **more), rows, "columns", draws, seed)
    if explain is not None:
        _explain(model, rows, parts, table, explain, run, out, as_json)
        return
    names = [*_names(model), "code"]
    table |= {name if name not in table else f"column {name}": parts[:, i] for i, name in enumerate(names)}
    _give(table, out, as_json, scores.shape)


def _opened(
    run: str, split: str, data: str | None, data_dir: str | None, of: str | None, draws: int | None, device: str
) -> tuple[Any, Any, Any, str]:
    """A run's model, the rows, its calibration, and which score is to be."""
    from aezoo.evaluation import Calibration
    from aezoo.runs.open import open_run, rows_of, splits_of

    model, header = open_run(run, device)
    rows = rows_of(splits_of(run, header, data, data_dir=data_dir), split)
    calibration = Calibration.load(folder_of(run))
    chosen = of or (calibration.of if calibration is not None else "bound")
    if chosen in CALIBRATED and (calibration is None or calibration.of != chosen):
        raise UsageError(
            f"the score {chosen!r} is by what a calibration keeps: aezoo calibrate {run} --of {chosen} first."
        )
    if chosen in CALIBRATED and draws is not None:
        raise UsageError(f"the score {chosen!r} is at the code's mean: leave --draws out.")
    return model, rows, calibration, chosen


def _scores(model: Any, rows: Any, calibration: Any, of: Any, draws: int | None, seed: int) -> Any:
    """(N,) of the rows, as the calibration computes them where it is of this score."""
    import torch

    if calibration is not None and of == calibration.of and draws is None:
        return each(lambda x: torch.from_numpy(calibration.score(model, x)), rows, "score", None, seed)
    return each(lambda x, **more: model.score(x, of=of, **more), rows, "score", draws, seed)


def _refuse_members(run: str, by: str, alarms: bool, explain: int | None) -> None:
    if by != "row" or alarms or explain is not None:
        raise UsageError(f"{run} holds runs with several seeds, whose mean score is by row alone: name one of them.")


def _give_scores(values: Any, run: str, out: str | None, as_json: bool) -> None:
    if out:
        report(write_array(out, run, "", values), values, as_json)
    elif as_json:
        print_json([float(value) for value in values])
    else:
        click.echo("\n".join(f"{value:.6g}" for value in values))


def _by_step(model: Any, rows: Any, of: Any, out: str | None, as_json: bool, draws: int | None, seed: int) -> None:
    """The mean score of each step of a series, over all windows that hold it; nats, of its channels."""
    from aezoo.data.windows import by_step

    starts = rows.dataset.starts
    if starts is None:
        raise UsageError(
            "--by step is for windows of one series: cut them with window=… from a table or array of steps."
        )
    parts = each(lambda x, **more: model.score_by_value(x, of=of, **more), rows, "score", draws, seed)
    values = parts[:, :-1].reshape(len(parts), *model.spec.shape).sum(2)
    steps, means = by_step(values, starts[rows.index])
    _give({"step": steps.tolist(), "score": means}, out, as_json, steps.shape)


def _names(model: Any) -> list[str]:
    spec = model.spec
    if spec.series:
        channels = [column.name for column in spec.columns] or [str(i) for i in range(spec.shape[1])]
        return [f"step {step}, {channel}" for step in range(spec.shape[0]) for channel in channels]
    return [column.name for column in spec.columns] or [str(i) for i in range(spec.size)]


def _give(table: dict[str, Any], out: str | None, as_json: bool, shape: Any) -> None:
    if out:
        if not out.endswith(".csv"):
            raise UsageError(f"--out {out} must end in .csv: what is written is a table.")
        write_rows(Path(out), table)
        print_json({"out": out, "shape": [shape[0], len(table)]}) if as_json else click.echo(f"wrote {out}")
        return
    plain = {name: [float(v) if i else int(v) for v in values] for i, (name, values) in enumerate(table.items())}
    if as_json:
        print_json(plain)
    else:
        lines = [
            [f"{v:.6g}" if isinstance(v, float) else str(v) for v in row] for row in zip(*plain.values(), strict=True)
        ]
        print_table(lines, [one_line(name) for name in plain], right=tuple(range(len(plain))))


def _explain(
    model: Any, rows: Any, parts: Any, table: dict[str, Any], count: int, run: str, out: str | None, as_json: bool
) -> None:
    """The worst rows: what each of their columns adds, what stands there and what was expected."""
    import numpy as np

    from aezoo.core.spec import Column
    from aezoo.data.tables.decode import decoded
    from aezoo.plots import plot_explained, save_figure

    spec, names = model.spec, _names(model)
    worst = np.argsort(-np.asarray(table["score"]), kind="stable")[:count]
    raw = rows.part(worst).rows()
    back = model.reconstruct(raw)
    known = spec.columns if spec.columns and not spec.series else tuple(Column(name=name) for name in names)
    named = spec.model_copy(update={"shape": (spec.size,), "columns": known, "series": False})
    was, expected = (decoded(x.flatten(1).double().numpy(), named) for x in (raw, back))
    found: list[dict[str, Any]] = []
    for place, row in enumerate(worst):
        order = np.argsort(-parts[row, :-1], kind="stable")[:COLUMNS]
        causes = [
            {
                "column": names[i],
                "nats": float(parts[row, i]),
                "value": was[names[i]][place],
                "expected": expected[names[i]][place],
            }
            for i in order
        ]
        own = {key: float(values[row]) for key, values in table.items() if key != "row"}
        found.append({"row": int(table["row"][row]), **own, "code": float(parts[row, -1]), "columns": causes})
    path = Path(out) if out else folder_of(run) / "explained.png"
    if path.suffix != ".png":
        raise UsageError(f"--out {path} must end in .png: what is written is a picture.")
    save_figure(plot_explained(parts[worst], [entry["row"] for entry in found], names, was), path)
    if as_json:
        print_json({"out": str(path), "rows": found})
        return
    lines = []
    for entry in found:
        causes = entry["columns"]
        said = [
            f"{one_line(c['column'])} {_shown(c['value'])} (expected {_shown(c['expected'])}): {c['nats']:.3g}"
            for c in causes
        ]
        alarm = f"{entry['p_value']:.3g}" if "p_value" in entry else ""
        lines.append((str(entry["row"]), f"{entry['score']:.5g}", alarm, "; ".join(said)))
    print_table(
        lines,
        ("row", "score", "p" if any(line[2] for line in lines) else "", "what adds most, in nats"),
        right=(0, 1, 2),
    )
    click.echo(f"picture: {path}")


def _shown(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else one_line(str(value))[:24]


@click.command()
@click.argument("run")
@data_options("validation")
@of_option
@click.option(
    "--false-alarms", type=float, metavar="SHARE", help="Of clean rows no more raise an alarm. [default: 0.01]"
)
@click.option("--contamination", type=float, metavar="SHARE", help="Instead: of these rows so many are abnormal.")
@seed
@device
@as_json
def calibrate(
    run: str,
    split: str,
    data: str | None,
    data_dir: str | None,
    of: str | None,
    false_alarms: float | None,
    contamination: float | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Score rows that were not learned from, and save them beside the model: p-values and alarms are told by them.

    With --data, all its rows are taken. They should be clean, or of known contamination.
    """
    from aezoo.evaluation import calibrate as scores_of
    from aezoo.runs.open import open_run, rows_of, splits_of

    if false_alarms is not None and contamination is not None:
        raise UsageError("--false-alarms and --contamination both set the threshold: give one of them.")
    model, header = open_run(run, device)
    splits = splits_of(run, header, data, data_dir=data_dir)
    rows = rows_of(splits, "all" if data else split)
    if not data and split in ("train", "all"):
        note("these rows were learned from, so that their scores are lower than those of rows to come.")
    train = None
    if of in ("nearest", "both"):
        train = (splits_of(run, header) if data else splits).train
    found = scores_of(model, rows, of=of or "bound", train=train, seed=seed)  # type: ignore[arg-type]
    if contamination is not None:
        found = found.at(contamination, "contamination")
    elif false_alarms is not None or len(found.scores) >= 99:
        found = found.at(0.01 if false_alarms is None else false_alarms)
    path = found.save(folder_of(run))
    if as_json:
        print_json(
            {
                "out": str(path),
                "rows": len(found.scores),
                "threshold": found.threshold,
                "rate": found.rate,
                "of": found.of,
            }
        )
        return
    alarm = "" if found.threshold is None else f"; alarm above {found.threshold:.6g} ({found.how} {found.rate:g})"
    click.echo(f"wrote {path}: {len(found.scores):,} rows{alarm}")
    click.echo(f"next: aezoo score {run} --alarms --data FILE")
