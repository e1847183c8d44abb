"""Other values of an option are found by its type, whatever that is."""

import enum
from typing import Annotated, Literal

import pytest
from pydantic import Field

from aezoo import Choice, Config, ModelConfig, PointConfig, Sizes, Weight
from aezoo.testing.values import apart, groups


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Config):
    rate: float = 0.5
    on: bool = False


class Options(Config):
    flag: bool = True
    count: int = 3
    share: float = 0.25
    zero: float = 0.0
    maybe: int | None = None
    word: Literal["a", "b", "c"] = "a"
    number_or_word: Annotated[int, Field(ge=1)] | Literal["auto", "exact"] = "auto"
    sizes: Sizes = (8, 4)
    none: Sizes = ()
    weight: Weight = 0.1
    inner: Inner = Inner()
    colour: Colour = Colour.RED
    text: str = "a"
    told: str = Field("a", json_schema_extra={"check": "zebra"})
    pair: tuple[float, float] = (0.0, 1.0)
    several: tuple[str, ...] = ("x",)
    opaque: object = None


def found(name, config=Options):
    return groups(config, name, config.model_fields[name].default)


@pytest.mark.parametrize("name", [name for name in Options.model_fields if name != "opaque"])
def test_each_group_has_a_value_that_is_allowed_and_another(name):
    usual = getattr(Options(), name)
    for group in found(name):
        allowed = []
        for value in group:
            try:
                allowed.append(getattr(Options(**{name: value}), name))
            except ValueError:
                continue
        assert allowed, group
        assert usual not in allowed
    assert found(name)


def test_what_the_author_says_is_the_only_value():
    assert found("told") == [["zebra"]]


def test_a_union_has_a_group_for_each_of_its_forms():
    number, linear, cyclical = found("weight")
    assert all(isinstance(value, float) for value in number)
    assert [value["kind"] for value in (*linear, *cyclical)] == ["linear", "cyclical"]


def test_a_word_that_finds_out_is_not_held_to_be_another():
    assert found("number_or_word") == [[2, 1, 3, 5]]
    assert apart(Options, "number_or_word", "auto") == []


def test_words_are_to_be_different_things():
    assert apart(Options, "word", "a") == ["b", "c"]
    assert apart(ModelConfig, "preprocess", "auto") == []


def test_a_type_that_nobody_knows_has_no_values():
    assert found("opaque") == []


def test_a_part_is_exchanged_for_another_or_gets_other_options():
    usual = Choice(name="mlp")
    (choices,) = groups(ModelConfig, "network", usual)
    assert choices[0] == Choice(name="conv")
    assert Choice(name="mlp", options={"tied": True}) in choices
    (regularizers,) = groups(ModelConfig, "regularizers", ())
    assert {"l1", "contraction"} <= {choice.name for (choice,) in regularizers}
    assert Choice(name="tanh") in groups(PointConfig, "code_activation", Choice(name="identity"))[0]
