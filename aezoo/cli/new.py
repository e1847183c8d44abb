"""``aezoo new``: a plugin package to begin with."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import click

import aezoo
from aezoo.cli.output import as_json, print_json


@click.command()
@click.argument("name")
@click.option("--out", metavar="FOLDER", help="The package's folder. [default: aezoo-NAME]")
@as_json
def new(name: str, out: str | None, as_json: bool) -> None:
    """Write a plugin package: a model, its penalty, and its tests, to be changed into your own.

    It can be installed, trained and published as it is. NAME is the model's, such as my-model; the package is then
    called aezoo-my-model.
    """
    from aezoo.testing import scaffold

    names = scaffold.names(name)
    folder = names.distribution if out is None else out
    files = scaffold.write(names, Path(folder), aezoo.__version__, time.localtime().tm_year)
    quoted = shlex.quote(folder)
    steps = [f"cd {quoted} && pip install -e '.[test]'", f"aezoo check {names.model}", "pytest"]
    if as_json:
        told = {"model": names.model, "distribution": names.distribution, "module": names.module}
        print_json({**told, "folder": folder, "files": files, "next": steps})
        return
    click.echo(f"{names.distribution}: a plugin with the model {names.model!r}, in {folder}")
    click.echo("\n".join(f"  {file}" for file in files))
    click.echo("next:")
    click.echo("\n".join(f"  {step}" for step in steps))
    click.echo("README.md says how to make it your own, and how to publish it.")
