"""``aezoo inspect``: a flag for each registered inspection, and the options that they have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aezoo import registry
from aezoo.cli.options import ConfigOption, Sectioned, device, given, seed, shown
from aezoo.cli.output import as_json, figure, note, note_broken, print_json, print_table
from aezoo.cli.use import data_options, folder_of
from aezoo.errors import UsageError, ZooError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from aezoo.core.config import Config


class Looked(click.Option):
    """The flag of one inspection."""

    section = "Inspections"


class InspectCommand(Sectioned):
    """A command whose flags are the registered inspections, and whose options are theirs."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Adds the inspections before the arguments are read."""
        own = [option for option in self.params if not isinstance(option, Looked | ConfigOption)]
        entries = _entries()
        flags = [Looked([_parameter(e.name), f"--{e.name}"], is_flag=True, help=e.summary) for e in entries]
        self.params = [*own, *flags, *_options(entries)]
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.NoSuchOption:
            note_broken()
            raise


@click.command(cls=InspectCommand)
@click.argument("run")
@click.option("--all", "everything", is_flag=True, help="Every inspection that fits the model and the data.")
@data_options("test")
@click.option("--labels", metavar="FILE", help="Labels of the rows of a data file.")
@click.option("--out", metavar="FOLDER", help="Where pictures and figures go. [default: inspect, in the run's folder]")
@seed
@device
@as_json
@click.pass_context
def inspect(ctx: click.Context, /, run: str, everything: bool, as_json: bool, **arguments: Any) -> None:
    """Look at a trained model: figures and pictures, drawn into the run's folder."""
    entries = _entries()
    asked = [entry for entry in entries if everything or arguments[_parameter(entry.name)]]
    options = given(ctx.command, ctx)
    _refuse_idle(asked, options, [entry.name for entry in entries])
    # refused now, and not when the inspections before them have taken their time
    chosen = {entry.name: _chosen(entry, options) for entry in asked}
    from aezoo.inspection import Subject, look, save_finding
    from aezoo.runs.open import open_run, rows_of, splits_of
    from aezoo.training import INSPECT_FOLDER, Progress

    model, header = open_run(run, arguments["device"])
    places = {key: arguments[key] for key in ("data", "data_dir", "labels")}
    splits = splits_of(run, header, **places)
    subject = Subject(model, splits, rows_of(splits, arguments["split"]), arguments["seed"])
    folder = Path(arguments["out"] or folder_of(run) / INSPECT_FOLDER)
    answers: dict[str, Any] = {}
    progress = Progress()
    with progress.of(len(asked), 1, "inspection"):
        for entry in asked:
            try:
                found = look(subject, entry.name, **chosen[entry.name].model_dump())
            except ZooError as error:
                if not everything:
                    raise
                note(f"{entry.name} is left out: {error}")
                continue
            about = {"inspection": entry.name, "split": arguments["split"], "seed": subject.seed}
            about["options"] = chosen[entry.name].model_dump(mode="json")
            paths = save_finding(found, folder, entry.name, about)
            answers[entry.name] = {**found.figures, "files": [str(path) for path in paths]}
            progress.advance(1)
            if not as_json:
                _print(entry.name, found.figures, paths)
    if as_json:
        print_json({"run": run, **answers})


def _entries() -> list[registry.Inspection]:
    """The inspections, one of each name; ``look`` says so when two plugins claim the name that is asked for."""
    return list({entry.name: entry for entry in registry.inspections.find()}.values())


def _chosen(entry: registry.Inspection, options: dict[str, Any]) -> Config:
    """The options of one inspection, of all that were given."""
    theirs = {key: value for key, value in options.items() if key in entry.options.model_fields}
    return entry.options.parse(theirs, owner=f"inspection {entry.name!r}")


def _print(name: str, figures: dict[str, Any], paths: list[Path]) -> None:
    plain = [(key, figure(value)) for key, value in figures.items() if isinstance(value, int | float | str)]
    print_table(plain, (name, ""), right=(1,))
    click.echo(f"wrote {', '.join(map(str, paths))}")


def _parameter(name: str) -> str:
    return f"look_{name.replace('-', '_')}"


def _options(entries: list[registry.Inspection]) -> list[ConfigOption]:
    """One option for each name that an inspection's options have, whoever else has it."""
    fields: dict[str, list[tuple[str, FieldInfo]]] = {}
    for entry in entries:
        for name, field in entry.options.model_fields.items():
            fields.setdefault(name, []).append((entry.name, field))
    options = []
    for name, owners in fields.items():
        option = ConfigOption(name, owners[0][1], "Their options")
        option.help = "; ".join(dict.fromkeys(_described(field, owners) for _, field in owners))
        options.append(option)
    return options


def _described(field: FieldInfo, owners: list[tuple[str, FieldInfo]]) -> str:
    """What an option is, and the inspections of which it is just that, with their defaults."""
    same = [
        owner if other.default is None else f"{owner} {shown(other.default)}"
        for owner, other in owners
        if other.description == field.description
    ]
    return f"{field.description} ({', '.join(same)})"


def _refuse_idle(asked: list[registry.Inspection], options: dict[str, Any], known: list[str]) -> None:
    """Refuses a call that looks at nothing, and an option that would change nothing."""
    if not asked:
        raise UsageError(f"say what to look at: --{', --'.join(known)}, or --all for what fits the model.")
    for name in options:
        if not any(name in entry.options.model_fields for entry in asked):
            owners = [entry.name for entry in registry.inspections.find() if name in entry.options.model_fields]
            raise UsageError(
                f"--{name.replace('_', '-')} changes nothing in {', '.join(entry.name for entry in asked)}: it is an "
                f"option of {', '.join(owners)}."
            )
