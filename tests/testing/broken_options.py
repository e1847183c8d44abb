"""Models whose options do not do what they say, or whose texts are not there."""

from typing import Annotated, Literal

import torch
from faults import Size, breaks, encoding, options
from pydantic import AfterValidator, Field, create_model

import aezoo
from aezoo import Weight
from aezoo.parts import (
    Weighted,
)

ALPHA = {"alpha": (float, Field(0.5, description="a weight"))}
WEIGHT = {"size": (Weight, Field(0.1, description="a weight"))}


@breaks("options", "alpha changes nothing", config=options("alpha", **ALPHA))
def unused_option(config, spec):
    model = aezoo.assemble(config, spec)
    # read, kept and saved, and still without any use
    model.encoder.alpha = config.alpha
    model.encoder.register_buffer("kept", torch.tensor(config.alpha))
    return model


def _small(value):
    if value > 1:
        raise ValueError("alpha is at most 1")
    return value


SMALL = {"alpha": (Annotated[float, AfterValidator(_small)], Field(0.5, description="a weight"))}


@breaks("options", "alpha changes nothing", config=options("small", **SMALL))
def unused_option_with_a_range_of_its_own(config, spec):
    return aezoo.assemble(config, spec)


@breaks("options", "size changes nothing", config=options("weight", **WEIGHT))
def weight_not_applied(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("size", Size(), 0.1)])


@breaks("options", "breaks", config=options("number", **WEIGHT))
def weight_takes_no_schedule(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("size", Size(), 2 * config.size)])


@breaks("options", "width changes nothing", config=options("width", width=(int, Field(3, description="a width"))))
def option_that_only_draws(config, spec):
    torch.rand(config.width)
    return aezoo.assemble(config, spec)


Mode = Literal["plain", "square", "cube"]


@breaks("options", "cube does what square does", config=options("mode", mode=(Mode, Field("plain", description="how"))))
def two_words_for_one_thing(config, spec):
    power = 1 if config.mode == "plain" else 2
    return encoding(lambda network, x: network(x) ** power)(config, spec)


@breaks("options", "label: no other value", config=options("label", label=(Literal["a"], Field("a", description="x"))))
def option_without_a_choice(config, spec):
    return aezoo.assemble(config, spec)


@breaks("config", "cannot be read again", config=options("parts", of=(set[int], Field({1, 2}, description="numbers"))))
def default_that_json_cannot_hold(config, spec):
    return aezoo.assemble(config, spec)


@breaks("config", "has an alias", config=options("alias", beta=(float, Field(1.0, alias="β", description="x"))))
def option_with_an_alias(config, spec):
    return aezoo.assemble(config, spec)


@breaks("described", "it has no references", references=[])
def without_references(config, spec):
    return aezoo.assemble(config, spec)


@breaks("described", "Silent has no docstring", config=create_model("Silent", __base__=aezoo.ModelConfig))
def without_docstring(config, spec):
    return aezoo.assemble(config, spec)


@breaks("described", "option alpha has no description", config=options("bare", alpha=(float, 0.5)))
def without_description(config, spec):
    return aezoo.assemble(config, spec)


@breaks("built", "ZeroDivisionError")
def build_that_raises(config, spec):
    return 1 / 0


def _leaves(network, x):
    raise SystemExit("no more")


@breaks("built", "no more")
def build_that_leaves(config, spec):
    return encoding(_leaves)(config, spec)
