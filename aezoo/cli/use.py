"""Commands that use a trained model: a run's folder, or a bare .safetensors file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aezoo.cli.options import device, seed
from aezoo.cli.output import as_json, figure, print_json, print_table, write_rows
from aezoo.errors import UsageError

if TYPE_CHECKING:
    from aezoo.data import Split

F = TypeVar("F", bound=Callable[..., Any])
SPLITS = ("train", "validation", "test", "all")

corrupting = click.option(
    "--corruption",
    metavar="NAME=STRENGTH",
    help="What rows are to be restored from, such as masking=0.3. [default: what the model was trained against]",
)


def data_options(split: str) -> Callable[[F], F]:
    """Which rows a command works on."""

    def add(command: F) -> F:
        for option in (
            click.option("--split", type=click.Choice(SPLITS), default=split, show_default=True, help="Which rows."),
            click.option("--data-dir", metavar="FOLDER", help="Folder of a dataset read from one."),
            click.option("--data", metavar="NAME|FILE", help="Data. [default: what the run was trained on]"),
        ):
            command = option(command)
        return command

    return add


def each(function: Callable[..., Any], split: Split, what: str, draws: int | None, seed: int) -> Any:
    """What ``function`` gives for every row, as one array; rows are read piece by piece, with progress."""
    import torch

    from aezoo.training import Progress

    if draws is not None:
        # one call, since pieces with one seed would all get the same draws
        return function(split.rows(), draws=draws, seed=seed).cpu().numpy()
    pieces = []
    progress = Progress()
    with progress.of(1, len(split), what):
        for piece in split.batches(8192):
            pieces.append(function(piece).cpu())
            progress.advance(len(piece))
    return torch.cat(pieces).numpy()


def folder_of(run: str) -> Path:
    """A run's folder, or the one that a bare checkpoint lies in."""
    return Path(run) if Path(run).is_dir() else Path(run).parent


def write_array(
    out: str | None, run: str, name: str, values: Any, columns: Callable[[Any], dict[str, Any]] | None = None
) -> Path:
    """Saves an array as .npy or .csv, of named ``columns`` where they are known; by default beside the checkpoint."""
    import numpy as np

    from aezoo.training import write_whole

    path = Path(out) if out else folder_of(run) / name
    if path.suffix not in (".npy", ".csv"):
        raise UsageError(f"--out {path} must end in .npy or .csv.")
    array = np.asarray(values)
    if columns is not None and path.suffix == ".csv":
        return write_rows(path, columns(array))

    def save(beside: Path) -> None:
        if path.suffix == ".npy":
            np.save(beside, array, allow_pickle=False)
        else:
            np.savetxt(beside, array.reshape(len(array), -1), delimiter=",", fmt="%.9g")

    write_whole(path, save)
    return path


def report(path: Path, values: Any, as_json: bool) -> None:
    """Says what was written."""
    shape = list(values.shape)
    if as_json:
        print_json({"out": str(path), "shape": shape})
    else:
        click.echo(f"wrote {path}, {'×'.join(map(str, shape))}")


@click.command()
@click.argument("run")
@data_options("test")
@click.option("--labels", metavar="FILE", help="Labels of the rows of a data file.")
@click.option(
    "--draws",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Draws for the bound; corrupted copies for the restoration.",
)
@corrupting
@seed
@device
@as_json
def evaluate(
    run: str,
    split: str,
    labels: str | None,
    data: str | None,
    data_dir: str | None,
    draws: int,
    corruption: str | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Measure a trained model on its test split."""
    from aezoo.evaluation import evaluate as measure
    from aezoo.runs.open import open_run, splits_of

    model, header = open_run(run, device)
    splits = splits_of(run, header, data, data_dir=data_dir, labels=labels)
    measured = "test" if split == "all" else split
    if split == "all":
        splits = splits._replace(test=splits.test.dataset.all())
    results = measure(model, splits, seed=seed, draws=draws, rows=measured, corruption=corruption)
    if as_json:
        print_json(results)
    else:
        print_table([(key, figure(value)) for key, value in results.items()], (f"{split} split", ""), right=(1,))


def _apply(
    method: str,
    name: str,
    *,
    run: str,
    out: str | None,
    as_json: bool,
    data: str | None,
    data_dir: str | None,
    split: str,
    device: str,
    draws: int | None,
    seed: int,
    corruption: str | None = None,
) -> None:
    if draws is not None and corruption is not None:
        raise UsageError("--draws and --corruption: give one of them, rows are restored at the posterior's mean.")
    if draws is not None and out is not None and out.endswith(".csv"):
        raise UsageError("draws have an axis more than a table: write them to a .npy file.")
    from aezoo.runs.open import open_run, rows_of, splits_of

    model, header = open_run(run, device)
    rows = rows_of(splits_of(run, header, data, data_dir=data_dir), split)
    if corruption is None:
        values = each(getattr(model, method), rows, method, draws, seed)
    else:
        from aezoo.evaluation import restored

        # one call, since pieces with one seed would all get the same noise
        values = restored(model, rows.rows(), corruption=corruption, seed=seed).restored.cpu().numpy()
    columns = _columns_of(model) if method == "reconstruct" else None
    report(write_array(out, run, name, values, columns), values, as_json)


def _columns_of(model: Any) -> Callable[[Any], dict[str, Any]] | None:
    """What makes a table of a model's data, with its names and words; None where it has none."""
    from aezoo.data.tables.decode import decoded

    known = model.spec.columns and not model.spec.series
    return (lambda array: decoded(array, model.spec)) if known else None


def out_option(default: str) -> Callable[[F], F]:
    """Where a command writes."""
    return click.option("--out", metavar="FILE", help=f"A .npy or .csv file. [default: {default}]")


def on_rows(default: str) -> Callable[[F], F]:
    """The argument and options of every command that gives something for each row."""

    def add(command: F) -> F:
        draws = click.option("--draws", type=click.IntRange(1), help="Draws of the posterior (default: its mean).")
        for decorate in (as_json, device, seed, draws, out_option(default), data_options("all"), click.argument("run")):
            command = decorate(command)
        return command

    return add


@click.command()
@on_rows("beside the checkpoint")
def encode(**arguments: Any) -> None:
    """Write the codes of data."""
    _apply("encode", "codes.npy", **arguments)


@click.command()
@on_rows("beside the checkpoint")
@click.option("--corruption", metavar="NAME=STRENGTH", help="Corrupt the rows first, such as by masking=0.3.")
def reconstruct(corruption: str | None, **arguments: Any) -> None:
    """Write the reconstructions of data, in raw units."""
    _apply("reconstruct", "reconstructions.npy", corruption=corruption, **arguments)


@click.command()
@click.argument("run")
@click.option("-n", "count", type=click.IntRange(1), default=64, show_default=True, help="How many.")
@click.option("--noise", is_flag=True, help="Draw from the likelihood too, instead of its mean.")
@out_option("beside the checkpoint")
@seed
@device
@as_json
def sample(run: str, count: int, noise: bool, out: str | None, seed: int, device: str, as_json: bool) -> None:
    """Write data drawn from a model that has a prior, in raw units."""
    from aezoo.runs.open import open_run

    model, _ = open_run(run, device)
    values = model.sample(count, seed=seed, noise=noise).numpy()
    report(write_array(out, run, "samples.npy", values, _columns_of(model)), values, as_json)
