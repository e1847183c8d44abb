"""Commands for tables: what was understood of one, and its missing values filled in."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import click

from aezoo.cli.options import device, seed
from aezoo.cli.output import as_json, figure, note, print_json, print_table, write_rows
from aezoo.cli.use import folder_of
from aezoo.errors import UsageError, one_line

MOST_LEVELS = 6


@click.command("data")
@click.argument("data", metavar="NAME|FILE")
@click.option("--data-dir", metavar="FOLDER", help="Folder of a dataset read from one, such as mnist.")
@click.option("--labels", metavar="FILE", help="Labels of the rows of a data file (.npy, or one a line).")
@as_json
def describe(data: str, data_dir: str | None, labels: str | None, as_json: bool) -> None:
    """Show what is understood of data: rows, columns, kinds, missing values, ranges, and what a model takes for it."""
    from aezoo.data import open_data

    found = open_data(data, data_dir=data_dir, labels=labels).describe()
    if as_json:
        print_json({**found._asdict(), "columns": [column._asdict() for column in found.columns]})
        return
    for line in found.notes:
        note(line)
    shape = "×".join(map(str, found.shape))
    reach = "" if found.range is None else f", values {found.range[0]:g} to {found.range[1]:g}"
    click.echo(
        f"{one_line(found.name)}: {found.rows:,} rows of {shape} values{reach}; {found.test:,} of them for the test "
        "split"
    )
    if found.labels:
        counts = [f"{one_line(name)} {count:,}" for name, count in list(found.labels.items())[:MOST_LEVELS]]
        more = f" and {len(found.labels) - MOST_LEVELS} more" if len(found.labels) > MOST_LEVELS else ""
        click.echo(f"labels: {', '.join(counts)}{more}")
    if found.aside:
        click.echo(f"set aside: {', '.join(repr(one_line(name)) for name in found.aside)}")
    if found.columns:
        lines = [
            (
                one_line(c.name),
                c.kind,
                f"{100 * c.missing:.3g} %" if c.missing else "",
                _holds(c),
                _first(found, c),
                c.remark,
            )
            for c in found.columns
        ]
        print_table(lines, ("column", "kind", "missing", "holds", "first", "remark"), right=(2,))
    click.echo(f"a model takes: --likelihood {found.likelihood}, preprocess {found.preprocess}")


def _first(found: Any, column: Any) -> str:
    values = found.first.get(column.name, [])
    return one_line(
        ", ".join("–" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in values[:3])
    )[:40]


def _holds(column: Any) -> str:
    if column.levels:
        shown = [f"{one_line(name)[:20]} {count:,}" for name, count in list(column.levels.items())[:MOST_LEVELS]]
        more = f", {len(column.levels) - MOST_LEVELS} more" if len(column.levels) > MOST_LEVELS else ""
        return ", ".join(shown) + more
    if column.low is None:
        return ""
    if column.kind == "date":
        low, high = (dt.datetime.fromtimestamp(v, dt.UTC).date().isoformat() for v in (column.low, column.high))
        return f"{low} to {high}"
    return f"{column.low:.4g} to {column.high:.4g}, mean {column.mean:.4g}"


@click.command()
@click.argument("run")
@click.option("--data", metavar="NAME|FILE", help="Data with missing values. [default: what the run was trained on]")
@click.option(
    "--out", metavar="FILE", help="The table filled in, .csv or .npy. [default: imputed.csv beside the checkpoint]"
)
@click.option("--draws", is_flag=True, help="A draw for each missing value, instead of its mean or likeliest level.")
@click.option(
    "--steps", type=click.IntRange(1), help="How often holes are filled anew. [default: 1 with masks, else 3]"
)
@click.option("--check", is_flag=True, help="Hide a tenth of what is there, and print how well it comes back.")
@seed
@device
@as_json
def impute(
    run: str,
    data: str | None,
    out: str | None,
    draws: bool,
    steps: int | None,
    check: bool,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Fill in the missing values of a table."""
    import numpy as np

    from aezoo.data.tables.decode import decoded
    from aezoo.evaluation import imputation_figures
    from aezoo.evaluation import impute as fill
    from aezoo.runs.open import open_run, rows_of, splits_of

    model, header = open_run(run, device)
    splits = splits_of(run, header, data)
    if check:
        split = splits.test if len(splits.test) else rows_of(splits, "all")
        found = imputation_figures(model, splits.train, split, seed=seed, steps=steps)
        if as_json:
            print_json(found)
            return
        keys = list(found["model"])
        lines = [(name, *(figure(values[key]) for key in keys)) for name, values in found.items()]
        print_table(lines, ("filled in by", *keys), right=tuple(range(1, len(keys) + 1)))
        return
    rows = rows_of(splits, "all").rows()
    holes = int(rows.isnan().sum())
    filled = fill(model, rows, draws=draws, steps=steps, seed=seed).numpy()
    path = Path(out) if out else folder_of(run) / "imputed.csv"
    if path.suffix == ".csv":
        write_rows(path, decoded(filled, model.spec))
    elif path.suffix == ".npy":
        from aezoo.training import write_whole

        write_whole(path, lambda beside: np.save(beside, filled, allow_pickle=False))
    else:
        raise UsageError(f"--out {path} must end in .csv or .npy.")
    if as_json:
        print_json({"out": str(path), "shape": list(filled.shape), "filled": holes})
    else:
        click.echo(f"wrote {path}, {'×'.join(map(str, filled.shape))}; {holes:,} missing values filled in")
