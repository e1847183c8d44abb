"""``aezoo train``: its options are those of the chosen model, read off its config class."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aezoo import registry
from aezoo.cli.options import ConfigOption, Sectioned, config_options, given
from aezoo.cli.output import as_json, figure, note, print_json, print_table
from aezoo.errors import RunInterruptedError, UnknownNameError, UsageError, near_misses

if TYPE_CHECKING:
    from aezoo.runs.repeats import Runs
    from aezoo.runs.run import Run

DEFAULT_MODEL = "contractive"
# what a config file may hold beside the options of the model and of training
IN_FILE = ("model", "data", "data_dir", "labels", "out", "seeds", "layout", "test", "train_on")
# a hundred times what all options take
MOST_CONFIG = 256 << 10
MOST_DOTS = 100


class TrainCommand(Sectioned):
    """A command whose options depend on the model that its arguments, or its config file, name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Adds the options of the model before the arguments are read."""
        from aezoo.core.options import TrainConfig

        settings, source = _read_settings(_peek(args, "--config"))
        name = _peek(args, "--model") or str(settings.get("model", DEFAULT_MODEL))
        own = [option for option in self.params if not isinstance(option, ConfigOption)]
        model = registry.models[name]
        theirs = config_options(model.options, f"Options of {name}")
        self.params = [*own, *theirs, *config_options(TrainConfig, "Options of training", model.training)]
        extra["obj"] = (name, settings, source)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=TrainCommand)
@click.option("--model", metavar="NAME", help=f"Model; aezoo list shows all. [default: {DEFAULT_MODEL}]")
@click.option("--data", metavar="NAME|FILE", help="Dataset, or .npy, .safetensors, .npz, .csv, IDX. [default: digits]")
@click.option("--data-dir", metavar="FOLDER", help="Folder of a dataset read from one, such as mnist.")
@click.option("--labels", metavar="FILE", help="Labels of the rows of a data file (.npy, or one a line).")
@click.option("--layout", type=click.Choice(["image", "series", "table"]), help="What three axes are. [guessed]")
@click.option("--test", metavar="SHARE|ROWS|FILE", help="Rows to measure on; 0 for none. [default: a fifth]")
@click.option("--train-on", type=click.Choice(["train", "all"]), help="All rows, or [train] all but those held out.")
@click.option("--out", metavar="FOLDER", help="The run's folder. [default: runs/MODEL-DATA, numbered if it exists]")
@click.option("--overwrite", is_flag=True, help="Replace the run that --out holds.")
@click.option(
    "--seeds", type=int, metavar="INTEGER", help="Train so many times, from --seed on; print mean ± deviation."
)
@click.option("--config", metavar="FILE", help="Options from a TOML file or a run's config.json; those given here win.")
@as_json
@click.pass_context
def train(ctx: click.Context, /, overwrite: bool, as_json: bool, **arguments: Any) -> None:
    """Train a model, evaluate it, and leave a run folder with checkpoint, figures and pictures."""
    name, settings, source = ctx.obj
    for place in ("model", *IN_FILE):
        if arguments.get(place) == "":
            raise UsageError(f"--{place.replace('_', '-')} is empty: leave it out, or give it a value.")
    command = ctx.command
    flags = {str(o.opts[0])[2:].replace("-", "_"): o.field_name for o in command.params if isinstance(o, ConfigOption)}
    options = {**_from_file(settings, flags, name), **given(command, ctx)}
    from aezoo import api
    from aezoo.runs import repeats

    dataset = _open_data(arguments, settings, source)
    if (arguments["train_on"] or settings.get("train_on")) == "all":
        options = {"validation": 0, **options}
    out = arguments["out"] or settings.get("out") or _free_folder(name, dataset.spec.name)
    seeds = settings.get("seeds") if arguments["seeds"] is None else arguments["seeds"]
    try:
        if seeds is not None:
            runs = repeats.train_many(name, dataset, seeds=seeds, out=out, overwrite=overwrite, **options)
            say_runs(runs, as_json)
            return
        run = api.train(name, dataset, out=out, overwrite=overwrite, **options)
    except KeyboardInterrupt as stop:
        raise RunInterruptedError(str(stop) or "interrupted.") from None
    say_run(run, as_json)


def say_run(run: Run, as_json: bool) -> None:
    """Prints what came of a run."""
    for line in run.notes:
        note(line)
    if as_json:
        print_json({"run": str(run.folder), "model": run.name, **run.results, "notes": run.notes})
        return
    print_table([(key, figure(value)) for key, value in run.results.items()], ("test split", ""), right=(1,))
    click.echo(f"run: {run.folder} ({', '.join(path.name for path in run.pictures)})")
    click.echo(f"next: aezoo evaluate {run.folder}    or in Python: aezoo.load({str(run.folder)!r})")


def say_runs(runs: Runs, as_json: bool) -> None:
    """Prints what came of runs with several seeds."""
    for line in runs.notes:
        note(line)
    if as_json:
        found = {"mean": runs.mean, "deviation": runs.deviation, "failed": runs.failed}
        print_json({"run": str(runs.folder), "model": runs[0].name, "runs": runs.names, **found})
        return
    rows = [(key, _spread(value, runs.deviation[key])) for key, value in runs.mean.items()]
    print_table(rows, ("test split", "mean ± deviation"), right=(1,))
    how = "as one model" if runs.together else "one after the other"
    click.echo(f"runs: {runs.folder} ({', '.join(runs.names)}), trained {how}")
    click.echo(f"next: aezoo evaluate {runs.folder}/{runs.names[0]}")


def _spread(mean: float, deviation: float | None) -> str:
    return figure(mean) if deviation is None else f"{figure(mean)} ± {figure(deviation)}"


def _peek(args: list[str], flag: str) -> str | None:
    """The value of ``flag`` in arguments that are not parsed yet; the last one counts."""
    found = None
    for index, argument in enumerate(args):
        if argument == "--":
            break
        if argument == flag and index + 1 < len(args):
            found = args[index + 1]
        elif argument.startswith(f"{flag}="):
            found = argument.partition("=")[2]
    return found


def _read_settings(path: str | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The options that a TOML file holds; or those of a run's own config.json, and what the run was trained on."""
    if path is None:
        return {}, None
    source = None
    try:
        text = _text_of(path)
        if path.endswith(".json"):
            values, source = _run_settings(json.loads(text), path)
        else:
            values = _toml(text)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"config {path} cannot be read ({error}): give a TOML file, or the config.json of a run."
        ) from None
    for key, value in values.items():
        if key == "seeds" and type(value) is not int:
            raise UsageError(f"config {path}: 'seeds' must be a whole number.")
        if key in IN_FILE and key != "seeds" and not isinstance(value, str):
            raise UsageError(f"config {path}: {key!r} must be a text; options stand at the top, not in sections.")
    return {key.replace("-", "_"): value for key, value in values.items()}, source


