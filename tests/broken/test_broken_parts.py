"""Parts that break their interface are refused when the model is built, or at the first step that shows it."""

import types

import click
import pytest
import torch
from click.testing import CliRunner
from pydantic import Field
from torch import nn
from torch.distributions import Independent, Normal

import aezoo
from aezoo import registry
from aezoo.cli.app import app
from aezoo.core.config import Config
from aezoo.core.options import ModelConfig
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, PluginError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import (
    Corruption,
    Decoder,
    Encoder,
    Gaussian,
    GaussianEncoder,
    Likelihood,
    PointEncoder,
    Prior,
    Regularizer,
    StandardNormal,
    Weighted,
    build_part,
)
from aezoo.registry import Model, Part
from aezoo.registry.plugins import Plugin, Plugins

SPEC = DataSpec(shape=(4,))


class Free(Encoder):
    """A posterior of any kind."""

    def __init__(self, posterior):
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.posterior = posterior

    def forward(self, x):
        return self.posterior(self.layer(x))


class Saying(Likelihood):
    def __init__(self, says):
        super().__init__(SPEC)
        self.says = says

    def forward(self, output):
        return self.says(output)


class Believing(Prior):
    def __init__(self, belief):
        super().__init__()
        self.belief = belief

    def forward(self, encode=None):
        return self.belief


class Asked(Regularizer):
    """What it is told to return, in the forward pass and after the step."""

    def __init__(self, penalty=lambda z: z.sum(-1), after=None, opponent_loss=None):
        super().__init__()
        self.penalty, self.after, self.against = penalty, after, opponent_loss
        if opponent_loss is not None:
            self.opponent = nn.Linear(2, 1)

    def forward(self, z):
        return self.penalty(z)

    def after_step(self, z):
        return self.after

    def opponent_loss(self, z):
        return self.against


def made(encoder=None, likelihood=None, prior=None, regularizers=(), **options):
    decoder = Decoder(nn.Linear(2, 4), likelihood or Gaussian(SPEC))
    return Autoencoder(
        encoder or PointEncoder(nn.Linear(4, 2)), decoder, spec=SPEC, prior=prior, regularizers=regularizers, **options
    )


def normal(*shape, events=0):
    return Independent(Normal(torch.zeros(shape), torch.ones(shape)), events)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (lambda: made(Free(lambda z: z)), "Free returned Tensor, which is no posterior"),
        (
            lambda: made(Free(lambda z: normal(3, 2, events=1))),
            r"has a mean \(3, 2\) and draws \(1, 3, 2\) for 1 draws",
        ),
        (lambda: made(Free(lambda z: normal(2, events=1))), r"has a mean \(2,\) and draws \(1, 2\)"),
        (lambda: made(likelihood=Saying(lambda output: None)), "Saying returned NoneType, no distribution"),
        (lambda: made(likelihood=Saying(lambda o: Normal(o, 1.0))), r"log-density \(1, 2, 4\) and a mean \(1, 2, 4\)"),
        (lambda: made(likelihood=Saying(lambda o: normal(4, events=1))), r"a log-density \(2,\) and a mean \(4,\)"),
        (lambda: made(prior=Believing("normal")), "Believing returned str, no distribution"),
        (
            lambda: made(prior=Believing(normal(2))),
            r"draws \(2,\) with a log-density \(2,\): it must be",
        ),
        (lambda: made(prior=Believing(normal(3, events=1))), r"draws \(3,\) with a log-density \(\).* one code \(2,\)"),
        (lambda: made(regularizers=[Weighted("a", Asked(lambda z: z))]), r"'a' returned \(1, 2, 2\) for 1 draws"),
        (lambda: made(regularizers=[Weighted("a", Asked(lambda z: None))]), "'a' returned NoneType"),
        (lambda: made(regularizers=[Weighted("a", Asked(lambda z: z.sum().int()))]), r"'a' returned torch.int32"),
        (lambda: made(regularizers=[Weighted("a", Asked(lambda z: z.sum() / 0 * 0))]), "'a' is nan for made-up rows"),
        (lambda: made(regularizers=[Weighted("a", Asked(), "heavy")]), "weight of regularizer 'a' must be a number"),
        (lambda: made(regularizers=[Weighted("a.b", Asked())]), "cannot be called 'a.b'"),
        (lambda: made(regularizers=[Weighted("/main", Asked())]), "cannot be called '/main'"),
        (lambda: made(regularizers=[Weighted(None, Asked())]), "cannot be called None"),
        (lambda: made(regularizers=[Weighted("a", nn.Identity())]), "'a' is Identity, no aezoo Regularizer"),
    ],
)
def test_it_is_refused_when_the_model_is_built(parts, reason):
    with pytest.raises(CompositionError, match=reason) as caught:
        parts()
    assert "\n" not in str(caught.value)


