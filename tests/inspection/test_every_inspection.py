"""Every registered inspection, asked of a model of every family: it finds something, or says in one line why not."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import aezoo
from aezoo import registry
from aezoo.data import Dataset, open_data
from aezoo.errors import CapabilityError, CompositionError, DataError
from aezoo.inspection import Subject, look
from aezoo.training import build_model

MODELS = ("linear", "denoising", "contractive", "sparse", "vae", "vq-vae")
INSPECTIONS = sorted(registry.inspections)
SMALL = {"rows": 40, "draws": 4, "steps": 3, "repeats": 3, "points": 4, "count": 3}
# what a family is known for must not be among the refusals
FITS = {
    "linear": {"pca", "spectrum", "sparsity", "features", "plane", "interpolation", "traversal", "classes"},
    "denoising": {"spectrum", "tangents", "features", "plane", "interpolation", "traversal", "classes", "sparsity"},
    "contractive": {"spectrum", "tangents", "features", "sparsity", "plane", "classes"},
    "sparse": {"sparsity", "features", "spectrum", "pca"},
    "vae": {"likelihood", "estimators", "gradients", "gap", "variance", "dependence", "dimensions", "plane", "classes"},
    "vq-vae": {"codebook", "likelihood", "interpolation", "classes"},
}
REFUSED = {
    "linear": {"likelihood", "estimators", "gradients", "gap", "dependence", "dimensions", "codebook", "field"},
    "denoising": {"likelihood", "field", "codebook", "pca"},
    "contractive": {"likelihood", "gap", "field"},
    "sparse": {"likelihood", "dimensions"},
    "vae": {"field", "codebook", "sparsity", "pca"},
    "vq-vae": {"field", "spectrum", "gap", "dependence", "plane", "traversal"},
}


@pytest.fixture(scope="module")
def subjects():
    digits = open_data("digits")
    data = Dataset(digits.x[:300], digits.labels[:300], spec=digits.spec)
    return {
        name: Subject(run.model, run.splits, run.splits.test)
        for name in MODELS
        for run in [aezoo.train(name, data, epochs=3, latent_dim=4)]
    }


def ask(subject, name):
    known = registry.inspections[name].options.model_fields
    return look(subject, name, **{key: value for key, value in SMALL.items() if key in known})


def finite(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and finite(item) for key, item in value.items())
    if isinstance(value, list):
        return all(finite(item) for item in value)
    return value is None or isinstance(value, str | bool | int) or (type(value) is float and math.isfinite(value))


@pytest.mark.parametrize("inspection", INSPECTIONS)
@pytest.mark.parametrize("name", MODELS)
def test_it_finds_something_or_says_in_one_line_why_not(name, inspection, subjects):
    subject = subjects[name]
    subject.model.zero_grad()
    weights = {key: value.clone() for key, value in subject.model.state_dict().items()}
    torch.manual_seed(5)
    found, refusal = None, ""
    try:
        found = ask(subject, inspection)
    except (CapabilityError, CompositionError, DataError) as error:
        refusal = str(error)
    if found is None:
        assert inspection not in FITS[name], refusal
        assert any(word in refusal for word in ("use", "train", "needs", "give")), refusal
    else:
        assert inspection not in REFUSED[name]
        assert found.figures
        assert finite(found.figures), found.figures
        json.dumps(found.figures, allow_nan=False)
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3)), "the caller's stream was moved"
    assert all(torch.equal(weights[key], value) for key, value in subject.model.state_dict().items())
    assert all(p.grad is None for p in subject.model.parameters()), "gradients were left behind"
    if found is not None:
        again = ask(subject, inspection)
        assert json.dumps(again.figures) == json.dumps(found.figures), "two calls differ"
        if found.picture is not None:
            found.picture.canvas.draw()
            assert np.ptp(np.asarray(found.picture.canvas.buffer_rgba())) > 0


def test_what_is_asked_in_vain():
    digits = open_data("digits")
    small = Dataset(digits.x[:60], digits.labels[:60], spec=digits.spec)
    bare = Dataset(digits.x[:60], spec=digits.spec)
    splits = small.split()

    def subject(name, data=splits, **options):
        return Subject(build_model(name, options, digits.spec), data, data.test)

    for name, wanted, words in (
        (subject("vae", latent_dim=1), "plane", "two values a code"),
        (subject("undercomplete"), "likelihood", "vae"),
        (subject("undercomplete", network="mlp,norm=batch"), "spectrum", "norm=layer or none"),
        (subject("undercomplete", network="mlp,norm=batch"), "tangents", "batch normalisation"),
        (subject("vae", bare.split()), "classes", "label"),
        (subject("denoising"), "field", "two"),
        (subject("undercomplete"), "pca", "linear"),
        (subject("vae", prior="mixture"), "dependence", "prior normal"),
        (subject("vae", likelihood="bernoulli"), "variance", "gaussian"),
    ):
        with pytest.raises((CapabilityError, DataError), match=words):
            ask(name, wanted)
