"""From a config to a model: what models share, and what a saved config spells out."""

import pytest
import torch
from torch import nn

import aezoo
from aezoo import registry
from aezoo.core.config import Choice
from aezoo.core.options import ModelConfig, PointConfig
from aezoo.core.spec import DataSpec
from aezoo.errors import CompositionError, PluginError, UnknownNameError, UsageError
from aezoo.model.assembly import assemble, complete
from aezoo.parts import (
    KL,
    Encoder,
    GaussianEncoder,
    LaplacePrior,
    Point,
    Regularizer,
    StandardNormal,
    Weighted,
)
from aezoo.training import build_model

TABLE = DataSpec(shape=(6,))
GREY = DataSpec(shape=(1, 4, 4), low=0.0, high=16.0, levels=17, scaling="scale")
NAMES = sorted(registry.models)


class Size(Regularizer):
    def forward(self, z):
        return z.square().sum(-1)


def sizes(network):
    return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]


def test_the_shared_options_reach_the_parts():
    config = PointConfig.parse(
        {
            "latent_dim": 3,
            "hidden": "9,7",
            "activation": "leaky-relu=0.2",
            "network": "mlp,dropout=0.25",
            "likelihood": "gaussian=per-example",
            "corruption": "masking=0.4,seed=3",
            "regularizers": ["l1=0.5", "contraction=linear:0:1:10"],
            "preprocess": "minmax",
            "code_activation": "tanh",
        }
    )
    model = assemble(config, TABLE)
    assert sizes(model.encoder) == [(6, 9), (9, 7), (7, 3)]
    assert sizes(model.decoder) == [(3, 7), (7, 9), (9, 7)]
    kinds = [type(module) for module in model.modules()]
    assert kinds.count(nn.LeakyReLU) == kinds.count(nn.Dropout) == 4
    assert next(m for m in model.modules() if isinstance(m, nn.LeakyReLU)).negative_slope == 0.2
    assert next(m for m in model.modules() if isinstance(m, nn.Dropout)).p == 0.25
    assert isinstance(model.encoder.activation, nn.Tanh)
    assert (model.corruption.strength, model.corruption.seed) == (0.4, 3)
    assert list(model.regularizers) == ["l1", "contraction"]
    assert model.weights["l1"] == 0.5
    assert model.weights["contraction"].at(5) == 0.5
    assert model.preprocess.kind == "minmax"
    assert model.spec == TABLE


def test_a_models_own_regularizers_come_before_those_of_the_config():
    config = ModelConfig(regularizers=("l1=2",))
    model = assemble(config, TABLE, regularizers=[Weighted("size", Size(), 0.1)])
    assert model.weights == {"size": 0.1, "l1": 2.0}


@pytest.mark.parametrize("prior", [StandardNormal((16,)), Choice(name="normal"), Choice(name="laplace", value=2.0)])
def test_a_prior_is_given_as_a_part_or_by_name(prior):
    regularizers = [Weighted("kl", KL())]
    model = assemble(ModelConfig(), TABLE, encoder=GaussianEncoder, prior=prior, regularizers=regularizers, draws=3)
    assert isinstance(model.prior, LaplacePrior if getattr(prior, "name", "") == "laplace" else StandardNormal)
    assert model.sample(2).shape == (2, 6)
    assert model.draws == 3


def test_an_encoder_says_how_many_outputs_it_wants():
    class Triple(Encoder):
        outputs_per_code = 3

        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x):
            return Point(self.network(x).unflatten(1, (3, 4)).prod(1))

    model = assemble(ModelConfig(latent_dim=4, hidden=()), TABLE, encoder=Triple)
    assert sizes(model.encoder) == [(6, 12)]
    assert model.encode(torch.randn(5, 6)).shape == (5, 4)


def test_scaled_data_are_clipped_only_where_the_likelihood_wants_the_unit_interval():
    for likelihood, clipped in (("bernoulli", True), ("gaussian", False)):
        model = assemble(ModelConfig(likelihood=likelihood, preprocess="minmax"), TABLE)
        assert model.preprocess.clip is clipped
    assert assemble(ModelConfig(likelihood="categorical"), GREY).decoder.likelihood.outputs.size == 16 * 17