def test_a_penalty_that_equal_rows_make_infinite_is_none_of_a_broken_part():
    def spread(z):
        return 1 / z.var(1).sum()

    class Rows(Asked):
        def forward(self, z, x):
            return spread(x[None])

    model = made(regularizers=[Weighted("a", Rows())])
    assert torch.isfinite(model.step(torch.randn(5, 4)).loss)


def test_parts_that_keep_to_their_interface_are_taken():
    model = made(
        GaussianEncoder(nn.Linear(4, 4)),
        likelihood=Saying(lambda output: Independent(Normal(output, 1.0), 1)),
        prior=StandardNormal((2,)),
        regularizers=[Weighted("a", Asked(), 0.5)],
        draws=3,
    )
    assert model.step(torch.randn(5, 4)).loss.shape == ()


@pytest.mark.parametrize("after", [3, "rows", [None], torch.ones(3)])
def test_what_comes_after_a_step_is_a_wish_or_nothing(after):
    model = made(regularizers=[Weighted("a", Asked(after=after))])
    outcome = model.step(torch.randn(5, 4))
    with pytest.raises(PluginError, match="after_step of regularizer 'a' must return nothing, or a list of"):
        model.after_step(outcome.values, 0)
    fine = made(regularizers=[Weighted("a", Asked(after=None)), Weighted("b", Asked(after=()))])
    assert fine.after_step(outcome.values, 0) == []


@pytest.mark.parametrize(("loss", "found"), [(torch.ones(3), r"\(3,\)"), (1.5, "float")])
def test_the_loss_of_an_opponent_is_one_value(loss, found):
    model = made(regularizers=[Weighted("a", Asked(opponent_loss=loss))])
    outcome = model.step(torch.randn(5, 4))
    with pytest.raises(PluginError, match=f"opponent_loss of regularizer 'a' returned {found}: it must return"):
        model.opponent_loss("a", outcome.values)


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (lambda x: x[:, :2], r"returned \(5, 2\) for rows \(5, 4\)"),
        (lambda x: None, "returned NoneType for rows"),
        (lambda x: x.numpy(), "returned"),
        (lambda x: x.sum(), "returned Tensor for rows"),
    ],
)
def test_a_corruption_returns_a_copy_of_the_same_shape(returned, reason):
    class Other(Corruption):
        def forward(self, x):
            return returned(x)

    model = made(corruption=Other())
    if reason == "returned":
        reason = r"returned \(5, 4\)"
    with pytest.raises(PluginError, match=f"corruption Other {reason}"):
        model.step(torch.randn(5, 4))


# ---------------------------------------------------------------- made by name


@pytest.fixture
def registered():
    """Registers a plugin of this process with these hooks: ``registered(aezoo_priors=lambda: [...])``."""
    plugins = []

    def register(name="mine", **hooks):
        module = types.SimpleNamespace(**{hook: aezoo.hookimpl(function) for hook, function in hooks.items()})
        plugins.append(registry.register(module, name))
        return plugins[-1]

    yield register
    for plugin in plugins:
        registry.plugins._found.remove(plugin)
        registry.plugins.manager.unregister(plugin.module)


