"""Families compose: registered parts, in all the combinations that make sense, train."""

import itertools
import math

import pytest
import torch

from aezoo import registry
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import CompositionError
from aezoo.training import TrainConfig, Trainer, build_model

SPEC = DataSpec(shape=(1, 3, 4), low=0.0, high=4.0, levels=5, scaling="scale")
TABLE = DataSpec(shape=(6,))
SMALL = {"latent_dim": 4, "hidden": (5,)}
NETWORKS = ("mlp", "mlp,tied=true", "mlp,norm=layer,dropout=0.1", "mlp,norm=batch", "conv")


def trained(name, options, spec=SPEC, rows=20, **config):
    """The metrics of two steps of training, and the model."""
    torch.manual_seed(0)
    model = build_model(name, {**SMALL, **options}, spec)
    before = [p.detach().clone() for p in model.own_parameters()]
    levels = (spec.levels or 100) - 1
    x = torch.randint(0, levels + 1, (rows, *spec.shape), generator=torch.Generator().manual_seed(0))
    splits = Dataset(x.double(), spec=spec).split(validation=0)
    trainer = Trainer(model, splits, TrainConfig(epochs=1, batch_size=8, device="cpu", **config))
    (metrics,) = trainer.fit()
    assert metrics["step"] == 2
    assert all(math.isfinite(value) for value in metrics.values())
    moved = [not torch.equal(a, b) for a, b in zip(before, model.own_parameters(), strict=True)]
    assert any(moved)
    return metrics, model


def suitable(names):
    """A model, and options, under which the regularizers of these names make sense; None where they cannot."""
    if len({"kl", "firing-rate", "l0"} & set(names)) > 1 or {"kl", "aux-k"} <= set(names):
        return None
    if "kl" in names:
        return "vae", {"kl_warmup": 0}
    return "undercomplete", {"code_activation": "jumprelu" if "l0" in names else "sigmoid"}


@pytest.mark.parametrize("pair", list(itertools.combinations(registry.regularizers, 2)), ids="+".join)
def test_any_two_regularizers_train_together(pair):
    options = {"regularizers": [f"{name}=0.1" for name in pair]}
    found = suitable(pair)
    if found is None:
        with pytest.raises(CompositionError):
            build_model("vae", {**SMALL, **options}, SPEC)
        return
    name, more = found
    metrics, model = trained(name, {**options, **more})
    own = ["kl"] if name == "vae" else []
    assert list(model.regularizers) == [*own, *(f"{n}-2" if n in own else n for n in pair)]
    assert set(model.regularizers) <= set(metrics)
    weighed = sum(model.weights[n] * metrics[n] for n in model.regularizers)
    assert metrics["loss"] == pytest.approx(metrics["reconstruction"] + weighed, rel=1e-5)


@pytest.mark.parametrize("likelihood", registry.likelihoods)
@pytest.mark.parametrize("corruption", registry.corruptions)
def test_every_corruption_trains_with_every_likelihood(corruption, likelihood):
    spec = SPEC.model_copy(update={"shape": (12,)}) if likelihood in ("table", "counts") else SPEC
    _, model = trained("vae", {"corruption": corruption, "likelihood": likelihood}, spec)
    assert model.sample(3).shape == (3, *spec.shape)
    assert model.reconstruct(torch.zeros(2, *spec.shape)).isfinite().all()


def fits(name, network):
    """Whether a model takes a network; that the others are refused is tested with the families."""
    if "tied" in network:
        return name not in ("vae", "beta-vae", "iwae", "sparse", "sparse-l1")
    return not ("norm=batch" in network and name == "contractive")


PAIRS = [pair for pair in itertools.product(registry.models, NETWORKS) if fits(*pair)]


@pytest.mark.parametrize(("name", "network"), PAIRS)
def test_every_model_trains_with_every_network(name, network):
    trained(name, {"network": network} | ({"k": 2} if "topk" in name else {}))


OF_CODES = {"bernoulli": "bernoulli-vae", "categorical": "categorical-vae"}


@pytest.mark.parametrize("prior", registry.priors)
@pytest.mark.parametrize("scale", ["unit", "shared", "per-dimension", "per-example", "per-value"])
def test_every_prior_trains_with_every_scale(prior, scale):
    trained(OF_CODES.get(prior, "iwae"), {"prior": prior, "likelihood": f"laplace={scale}"}, TABLE)


@pytest.mark.parametrize("activation", registry.activations)
def test_every_activation_trains_in_the_hidden_layers_and_on_the_code(activation):
    text = f"{activation}=2" if "topk" in activation else activation
    hidden = "relu" if activation == "jumprelu" else text  # which has a threshold for each value of the code
    trained("undercomplete", {"activation": hidden, "code_activation": text, "regularizers": "contraction=0.1"})


@pytest.mark.parametrize("preprocess", ["auto", "none", "scale", "standardize", "minmax"])
def test_every_preprocessing_trains(preprocess):
    _, model = trained("undercomplete", {"preprocess": preprocess})
    assert model.preprocess.kind == ("scale" if preprocess == "auto" else preprocess)


def test_three_families_compose():
    options = {"latent_dim": 9, "code_activation": "topk=4", "corruption": "masking=0.3"}
    metrics, model = trained("contractive", options)
    assert metrics["contraction"] > 0
    assert (model.encode(torch.rand(50, 1, 3, 4) * 4) != 0).sum(1).max() <= 4
    assert type(model.corruption).__name__ == "Masking"


def test_a_part_given_twice_counts_twice():
    once, _ = trained("undercomplete", {"regularizers": ["l1=0.2"]})
    twice, model = trained("undercomplete", {"regularizers": ["l1=0.1", "l1=0.1"]})
    assert list(model.regularizers) == ["l1", "l1-2"]
    assert twice["loss"] == pytest.approx(once["loss"])


@pytest.mark.parametrize("config", [{"optimizer": "sgd"}, {"optimizer": "adamw"}, {"clip_norm": 0.1}])
@pytest.mark.parametrize("name", ["contractive", "vae"])
def test_every_optimizer_trains(name, config):
    trained(name, {}, **config)