def test_raw_units_and_levels_of_a_categorical_survive_the_scaling():
    torch.manual_seed(0)
    model = assemble(ModelConfig(likelihood="categorical", latent_dim=2), GREY)
    x = torch.randint(0, 17, (5, 1, 4, 4)).double()
    u = model.prepare(x)
    assert u.min() >= 0
    assert u.max() <= 1
    px = model.decoder(model.code(u)[None])
    index = x.long().reshape(5, 16)
    logits = px.logits[0].reshape(5, 17, 16).log_softmax(1)
    truth = logits.gather(1, index[:, None]).sum((1, 2))
    torch.testing.assert_close(model.score(x), -truth.detach(), rtol=1e-5, atol=1e-4)
    assert model.reconstruct(x).max() > 2


@pytest.mark.parametrize(
    ("options", "spec", "error", "message"),
    [
        (
            {"hidden": (), "activation": "tanh"},
            TABLE,
            CompositionError,
            "tanh has no hidden layer.*give hidden",
        ),
        ({"likelihood": "bernoulli"}, TABLE, CompositionError, "use --preprocess minmax"),
        (
            {"likelihood": "categorical", "preprocess": "minmax"},
            GREY,
            CompositionError,
            "that keeps them",
        ),
        ({"network": "conv"}, TABLE, CompositionError, "network conv needs images"),
        ({"preprocess": "scale"}, TABLE, UsageError, "needs the range of the values"),
        ({"network": "mpl"}, TABLE, UnknownNameError, "no network 'mpl'; did you mean 'mlp'"),
        ({"regularizers": ("l2",)}, TABLE, UnknownNameError, "no regularizer 'l2'; did you mean 'l1'"),
        ({"corruption": "masking,strenght=0.1"}, TABLE, UnknownNameError, "did you mean 'strength'"),
        ({"network": "mlp,dropout=1"}, TABLE, UsageError, "network 'mlp': dropout: .*less than 1"),
        ({"regularizers": ("kl",)}, TABLE, CompositionError, "needs a prior|encoder with a density"),
    ],
)
def test_options_that_do_not_fit_are_refused_when_the_model_is_built(options, spec, error, message):
    config = PointConfig.parse(options)
    with pytest.raises(error, match=message) as caught:
        assemble(config, spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_dim": 0}, "model: latent_dim: .*greater than or equal to 1"),
        ({"latent_dim": "3"}, "latent_dim: .*valid integer"),
        ({"hidden": "9,x"}, "these are whole numbers separated by commas"),
        ({"hidden": (0,)}, "hidden.*greater than or equal to 1"),
        ({"latentdim": 3}, "model has no option 'latentdim'; did you mean 'latent_dim'"),
        ({"preprocess": "zscore"}, "preprocess: .*'standardize'"),
        ({"regularizers": "l1=soon"}, "is no weight: give a number, linear:START:END:STEPS"),
        ({"network": "mlp,tied"}, "a part is written NAME, NAME=VALUE or NAME=VALUE,OPTION=VALUE"),
        ({"network": "=3"}, "a part is written NAME"),
    ],
)
def test_options_of_the_wrong_kind_are_refused_before_anything_is_built(options, message):
    with pytest.raises(UsageError, match=message):
        ModelConfig.parse(options, owner="model")


@pytest.mark.parametrize("name", NAMES)
def test_a_completed_config_builds_the_same_model_and_says_all(name):
    entry = registry.models[name]
    config = entry.config.parse({"regularizers": ["l1=0.1"], "latent_dim": 64})
    full = complete(config)
    assert complete(full) == full
    assert full.network == Choice(name="mlp", options={"tied": name == "contractive", "dropout": 0.0, "norm": "none"})
    assert [str(choice) for choice in full.regularizers] == ["l1,unit_norm=false × 0.1"]
    again = entry.config.parse(full.model_dump(mode="json"))
    assert again == full
    built = []
    for each in (config, again):
        torch.manual_seed(0)
        built.append(entry.resolve()(each, GREY).state_dict())
    assert all(torch.equal(built[0][key], built[1][key]) for key in built[0])


def test_completing_checks_the_parts():
    with pytest.raises(UnknownNameError, match="no corruption 'mask'"):
        complete(ModelConfig(corruption="mask"))
    with pytest.raises(UsageError, match="likelihood 'gaussian': scale"):
        complete(ModelConfig(likelihood="gaussian=wide"))


# ---------------------------------------------------------------- by name


