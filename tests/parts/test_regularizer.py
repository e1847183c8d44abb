"""How regularizers ask for what they need, and how weights move."""

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from aezoo.core.config import Config
from aezoo.core.schedules import Cyclical, Linear, Weight, describe, weight_at
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, UsageError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import (
    AFTER_STEP_VOCABULARY,
    VOCABULARY,
    Asking,
    Decoder,
    Gaussian,
    PointEncoder,
    Regularizer,
    Weighted,
)


class Weighed(Config):
    weight: Weight = 1.0


VALUES = {name: name.upper() for name in AFTER_STEP_VOCABULARY}


def test_a_function_gets_what_it_names_and_nothing_else():
    looked_up = []

    class Watched(dict):
        def __getitem__(self, name):
            looked_up.append(name)
            return super().__getitem__(name)

    asking = Asking(lambda z, px, own=3, *rest, **options: (z, px, own, rest, options), VOCABULARY, "it")
    assert asking(Watched(VALUES)) == ("Z", "PX", 3, (), {})
    assert looked_up == ["z", "px"]


@pytest.mark.parametrize("name", VOCABULARY)
def test_every_word_of_the_vocabulary_can_be_asked_for(name):
    scope = {}
    exec(f"def ask({name}): return {name}", scope)
    assert Asking(scope["ask"], VOCABULARY, "it")(VALUES) == name.upper()


def test_an_unknown_argument_is_refused_with_the_whole_vocabulary():
    with pytest.raises(CompositionError, match="mine asks for 'labels', which no training step has") as caught:
        Asking(lambda x, labels: x, VOCABULARY, "mine")
    assert all(word in str(caught.value) for word in VOCABULARY)


def test_a_regularizer_has_no_opponent_and_nothing_to_do_after_a_step():
    class Plain(Regularizer):
        def forward(self, z):
            return z.sum()

    plain = Plain()
    assert plain.opponent is None
    assert plain.after_step() is None
    assert plain.check(torch.nn.Identity(), torch.nn.Identity()) is None
    with pytest.raises(NotImplementedError):
        plain.opponent_loss()
    with pytest.raises(TypeError, match="abstract"):
        Regularizer()


@pytest.mark.parametrize(
    ("weight", "steps", "values"),
    [
        (0.3, (0, 7, 10**9), (0.3, 0.3, 0.3)),
        (2, (5,), (2,)),
        (Linear(start=0.0, end=1.0, steps=10), (0, 5, 10, 99), (0, 0.5, 1, 1)),
        (Linear(start=4.0, end=1.0, steps=3), (0, 1, 3, 9), (4, 3, 1, 1)),
        (Cyclical(start=0.0, end=2.0, period=8, ramp=0.5), (0, 2, 4, 7, 8, 10), (0, 1, 2, 2, 0, 1)),
        (Cyclical(period=4, ramp=1.0), (0, 1, 3, 4), (0, 0.25, 0.75, 0)),
    ],
)
def test_weights_move_with_the_step(weight, steps, values):
    assert [weight_at(weight, step) for step in steps] == pytest.approx(values)


def test_a_share_is_of_all_steps_and_over_where_these_are_not_known():
    ramp = Linear(start=1.0, end=3.0, share=0.25)
    assert [weight_at(ramp, step, 400) for step in (0, 50, 100, 399)] == pytest.approx([1, 2, 3, 3])
    assert weight_at(ramp, 0) == weight_at(ramp, None, 400) == 3
    both = Linear(steps=100, share=0.5)
    assert [weight_at(both, 50, total) for total in (1000, 200, 120)] == pytest.approx([0.5, 0.5, 5 / 6])


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("0.5", 0.5),
        ("1e-3", 1e-3),
        ("linear:0:1:500", Linear(start=0.0, end=1.0, steps=500)),
        ("linear:0:1:50%", Linear(start=0.0, end=1.0, share=0.5)),
        ("cyclical:0:1:500", Cyclical(start=0.0, end=1.0, period=500)),
        ("cyclical:0:1:500:0.25", Cyclical(start=0.0, end=1.0, period=500, ramp=0.25)),
    ],
)
def test_weights_are_written_as_text_and_back(text, weight):
    adapter = TypeAdapter(Weight)
    assert adapter.validate_python(text) == weight
    assert adapter.validate_python(describe(weight)) == weight


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "linear",
        "linear:0:1",
        "linear:0:1:2:3",
        "linear:0:1:half",
        "linear:0:1:x%",
        "cyclical:0:1:5%",
        "cyclical:0:1:2:3:4",
        "nan",
        "inf",
    ],
)
def test_text_that_is_no_weight_is_refused(text):
    with pytest.raises(UsageError, match=r"^model: weight: "):
        Weighed.parse({"weight": text}, owner="model")


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "linear", "steps": 0},
        {"kind": "linear"},
        {"kind": "linear", "share": 0.0},
        {"kind": "linear", "share": 1.01},
        {"kind": "cyclical", "period": 5, "ramp": 0.0},
        {"kind": "cyclical", "period": 5, "ramp": 1.5},
        {"kind": "spiral", "steps": 5},
        {"kind": "linear", "steps": 5, "stop": 1.0},
    ],
)
def test_schedules_out_of_range_are_refused(values):
    with pytest.raises(UsageError, match=r"^model: weight"):
        Weighed.parse({"weight": values}, owner="model")


def test_a_name_that_torch_keeps_for_itself_is_no_trouble():
    spec = DataSpec(shape=(4,))
    parts = PointEncoder(nn.Linear(4, 2)), Decoder(nn.Linear(2, 4), Gaussian(spec))

    class Size(Regularizer):
        def forward(self, z):
            return z.square().sum(-1)

    model = Autoencoder(*parts, spec=spec, regularizers=[Weighted("type", Size()), Weighted("keys", Size())])
    assert len(model.regularizers) == 2
    assert len(model.step(torch.randn(3, 4)).terms) == 3
