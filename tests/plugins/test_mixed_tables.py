"""Families on mixed tables: contraction along what the network sees, and corruptions that fit the columns."""

import numpy as np
import pytest
import torch

import aezoo
from aezoo.core.spec import Column, DataSpec
from aezoo.parts import build_part
from aezoo.training import build_model

SPEC = DataSpec(
    shape=(4,),
    columns=(
        Column(name="a", holes=True),
        Column(name="b", kind="category", levels=("x", "y", "z")),
        Column(name="c", kind="count"),
        Column(name="d", kind="date"),
    ),
)
X = torch.tensor([[0.5, 1.0, 3.0, -1.0], [torch.nan, 2.0, 0.0, 0.3], [1.5, 0.0, 7.0, 2.0]])


@pytest.mark.parametrize(
    "options",
    [
        {"network": "mlp,tied=true"},
        {"network": "mlp"},
        {"network": "mlp,norm=layer"},
        {"network": "mlp", "activation": "tanh", "hidden": (5, 4)},
    ],
)
def test_the_contraction_is_that_along_what_the_network_takes(options):
    torch.manual_seed(0)
    options = {"latent_dim": 3, "hidden": (5,), "projections": "exact", "likelihood": "table", **options}
    if "tied" in options["network"]:
        options["hidden"] = ()
    model = build_model("contractive", options, SPEC).double().eval()
    x = X.double()
    values = model.step(x).values
    found = model.regularizers["contraction"](x=x, encode=model.code, x_in=values["x_in"], q=values["q"])
    entry, *rest = model.encoder.network
    dense = entry(x)

    def code(row):
        for module in rest:
            row = module(row)
        return model.encoder.activation(row)[0]

    jacobians = [torch.autograd.functional.jacobian(code, row[None])[:, 0] for row in dense]
    wanted = torch.stack([jacobian.square().sum() for jacobian in jacobians])
    assert torch.allclose(found, wanted)
    assert wanted.min() > 0


def test_noise_is_added_to_numbers_and_dates_alone():
    noise = build_part("corruption", "gaussian=0.5", spec=SPEC)
    torch.manual_seed(0)
    seen = noise(X)
    assert torch.equal(seen[:, 1:3], X[:, 1:3])
    assert (seen[:, 3] != X[:, 3]).all()
    assert seen[1, 0].isnan()


@pytest.mark.parametrize("missing", ["zero", "mean", "learned", "channel"])
def test_masked_levels_are_missing(missing):
    mask = build_part("corruption", f"masking=0.5,missing={missing}", spec=SPEC)
    torch.manual_seed(0)
    x = X.nan_to_num().repeat(200, 1)
    seen = mask(x)
    for column in (1, 2):
        gone = seen[:, column].isnan()
        assert 0.4 < gone.float().mean() < 0.6
        assert torch.equal(seen[~gone, column], x[~gone, column])
    assert bool(seen[:, 3].isnan().any()) == (missing == "channel")


def test_swapped_values_are_those_of_the_same_column_in_other_rows():
    swap = build_part("corruption", "swap=0.3", spec=SPEC)
    torch.manual_seed(0)
    x = torch.arange(2000.0)[:, None] + torch.tensor([0.0, 10_000.0, 20_000.0])
    seen = swap(x)
    moved = seen != x
    assert 0.28 < moved.float().mean() < 0.32
    assert torch.equal((seen - x[:1]).remainder(10_000) < 2000, torch.ones_like(moved))
    assert torch.equal((seen // 10_000).long(), torch.tensor([0, 1, 2]).expand(2000, 3))
    # cells move apart from each other, from anywhere
    both = (moved[:, 0] & moved[:, 1]).float().mean()
    assert 0.06 < both < 0.12
    sources = seen[:, 0][moved[:, 0]]
    assert abs(float(sources.mean()) - 1000) < 60
    assert len(torch.unique(sources)) > 400
    assert torch.equal(swap(x[:1]), x[:1])


def test_denoising_gives_no_density_gradient_of_levels():
    assert "score-function" in build_model("denoising", {}, DataSpec(shape=(4,))).capabilities
    assert "score-function" not in build_model("denoising", {"likelihood": "table"}, SPEC).capabilities


def test_a_table_is_trained_to_the_same_bits_twice_and_after_a_resume(tmp_path):
    rng = np.random.default_rng(0)
    columns = {"a": rng.normal(size=200), "b": rng.choice(["x", "y", "z"], 200), "c": rng.poisson(3, 200)}
    lines = [
        "a,b,c",
        *(f"{a:.6f},{b},{'' if i % 5 == 0 else c}" for i, (a, b, c) in enumerate(zip(*columns.values(), strict=True))),
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines))
    options = {"corruption": "swap=0.2", "progress": False, "latent_dim": 3}
    whole = aezoo.train("denoising", path, epochs=4, out=tmp_path / "whole", **options)
    aezoo.train("denoising", path, epochs=2, out=tmp_path / "part", **options)
    again = aezoo.resume(tmp_path / "part", epochs=4, progress=False)
    for a, b in zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    loaded = aezoo.load(tmp_path / "whole")
    assert loaded.spec == whole.model.spec
    assert np.array_equal(loaded.score(whole.dataset.x), whole.model.score(whole.dataset.x))