def _text_of(path: str) -> str:
    with Path(path).open("rb") as file:
        content = file.read(MOST_CONFIG + 1)
    if len(content) > MOST_CONFIG:
        raise ValueError(f"more than {MOST_CONFIG >> 10} KiB")
    return content.decode("utf-8")


def _toml(text: str) -> dict[str, Any]:
    # Python's reader takes seconds for a key of thousands of parts
    if any(line.count(".") > MOST_DOTS for line in text.splitlines()):
        raise ValueError(f"a line with more than {MOST_DOTS} dots")
    return tomllib.loads(text)


def _run_settings(run: dict[str, Any], path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if "settings" in run:
        raise UsageError(f"{path} is of runs with several settings: give the config.json of one of them.")
    seeds = {"seeds": run["seeds"]} if "seeds" in run else {}
    return {"model": run["model"], **run["config"], **run["training"], **seeds}, dict(run["data"])


def _open_data(arguments: dict[str, Any], settings: dict[str, Any], source: dict[str, Any] | None) -> Any:
    """The data that the command line names, or else the settings; theirs is left aside where it names other data."""
    from aezoo.data import reopen
    from aezoo.runs.job import Job

    if arguments["data"]:
        settings, source = {}, None
    labels, data_dir = (arguments[place] or settings.get(place) for place in ("labels", "data_dir"))
    layout, test, train_on = (arguments[place] or settings.get(place) for place in ("layout", "test", "train_on"))
    if source is not None and not (layout or test or train_on):
        return reopen(source, labels=labels, data_dir=data_dir)
    name = arguments["data"] or settings.get("data") or (source or {}).get("name") or "digits"
    return Job(name, labels=labels, data_dir=data_dir, layout=layout, test=test, train_on=train_on or "train").opened()


def _from_file(settings: dict[str, Any], flags: dict[str, str], name: str) -> dict[str, Any]:
    """The file's options by field name; raises UnknownNameError for a key that is no option."""
    options = {}
    for key, value in settings.items():
        if key in IN_FILE:
            continue
        if key not in flags and key not in flags.values():
            known = [*IN_FILE, *flags]
            raise UnknownNameError(
                f"the config file's {key!r} is no option of {name} or training{near_misses(key, known)}"
            )
        options[flags.get(key, key)] = value
    return options


def _free_folder(model: str, data: str) -> Path:
    base = Path("runs") / f"{model}-{Path(data).stem}"
    folder, count = base, 1
    while folder.exists():
        count += 1
        folder = base.with_name(f"{base.name}-{count}")
    return folder
