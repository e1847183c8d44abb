"""The frozen, strict bases of all configs.

Nothing here knows torch, so that commands which only look things up stay fast.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from aezoo.core.text import split_choice
from aezoo.errors import UnknownNameError, UsageError, near_misses, one_line

MOST_DEPTH = 32


class Config(BaseModel):
    """A frozen set of options: unknown keys, wrong types, NaN and infinity are refused.

    Examples:
        >>> class Options(aezoo.Config):
        ...     width: int = 3
        >>> Options.parse({"width": 5}).width
        5
        >>> Options.parse({"widht": 5})
        Traceback (most recent call last):
            ...
        aezoo.errors.UnknownNameError: Options has no option 'widht'; did you mean 'width'? Its options: width.
    """

    # built when first used: a command that looks one model up need not wait for the options of all others
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True, defer_build=True
    )

    @model_validator(mode="wrap")
    @classmethod
    def _plain_numbers(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A NumPy number, as a sweep over ``np.arange`` gives, is as good as Python's."""
        if isinstance(values, dict):
            values = {key: _plain_value(item, one_line(str(key))) for key, item in values.items()}
        return handler(values)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Says what the options are, without the examples of their docstring."""
        schema = handler(core_schema)
        described = handler.resolve_ref_schema(schema)
        if "description" in described:
            described["description"] = described["description"].partition("\n\nExamples:")[0]
        return schema

    @classmethod
    def recorded(cls, values: dict[str, Any]) -> dict[str, Any]:
        """``values`` that a file holds, and of options that it is older than what was done before there were any.

        That is a field's ``json_schema_extra={"before": …}``, for options whose default changes what a model is.
        """
        extras = [(name, field.json_schema_extra) for name, field in cls.model_fields.items()]
        before = {name: extra["before"] for name, extra in extras if isinstance(extra, dict) and "before" in extra}
        return {**before, **values}

    @classmethod
    def parse(cls, values: dict[str, Any], owner: str = "") -> Self:
        """Validates ``values``; raises UsageError with one line that names the field and what it allows."""
        known = cls.keys()
        unknown = [key for key in values if key not in known]
        if unknown:
            raise UnknownNameError(
                f"{owner or cls.__name__} has no option {unknown[0]!r}{near_misses(unknown[0], known)} "
                f"Its options: {', '.join(known) or 'none'}."
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UsageError(f"{owner + ': ' if owner else ''}{_first(error)}") from None

    @classmethod
    def keys(cls) -> list[str]:
        """The names of the options."""
        return list(cls.model_fields)

    def chosen(self) -> dict[str, Any]:
        """The options by name, each with the value that holds."""
        return {key: getattr(self, key) for key in type(self).model_fields}


def _plain_value(value: Any, option: str, depth: int = 0) -> Any:
    """``value`` with Python's numbers; raises ValueError for what no option can be, and no file should make it."""
    if depth > MOST_DEPTH:
        raise ValueError(f"{option}: values within values, more than {MOST_DEPTH} deep")
    if isinstance(value, dict):
        return {key: _plain_value(item, option, depth + 1) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain_value(item, option, depth + 1) for item in value)
    if type(value) is int and value.bit_length() > 64:
        raise ValueError(f"{option}: a whole number beyond 64 bits")
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value


def _first(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    # a union reports every branch it tried: the deepest is the one that the user meant
    problem = max((p for p in problems if p["loc"][:1] == problems[0]["loc"][:1]), key=lambda p: len(p["loc"]))
    where = ".".join(str(part) for i, part in enumerate(problem["loc"]) if i == 0 or not _is_branch(str(part)))
    message = problem["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if not where:
        # a rule about several options together: their values would drown it
        return message
    return f"{where}: {message}" + ("" if problem["type"] == "missing" else f" (got {_shown(problem['input'])})")


# pydantic names a union's branch in the location; to a user that is noise
def _is_branch(part: str) -> bool:
    return part in ("float", "int", "linear", "cyclical") or part.startswith(("function-", "tagged-", "constrained-"))


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # a number of thousands of digits, or values within values without end
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def listed(value: Any) -> Any:
    """A list (as JSON and TOML give) is as good as a tuple; a lone value is a list of one."""
    if isinstance(value, list):
        return tuple(value)
    return value if isinstance(value, tuple) else (value,)


def _numbers(value: Any) -> Any:
    """``"512,256"`` as well as ``(512, 256)``; an empty text is none."""
    if isinstance(value, str):
        try:
            return tuple(int(part) for part in value.split(",")) if value.strip() else ()
        except ValueError:
            raise ValueError("these are whole numbers separated by commas, such as 512,256") from None
    return listed(value)


Sizes = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...], Field(max_length=1000), BeforeValidator(_numbers)
]
"""Layer sizes: a tuple or list of at most 1,000 positive integers, or text such as ``"512,256"``."""

Numbers = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_numbers)]
"""Numbers of rows, units or dimensions, counted from 0: a tuple or list, or text such as ``"0,5,7"``."""


class Choice(Config):
    """A registered part chosen by name, with its options: ``"topk=8"`` or ``"mlp,tied=true,dropout=0.1"`` as text.

    ``value`` is the bare value behind the first ``=``; it sets the part's first option.

    Examples:
        >>> aezoo.Choice.model_validate("mlp,tied=true")
        Choice(name='mlp', value=None, options={'tied': True})
        >>> str(aezoo.Choice(name="topk", value=8))
        'topk=8'
    """

    name: str
    value: JsonValue = None
    options: dict[str, JsonValue] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return split_choice(value, "value") if isinstance(value, str) else chosen(value, cls)

    def __str__(self) -> str:
        head = self.name if self.value is None else f"{self.name}={_plain(self.value)}"
        return ",".join([head, *(f"{key}={_plain(option)}" for key, option in self.options.items())])


def chosen(value: Any, kind: type[Choice]) -> Any:
    """``value`` if it can describe a part; raises ValueError that says how one is written."""
    if isinstance(value, dict | kind):
        return value
    raise ValueError("a part is written NAME, NAME=VALUE or NAME=VALUE,OPTION=VALUE")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
