"""One contract that every registered model keeps; third-party models are held to it by the same test."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import aezoo
from aezoo import registry
from aezoo.data import Dataset, open_data
from aezoo.training import TrainConfig, Trainer, build_model

MODELS = sorted(registry.models)


def small(name):
    """Options that make a model small."""
    return {"latent_dim": 8, "hidden": [8]} | ({"k": 4} if "k" in registry.models[name].config.model_fields else {})


# another value for each option that models share; a model's own are derived from their types
OTHER = {
    "latent_dim": 9,
    "hidden": [7],
    "activation": "tanh",
    "network": "mlp,norm=layer",
    "likelihood": "laplace",
    "corruption": "masking=0.6",
    "regularizers": ["l1=0.3"],
    "preprocess": "standardize",
    "code_activation": "softplus",
    "prior": "laplace",
    "estimator": "sampled",
    "gradient": "score-function",
    "k": 3,
    "projections": 2,
    "decay": 0.5,
    "restart": 0.99,
}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = open_data("digits")
    return Dataset(whole.x[:200], whole.labels[:200], spec=whole.spec)


def trained(name, digits, options, seed=0, epochs=1):
    torch.manual_seed(seed)
    model = build_model(name, {**small(name), **options}, digits.spec)
    trainer = Trainer(model, digits.split(), TrainConfig(epochs=epochs, seed=seed, batch_size=32, lr=3e-3))
    return model, trainer.fit()


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", MODELS)
def test_the_loss_falls_and_every_parameter_moves(name, digits):
    torch.manual_seed(0)
    model = build_model(name, small(name), digits.spec)
    before = state(model)
    history = Trainer(model, digits.split(), TrainConfig(epochs=12, batch_size=32, lr=3e-3)).fit()
    assert history[-1]["loss"] < history[0]["loss"]
    for parameter in dict(model.named_parameters()):
        assert not torch.equal(before[parameter], model.state_dict()[parameter]), parameter


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_bits_and_another_seed_others(name, digits):
    first, again, other = (trained(name, digits, {}, seed)[0] for seed in (0, 0, 1))
    assert same(state(first), state(again))
    assert not same(state(first), state(other))


@pytest.mark.parametrize("name", MODELS)
def test_saved_and_loaded_it_gives_the_same_bits(name, tmp_path):
    run = aezoo.train(name, "digits", out=tmp_path / "run", epochs=1, **small(name))
    loaded = aezoo.load(tmp_path / "run")
    x = run.splits.test.rows().numpy()
    for method in ("encode", "reconstruct", "score"):
        ours, theirs = getattr(run.model, method)(x), getattr(loaded, method)(x)
        assert np.array_equal(ours, theirs), method
    assert loaded.capabilities == run.model.capabilities


@pytest.mark.parametrize("name", MODELS)
def test_codes_scores_and_reconstructions_do_not_depend_on_call_batch_or_neighbours(name, digits):
    model, _ = trained(name, digits, {})
    x = digits.x[:20]
    for method in ("encode", "reconstruct", "score"):
        apply = getattr(model, method)
        assert np.array_equal(apply(x), apply(x))
        one_by_one = np.stack([apply(row) for row in x])
        np.testing.assert_allclose(apply(x), one_by_one, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(apply(x, batch_size=7), apply(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_capabilities_are_true(name, digits):
    model, _ = trained(name, digits, {})
    assert set(model.capabilities) == set(registry.models[name].capabilities) - {"mass"}
    if "samples" in model.capabilities:
        samples = model.sample(9)
        assert samples.shape == (9, 1, 8, 8)
        assert torch.isfinite(samples).all()
    else:
        with pytest.raises(aezoo.errors.CapabilityError, match="sample"):
            model.sample(9)
    if "bound" in model.capabilities:
        likelihood, bound = (
            model.log_likelihood(digits.x[:50], draws=200).mean(),
            -model.score(digits.x[:50], draws=200).mean(),
        )
        assert math.isfinite(likelihood)
        # a discrete code has all its mass on one value, where both are the same
        assert likelihood == pytest.approx(bound) if "discrete" in model.capabilities else likelihood > bound
    else:
        with pytest.raises(aezoo.errors.CapabilityError, match="log_likelihood"):
            model.log_likelihood(digits.x[:5])


@pytest.mark.parametrize("name", MODELS)
def test_the_config_round_trips_and_the_entry_describes_itself(name):
    entry = registry.models[name]
    config = entry.config()
    assert entry.config.model_validate_json(config.model_dump_json()) == config
    assert entry.summary
    assert entry.references
    assert entry.family
    assert entry.distribution
    for field, option in entry.config.model_fields.items():
        assert option.description, field
    assert set(entry.schema["properties"]) == set(entry.config.model_fields)


def flips():
    for name in MODELS:
        for option, field in registry.models[name].config.model_fields.items():
            yield pytest.param(name, option, field.default, id=f"{name}-{option}")


def flipped(option, default):
    if option in OTHER:
        return OTHER[option]
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 2
    if isinstance(default, float):
        return default * 3
    raise AssertionError(f"the contract knows no other value for option {option!r} = {default!r}: add one to OTHER")


@pytest.mark.parametrize(("name", "option", "default"), list(flips()))
def test_every_option_changes_something(name, option, default, digits):
    if (name, option) == ("linear", "activation"):
        with pytest.raises(aezoo.errors.UsageError, match="linear"):
            trained(name, digits, {option: "tanh"})
        return
    before, history = trained(name, digits, {})
    after, changed = trained(name, digits, {option: flipped(option, default)})
    assert not same(state(before), state(after)) or history != changed, f"{option} of {name} changes nothing"


def test_every_option_of_training_changes_something(digits):
    def run(**options):
        torch.manual_seed(0)
        model = build_model("vae", small("vae"), digits.spec)
        values = {"epochs": 3, "batch_size": 32, **options}
        history = Trainer(model, digits.split(options.get("validation")), TrainConfig(**values)).fit()
        return state(model), history

    plain = run()
    others = {
        "epochs": 2, "batch_size": 16, "lr": 0.01, "optimizer": "sgd", "weight_decay": 0.5, "schedule": "cosine",
        "warmup": 5, "clip_norm": 1e-3, "precision": "bf16", "seed": 1, "validation": 30,
    }  # fmt: skip
    for option, value in others.items():
        found = run(**{option: value})
        assert not same(plain[0], found[0]) or plain[1] != found[1], option
    assert not same(run(optimizer="sgd")[0], run(optimizer="sgd", momentum=0.9)[0])
    assert not same(run(weight_decay=0.5)[0], run(weight_decay=0.5, optimizer="adamw")[0])
    assert len(run(lr=1.0, epochs=50, patience=1)[1]) < 50
    # tests/training/test_step.py compiles
    assert {*others, "momentum", "patience", "device", "compile"} == set(TrainConfig.model_fields)
