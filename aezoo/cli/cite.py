"""``aezoo cite``: the papers of what a run used."""

from __future__ import annotations

import click

import aezoo
from aezoo import registry
from aezoo.cli.output import as_json, print_json
from aezoo.errors import UsageError

OURS = f"""@software{{aezoo,
  author = {{{{The aezoo authors}}}},
  title = {{{{aezoo: the autoencoder zoo}}}},
  version = {{{aezoo.__version__}}}
}}"""


@click.command()
@click.argument("run", metavar="RUN")
@as_json
def cite(run: str, as_json: bool) -> None:
    """Print, as BibTeX, the papers of a run's model, of its parts and of its data, and aezoo's own entry."""
    from aezoo.model.assembly import chosen_parts
    from aezoo.training import read_header

    header = read_header(run)
    if not header.model:
        raise UsageError(f"{run} is of a model composed by hand, which keeps no record of the papers of its parts.")
    model = registry.models[header.model]
    parts = chosen_parts(model.options.parse(header.config, owner=f"model {header.model!r}"))
    data = [("dataset", registry.datasets[header.data.name])] if header.data.name in registry.datasets else []
    users: dict[str, list[str]] = {}
    for kind, entry in [("model", model), *parts, *data]:
        for paper in entry.references:
            users.setdefault(paper, []).append(f"{kind} {entry.name}")
    if as_json:
        print_json([{"of": of, "reference": paper, "bibtex": registry.bibtex(paper)} for paper, of in users.items()])
        return
    click.echo(OURS)
    for paper, of in users.items():
        click.echo(f"\n% {', '.join(of)}\n{registry.bibtex(paper)}")
