"""``aezoo resume``: a run that was broken off goes on."""

from __future__ import annotations

from typing import Any

import click

from aezoo.cli.options import ConfigOption, Sectioned, config_options, given
from aezoo.cli.output import as_json
from aezoo.cli.train import say_run, say_runs
from aezoo.errors import RunInterruptedError, UsageError


class ResumeCommand(Sectioned):
    """A command with those options of training that may change."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Adds the options before the arguments are read."""
        from aezoo.core.options import MAY_CHANGE, TrainConfig

        own = [option for option in self.params if not isinstance(option, ConfigOption)]
        options = config_options(TrainConfig, "May change")
        self.params = [*own, *(option for option in options if option.field_name in MAY_CHANGE)]
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=ResumeCommand, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("run", metavar="RUN")
@click.option("--data", metavar="NAME|FILE", help="Where the data is now. [default: where it was]")
@click.option("--data-dir", metavar="FOLDER", help="Folder of a dataset read from one, such as mnist.")
@click.option("--labels", metavar="FILE", help="Labels of the rows of a data file.")
@as_json
@click.pass_context
def resume(ctx: click.Context, /, run: str, as_json: bool, **arguments: Any) -> None:
    """Go on with a run that was interrupted or killed, to the same result as without a break."""
    if ctx.args:
        from aezoo.core.options import MAY_CHANGE, TrainConfig

        changed = ", ".join(f"--{name.replace('_', '-')}" for name in MAY_CHANGE)
        known = ctx.args[0].split("=")[0].removeprefix("--").replace("-", "_") in TrainConfig.model_fields
        why = "cannot change when a run goes on" if known else "is no option of aezoo resume"
        raise UsageError(f"{ctx.args[0]} {why}: only {changed} may; train anew for other options.")
    from aezoo.runs import repeats, resume

    places = {name: arguments[name] for name in ("data", "data_dir", "labels")}
    try:
        options = given(ctx.command, ctx)
        if repeats.holds_several(run):
            if options:
                raise UsageError(f"{run} holds runs of several seeds, which go on as they are: leave options out.")
            say_runs(repeats.resume_many(run, **places), as_json)
            return
        found = resume.resume(run, **places, **options)
    except KeyboardInterrupt as stop:
        raise RunInterruptedError(str(stop) or "interrupted.") from None
    say_run(found, as_json)
