"""Command-line options read off config classes: one place says what an option is, and every command follows."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from aezoo import registry
from aezoo.core.text import bare_type, read_value

# commands that show no options wait for no pydantic
if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from aezoo.core.config import Config


class ConfigOption(click.Option):
    """An option of a config class, and the section of the help that it stands in."""

    def __init__(self, name: str, field: FieldInfo, section: str, default: Any = None) -> None:
        self.section = section
        self.field_name = name
        extra = _extra(field)
        flag = "--" + str(extra.get("flag", name)).replace("_", "-")
        plain = bare_type(field.annotation)
        is_flag = plain is bool
        self._annotation = plain
        super().__init__(
            [name, f"{flag}/--no-{flag[2:]}" if is_flag else flag],
            default=None,
            multiple=get_origin(plain) is tuple and extra.get("kind") is not None,
            help=_help(field, field.default if default is None else default),
            metavar=None if is_flag else _metavar(plain, field),
        )

    def read(self, value: Any) -> Any:
        """The value that the config class validates, of the text that the user gave."""
        if not isinstance(value, str) or self._annotation is str or _reads_text(self._annotation):
            return value
        return read_value(value)


class Sectioned(click.Command):
    """A command whose help has one section for each owner of options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each option under its ``section``, those without one first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(parameter, "section", "What and where"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def config_options(
    config: type[Config], section: str, defaults: Mapping[str, Any] = MappingProxyType({})
) -> list[ConfigOption]:
    """One option for each field of ``config``, with ``defaults`` in place of some of its own."""
    return [ConfigOption(name, field, section, defaults.get(name)) for name, field in config.model_fields.items()]


def given(command: click.Command, ctx: click.Context) -> dict[str, Any]:
    """The config options that the user gave, as values for their config classes."""
    values: dict[str, Any] = {}
    for option in command.params:
        if isinstance(option, ConfigOption):
            value = ctx.params.get(option.field_name)
            if value is not None and value != ():
                values[option.field_name] = option.read(value)
    return values


def _extra(field: FieldInfo) -> dict[str, Any]:
    return dict(field.json_schema_extra) if isinstance(field.json_schema_extra, dict) else {}


def _reads_text(annotation: Any) -> bool:
    """Whether the config class itself reads the option's text: parts, sizes, and words to choose from."""
    from aezoo.core.config import Choice

    if get_origin(annotation) is Literal:
        return all(isinstance(option, str) for option in get_args(annotation))
    return get_origin(annotation) is tuple or (isinstance(annotation, type) and issubclass(annotation, Choice))


def _metavar(annotation: Any, field: FieldInfo) -> str:
    extra = _extra(field)
    if "kind" in extra:
        return {"regularizer": "NAME=WEIGHT", "corruption": "NAME=STRENGTH"}.get(str(extra["kind"]), "NAME")
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if get_origin(annotation) is tuple:
        return "NUMBERS"
    if annotation in (int, float):
        return "INTEGER" if annotation is int else "NUMBER"
    return "TEXT" if annotation is str else "NUMBER" if _is_number(annotation) else "VALUE"


def _is_number(annotation: Any) -> bool:
    if get_origin(annotation) not in (types.UnionType, typing.Union):
        return False
    return any(option is float or get_args(option)[:1] == (float,) for option in get_args(annotation))


def _help(field: FieldInfo, default: Any) -> str:
    notes = []
    if not field.is_required() and default is not None and default != ():
        notes.append(f"default: {shown(default)}")
    bounds = [_bound(rule) for rule in field.metadata]
    notes += [" and ".join(bound for bound in bounds if bound)] if any(bounds) else []
    kind = _extra(field).get("kind")
    if kind:
        notes.append(f"registered: {', '.join(registry.parts[kind])}")
    return (field.description or "") + (f" [{'; '.join(notes)}]" if notes else "")


def _bound(rule: Any) -> str:
    from annotated_types import Ge, Gt, Le, Lt

    for kind, sign, name in ((Ge, "≥", "ge"), (Gt, ">", "gt"), (Le, "≤", "le"), (Lt, "<", "lt")):
        if isinstance(rule, kind):
            value = getattr(rule, name)
            return f"{sign} {value:,}" if isinstance(value, int | float) and value < 1e7 else ""
    return ""


def shown(value: Any) -> str:
    """A default as a user would write it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
seed = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Seed of the draws."
)
