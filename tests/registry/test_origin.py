"""An error in a stranger's code names the part, the plugin and the distribution, and everything else passes."""

import types

import pytest
import torch
from torch import nn

import aezoo
from aezoo import registry
from aezoo.errors import STOPS, CompositionError, DivergenceError, PluginError, TerminatedError, UsageError
from aezoo.registry import Part, culprit, mark, naming, of, origin, signed, strangers
from aezoo.registry.plugins import Plugin, Plugins

HOYER = Part("hoyer", print, plugin="hoyer", distribution="aezoo-hoyer")
OURS = Part("l1", print, plugin="sparse", distribution="aezoo")
WHOSE = "regularizer 'hoyer' of plugin 'hoyer' (aezoo-hoyer)"
CODE = """
class Layer:
    def __init__(self, work):
        self.work = work
    def forward(self):
        return self.work()
def fail(error=None):
    raise error or ZeroDivisionError("by zero")
"""


@pytest.fixture
def plugged(monkeypatch):
    """Makes modules of plugins: ``plugged({"stranger": "aezoo-strange"})`` gives those modules by name."""

    def make(found):
        made = {}
        for name in found:
            made[name] = types.ModuleType(name)
            exec(CODE, vars(made[name]))
        plugins = Plugins()
        plugins._found = [
            Plugin(name.partition(".")[0], distribution, module=types.ModuleType(name.removesuffix(".maths")))
            for name, distribution in found.items()
            if distribution
        ]
        monkeypatch.setattr(registry, "plugins", plugins)
        return types.SimpleNamespace(**{name.replace(".", "_"): module for name, module in made.items()})

    return make


def error_of(function, *arguments):
    try:
        function(*arguments)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_part_that_was_made_by_name_knows_whose_it_is_and_so_do_its_copies():
    import copy

    part = mark(nn.Linear(2, 2), "regularizer", HOYER)
    assert origin(part) == WHOSE
    assert origin(copy.deepcopy(part)) == WHOSE
    assert of(part) == " of plugin 'hoyer' (aezoo-hoyer)"
    first, second = mark((nn.Linear(2, 2), nn.ReLU()), "network", HOYER)
    assert origin(first) == origin(second) == WHOSE.replace("regularizer", "network")
    assert not [name for name in part.state_dict() if "origin" in name]


def test_a_part_of_ours_or_of_nobody_is_not_marked():
    assert origin(mark(nn.Linear(2, 2), "regularizer", OURS)) == ""
    assert of(nn.Linear(2, 2)) == ""
    assert mark(7, "regularizer", HOYER) == 7


def test_a_part_that_a_model_makes_itself_is_known_by_its_module(plugged):
    code = plugged({"stranger.maths": "aezoo-strange", "other": "aezoo-other", "nobody": ""})
    layer = code.stranger_maths.Layer
    assert layer.__module__ == "stranger.maths"
    assert origin(layer(print)) == "Layer of plugin 'stranger' (aezoo-strange)"
    assert origin(code.nobody.Layer(print)) == ""
    assert origin(nn.Linear(2, 2)) == ""


def test_a_plugin_of_the_longest_path_is_meant_and_none_where_two_are(plugged):
    code = plugged({"shared.one.maths": "aezoo-one", "shared.two": "aezoo-two", "shared.three": ""})
    assert origin(code.shared_one_maths.Layer(print)).endswith("(aezoo-one)")
    assert origin(code.shared_two.Layer(print)).endswith("(aezoo-two)")
    assert origin(code.shared_three.Layer(print)) == ""


def test_the_innermost_strange_code_is_at_work(plugged):
    code = plugged({"stranger": "aezoo-strange", "other": "aezoo-other", "nobody": ""})
    outer = code.other.Layer(code.stranger.fail)
    assert culprit(error_of(outer.forward)) == "fail of plugin 'stranger' (aezoo-strange)"
    outer = code.other.Layer(code.nobody.fail)
    assert culprit(error_of(outer.forward)) == "Layer.forward of plugin 'other' (aezoo-other)"
    assert culprit(error_of(code.nobody.fail)) == ""
    assert culprit(error_of(mark(nn.Linear(2, 3), "network", HOYER), torch.zeros(1, 5))).startswith("network 'hoyer'")


def test_an_error_in_the_block_is_the_plugins_and_keeps_its_cause(plugged):
    code = plugged({"stranger": "aezoo-strange"})
    with pytest.raises(PluginError) as caught, naming([], "in training"):
        code.stranger.fail()
    assert str(caught.value) == (
        "fail of plugin 'stranger' (aezoo-strange) failed in training: ZeroDivisionError: by zero"
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


class Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [SystemExit(3), Stop("now"), RecursionError("deep"), StopIteration()])
def test_whatever_a_plugin_raises_is_its_own(error, plugged):
    code = plugged({"stranger": "aezoo-strange"})
    failed = rf"of plugin 'stranger' .aezoo-strange. failed here: {type(error).__name__}"
    with pytest.raises(PluginError, match=failed), naming([], "here"):
        code.stranger.fail(error)


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        TerminatedError(),
        MemoryError(),
        RuntimeError("CUDA out of memory"),
        UsageError("mine"),
        GeneratorExit(),
    ],
)
def test_what_ends_a_command_and_what_says_enough_passes(error, plugged):
    code = plugged({"stranger": "aezoo-strange"})
    with pytest.raises(type(error)) as caught, naming([mark(nn.Linear(2, 2), "prior", HOYER)], "here"):
        code.stranger.fail(error)
    assert caught.value is error
    assert issubclass(STOPS[1], SystemExit)


def test_without_strange_code_at_work_the_parts_are_named_if_only_they_can_be_to_blame(plugged):
    code = plugged({"nobody": ""})
    parts = [nn.Linear(2, 2), mark(nn.ReLU(), "regularizer", HOYER)]
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    y.add_(1)
    failed = rf"a model with {WHOSE[:11]}.* failed in training: RuntimeError: one of the"
    with pytest.raises(PluginError, match=failed), naming(parts, "in training"):
        y.sum().backward()
    with pytest.raises(ZeroDivisionError), naming(parts, "in training"):
        code.nobody.fail()
    with pytest.raises(RuntimeError, match="element 0"), naming(parts[:1], "in training"):
        torch.ones(()).backward()


def test_a_loss_that_is_not_finite_says_what_is_not_ours():
    parts = [nn.Linear(2, 2), mark(nn.ReLU(), "regularizer", HOYER), mark(nn.ReLU(), "prior", HOYER)]
    said = rf"^not finite: lower lr .not of aezoo itself: {WHOSE[:20]}"
    with pytest.raises(DivergenceError, match=said), naming(parts, "in training"):
        raise DivergenceError("not finite: lower lr.")
    with pytest.raises(DivergenceError, match=r"^not finite$"), naming(parts[:1], "in training"):
        raise DivergenceError("not finite")
    assert strangers(parts) == [WHOSE]


def test_our_own_error_out_of_a_strangers_code_is_signed_once():
    error = CompositionError("two left feet.")
    assert str(signed(error, OURS)) == "two left feet."
    assert str(signed(error, HOYER)) == "two left feet ('hoyer' of plugin 'hoyer' (aezoo-hoyer))."
    assert str(signed(error, HOYER)).count("hoyer") == 3


def test_no_code_of_our_own_families_is_strange():
    penalty = aezoo.registry.regularizers["l1"].resolve()()
    assert origin(penalty) == ""
    assert culprit(error_of(penalty.forward, "text")) == ""
