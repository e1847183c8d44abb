"""``aezoo new``: a plugin package to begin with."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import click

import aezoo
from aezoo.cli.output import as_json, print_json

# in the order of how often each is wanted; the packages are those of aezoo.testing.scaffold
KINDS = ("model", "regularizer", "likelihood", "dataset", "inspection", "tracker")


@click.command()
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="What the package brings to aezoo."
)
@click.option("--out", metavar="FOLDER", help="The package's folder. [default: aezoo-NAME]")
@as_json
def new(name: str, kind: str, out: str | None, as_json: bool) -> None:
    """Write a plugin package: a model or another thing, with its tests, to be changed into your own.

    It can be installed, used and published as it is. NAME is the model's, such as my-model, or that of whatever else
    it brings; the package is then called aezoo-my-model.
    """
    from aezoo.testing import scaffold

    names = scaffold.names(name)
    folder = names.distribution if out is None else out
    files = scaffold.write(names, Path(folder), aezoo.__version__, time.localtime().tm_year, kind)
    quoted = shlex.quote(folder)
    check = scaffold.check_of(names, kind)
    steps = [f"cd {quoted} && pip install -e '.[test]'", *([check] if check else []), "pytest"]
    if as_json:
        told = {"kind": kind, kind: names.model, "distribution": names.distribution, "module": names.module}
        print_json({**told, "folder": folder, "files": files, "next": steps})
        return
    click.echo(f"{names.distribution}: a plugin with the {kind} {names.model!r}, in {folder}")
    click.echo("\n".join(f"  {file}" for file in files))
    click.echo("next:")
    click.echo("\n".join(f"  {step}" for step in steps))
    click.echo("README.md says how to make it your own, and how to publish it.")
