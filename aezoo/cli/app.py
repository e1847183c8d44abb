"""The command ``aezoo`` and its subcommands, those of plugins included."""

from __future__ import annotations

import click

import aezoo
from aezoo import registry
from aezoo.cli import check, cite, find, inspect, new, resume, score, tables, train, use
from aezoo.errors import PluginError, near_misses


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
        found: dict[str, click.Command] = {}
        owners: dict[str, registry.Plugin] = {}
        for plugin, command in registry.plugins.commands():
            if not isinstance(command, click.Command) or not command.name:
                plugin.error = "aezoo_commands gave something that is no click.Command with a name."
            elif command.name in self.commands:
                plugin.remark(f"its command {command.name!r} is left out, since aezoo has one of that name")
            elif owners.setdefault(command.name, plugin) is not plugin:
                found[command.name] = _ambiguous(command.name, owners[command.name], plugin)
            else:
                found[command.name] = command
        return found


def _ambiguous(name: str, *owners: registry.Plugin) -> click.Command:
    """Stands for a command that several plugins have, and says so when it is used."""
    message = (
        f"command {name!r} is of {' and '.join(owner.title for owner in owners)}: uninstall one, or set "
        f"AEZOO_DISABLE_PLUGINS={owners[-1].name} to leave one out."
    )

    def refuse() -> None:
        raise PluginError(message)

    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(name, callback=refuse, help=message, context_settings=anything, add_help_option=False)


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(aezoo.__version__, prog_name="aezoo")
def app() -> None:
    """The autoencoder zoo: train, inspect and use autoencoders of every family.

    Start with: aezoo train --model contractive
    """


for command in (
    train.train,
    resume.resume,
    use.evaluate,
    inspect.inspect,
    use.encode,
    use.reconstruct,
    use.sample,
    score.score,
    score.calibrate,
    tables.impute,
    tables.describe,
    find.list_,
    find.show,
    cite.cite,
    find.datasets,
    find.plugins,
    new.new,
    check.check,
    find.registry_,
):
    app.add_command(command)