class Plain(Prior):
    def forward(self, encode=None):
        return normal(2, events=1)


def test_a_class_that_leaves_its_constructor_to_torch_has_no_options(registered):
    registered(aezoo_priors=lambda: [Part("plain", Plain)])
    assert registry.priors["plain"].options.keys() == []
    assert isinstance(build_part("prior", "plain"), Plain)


@pytest.mark.parametrize(
    ("kind", "target", "reason"),
    [
        ("prior", lambda: nn.Identity(), "made Identity, no aezoo.parts.Prior"),
        ("corruption", lambda: None, "made NoneType, no aezoo.parts.Corruption"),
        ("activation", lambda: torch.relu, "made builtin_function_or_method, no torch.nn.Module"),
        ("network", lambda: (nn.Identity(),), "returned tuple: it must return two modules"),
        ("network", lambda: (nn.Identity(), None), "made NoneType, no torch.nn.Module"),
        ("activation", lambda: nn.Module.__new__(nn.ReLU), "is not whole: its constructor must call super"),
        ("prior", 3, "which is int and cannot be called"),
        ("prior", "aezoo_of_nobody:Prior", "which cannot be imported: ModuleNotFoundError"),
    ],
)
def test_what_a_part_is_not_is_said_with_its_plugin(kind, target, reason, registered):
    registered(**{f"aezoo_{registry.parts[kind].kind}s".replace("ys", "ies"): lambda: [Part("mine", target, Config)]})
    with pytest.raises(PluginError, match=reason) as caught:
        build_part(kind, "mine")
    assert "plugin 'mine' (this process)" in str(caught.value)


def test_an_option_called_as_a_method_of_configs_is_an_option(registered):
    def made_of(copied: int = 3):
        return nn.Softplus(copied)

    registered(aezoo_activations=lambda: [Part("soft", made_of)])
    assert build_part("activation", "soft=5").beta == 5


class Doubled(ModelConfig):
    once: int = 1
    twice: int = Field(2, json_schema_extra={"flag": "once"})


class Epochs(ModelConfig):
    mine: int = Field(2, json_schema_extra={"flag": "epochs"})


@pytest.mark.parametrize(
    ("config", "reason"),
    [(Doubled, "two options with the flag 'once'"), (Epochs, "an option 'epochs', which")],
)
def test_flags_that_the_command_line_could_not_tell_apart_are_refused(config, reason, registered):
    with pytest.raises(PluginError, match=reason):
        registered(aezoo_models=lambda: [Model("m", config, print)])


# ---------------------------------------------------------------- commands


def test_a_command_of_two_plugins_names_both_and_one_that_is_none_is_its_plugins_error(monkeypatch):
    def plugin(name, command):
        return Plugin(name, f"aezoo-{name}", module=types.SimpleNamespace(aezoo_commands=lambda: [command]))

    plugins = Plugins()
    plugins._found = [
        plugin("one", click.Command("wave")),
        plugin("two", click.Command("wave")),
        plugin("none", "wave"),
        plugin("fine", click.Command("nod", callback=lambda: click.echo("yes"))),
        plugin("greedy", click.Command("list", callback=lambda: click.echo("stolen"))),
    ]
    monkeypatch.setattr(registry, "plugins", plugins)
    run = CliRunner().invoke
    error = run(app, ["wave", "--high", "3"]).exception
    assert isinstance(error, PluginError)
    assert "plugin 'one' (aezoo-one) and plugin 'two' (aezoo-two)" in str(error)
    assert run(app, ["nod"]).output == "yes\n"
    assert "stolen" not in run(app, ["list"]).output
    assert run(app, ["--help"]).exit_code == 0
    assert plugins._found[2].error == "aezoo_commands gave something that is no click.Command with a name."
    assert plugins._found[4].notes == ["its command 'list' is left out, since aezoo has one of that name"]
