"""The command ``aezoo`` and its subcommands, those of plugins included."""

from __future__ import annotations

import click

import aezoo
from aezoo import registry
from aezoo.cli import find, inspect, train, use
from aezoo.errors import near_misses


class App(click.Group):
    """A group that also knows the commands which plugins add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Our commands in the order of a user's way, then the plugins'."""
        return [*self.commands, *self._added()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Ours first, so that no plugin replaces a command."""
        return self.commands.get(cmd_name) or self._added().get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggests near-misses for an unknown command."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            hint = near_misses(args[0], known, f"; the commands are {', '.join(known)}.")
            raise click.UsageError(f"no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def _added(self) -> dict[str, click.Command]:
        return {
            command.name: command
            for _, command in registry.plugins.commands()
            if isinstance(command, click.Command) and command.name and command.name not in self.commands
        }


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(aezoo.__version__, prog_name="aezoo")
def app() -> None:
    """The autoencoder zoo: train, inspect and use autoencoders of every family.

    Start with: aezoo train --model contractive
    """


for command in (
    train.train,
    use.evaluate,
    inspect.inspect,
    use.encode,
    use.reconstruct,
    use.sample,
    use.score,
    find.list_,
    find.show,
    find.datasets,
    find.plugins,
    find.registry_,
):
    app.add_command(command)