def test_models_are_built_by_name_and_options():
    model = build_model("vae", {"latent_dim": 3}, TABLE)
    assert isinstance(model, aezoo.Autoencoder)
    assert model.encode(torch.randn(2, 6)).shape == (2, 3)
    with pytest.raises(UnknownNameError, match="no model 'vea'; did you mean 'vae'"):
        build_model("vea", {}, TABLE)
    with pytest.raises(UnknownNameError, match=r"model 'vae' has no option 'bta'.*Its options: .*draws"):
        build_model("vae", {"bta": 2}, TABLE)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda config, spec: 1 / 0, "model 'mine' of plugin .* failed to build: ZeroDivisionError: division by zero"),
        (lambda config, spec: nn.Linear(1, 1), "model 'mine' of plugin .* built Linear, no aezoo.Autoencoder"),
        ("no_such_module:build", "names 'no_such_module:build', which cannot be imported"),
    ],
)
def test_a_plugins_model_that_cannot_be_built_names_the_plugin(build, message):
    hooks = type("Mine", (), {"aezoo_models": staticmethod(lambda: [aezoo.Model("mine", ModelConfig, build)])})
    plugin = registry.register(hooks)
    try:
        with pytest.raises(PluginError, match=message):
            build_model("mine", {}, TABLE)
    finally:
        registry.plugins._found.remove(plugin)
        registry.plugins.manager.unregister(hooks)


class Clumsy(Regularizer):
    def forward(self, z):
        raise ValueError("a bug of its author's")


def clumsy_part():
    raise RuntimeError("another\nbug")


def build_aside(config, spec):
    return aezoo.assemble(PointConfig(latent_dim=config.latent_dim), spec)


class MomentumConfig(PointConfig):
    momentum: float = 0.9


@pytest.fixture
def clumsy():
    """A plugin whose parts fail and whose model leaves its options aside."""

    class Plugin:
        @aezoo.hookimpl
        def aezoo_regularizers(self):
            yield aezoo.Part("clumsy", Clumsy)
            yield aezoo.Part("unmakeable", clumsy_part)

        @aezoo.hookimpl
        def aezoo_datasets(self):
            yield aezoo.DatasetEntry("unreadable", clumsy_part)

        @aezoo.hookimpl
        def aezoo_models(self):
            yield aezoo.Model("aside", PointConfig, build_aside, family="sparse")

    plugin = registry.plugins.register(Plugin(), "clumsy-plugin", "aezoo-clumsy")
    yield plugin
    registry.plugins.manager.unregister(plugin.module)
    registry.plugins._found.remove(plugin)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"regularizers": ["clumsy=1"]}, ["'clumsy'", "a bug of its author's"]),
        ({"regularizers": ["unmakeable=1"]}, ["'unmakeable'", "clumsy-plugin", "aezoo-clumsy", "another"]),
    ],
)
def test_a_part_that_fails_is_named_with_its_plugin(clumsy, options, words):
    with pytest.raises(PluginError) as caught:
        build_model("vae", options, TABLE)
    assert "\n" not in str(caught.value)
    assert "variational" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_dataset_that_fails_is_named_with_its_plugin(clumsy):
    with pytest.raises(PluginError, match=r"unreadable.*clumsy-plugin.*aezoo-clumsy.*another bug"):
        aezoo.data.open_data("unreadable")


@pytest.mark.parametrize(
    "options",
    [{"regularizers": ["l1=1"]}, {"corruption": "masking=0.5"}, {"likelihood": "laplace"}],
)
def test_a_model_that_leaves_a_shared_option_aside_is_refused(clumsy, options):
    assert len(build_model("aside", {"latent_dim": 2}, TABLE).regularizers) == 0
    with pytest.raises(PluginError, match=rf"aside.*aezoo-clumsy.*{next(iter(options))}"):
        build_model("aside", {"latent_dim": 2, **options}, TABLE)


def test_an_option_that_training_has_too_is_refused_when_it_is_registered():
    class Plugin:
        @aezoo.hookimpl
        def aezoo_models(self):
            yield aezoo.Model("moving", MomentumConfig, build_aside)

    with pytest.raises(PluginError, match=r"moving.*momentum"):
        registry.register(Plugin(), "moving")


def test_a_checkpoint_names_the_distribution_of_a_part_that_is_gone(clumsy, tmp_path):
    class Plugin:
        @aezoo.hookimpl
        def aezoo_regularizers(self):
            yield aezoo.Part("size", Size)

    plugin = registry.plugins.register(Plugin(), "size-plugin", "aezoo-size")
    aezoo.train("vae", "digits", out=tmp_path / "run", epochs=1, regularizers=["size=0.1"], hidden=[4])
    assert aezoo.load(tmp_path / "run") is not None
    registry.plugins.manager.unregister(plugin.module)
    registry.plugins._found.remove(plugin)
    with pytest.raises(aezoo.errors.CheckpointError, match="pip install aezoo-size"):
        aezoo.load(tmp_path / "run")
