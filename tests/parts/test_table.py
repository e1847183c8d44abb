"""The likelihood of a mixed table, beside scipy's distributions and formulas written out."""

import numpy as np
import pytest
import torch
from scipy import stats

import aezoo
from aezoo.core.spec import Column, DataSpec
from aezoo.errors import CompositionError
from aezoo.parts import ColumnInput, Table, by_value, expected, residual
from aezoo.training import build_model

COLUMNS = (
    Column(name="height"),
    Column(name="colour", kind="category", levels=("blue", "green", "red")),
    Column(name="visits", kind="count"),
    Column(name="member", kind="binary", levels=("no", "yes")),
    Column(name="size", kind="ordinal", levels=("S", "M", "L", "XL")),
    Column(name="joined", kind="date"),
    Column(name="shape", kind="category", levels=tuple("abcdefghij")),
)
SPEC = DataSpec(shape=(7,), columns=COLUMNS)
WIDTHS = (1, 3, 1, 1, 1, 1, 10)
ROWS = torch.tensor(
    [[0.3, 2.0, 4.0, 1.0, 0.0, -1.5, 9.0], [-1.0, 0.0, 0.0, 0.0, 3.0, 0.2, 0.0], [2.0, 1.0, 40.0, 1.0, 2.0, 0.0, 4.0]],
    dtype=torch.float64,
)


def parts(likelihood, seed=0):
    """Outputs (1, 3, 18) and their distribution, with parameters moved off their start."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in likelihood.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    output = torch.randn(1, 3, likelihood.outputs.size, dtype=torch.float64)
    return output, likelihood(output)


def of_kind(likelihood, name):
    return next(kind for kind in likelihood.kinds if name in type(kind).__name__.lower())


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.mark.parametrize("counts", ["negative-binomial", "poisson", "zero-inflated"])
@pytest.mark.parametrize("numbers", ["gaussian", "laplace", "student"])
def test_each_column_is_what_scipy_says(numbers, counts):
    likelihood = Table(SPEC, numbers=numbers, counts=counts, min_log_scale=-2.0).double()
    output, px = parts(likelihood)
    out, x = output[0].numpy(), ROWS.numpy()
    found = px.by_column(ROWS)[0].detach().numpy()
    starts = np.cumsum((0, *WIDTHS))[:-1]

    scale = np.exp(-2 + softplus(of_kind(likelihood, "numeric").log_scale.detach().numpy() + 2))
    law = {"gaussian": stats.norm, "laplace": stats.laplace, "student": lambda loc, s: stats.t(3, loc, s)}[numbers]
    for place, column in enumerate((0, 5)):
        assert found[:, column] == pytest.approx(law(out[:, starts[column]], scale[place]).logpdf(x[:, column]))

    mean = np.exp(out[:, starts[2]])
    if counts == "poisson":
        wanted = stats.poisson(mean).pmf(x[:, 2])
    else:
        r = np.exp(of_kind(likelihood, "counted").log_dispersion.detach().numpy()[0])
        law = stats.nbinom(r, r / (r + mean))
        assert law.var() == pytest.approx(mean + mean**2 / r)
        wanted = law.pmf(x[:, 2])
        if counts == "zero-inflated":
            zero = 1 / (1 + np.exp(-of_kind(likelihood, "counted").zero_logit.detach().numpy()[0]))
            wanted = (1 - zero) * wanted + zero * (x[:, 2] == 0)
    assert np.exp(found[:, 2]) == pytest.approx(wanted)

    assert np.exp(found[:, 3]) == pytest.approx(stats.bernoulli(1 / (1 + np.exp(-out[:, starts[3]]))).pmf(x[:, 3]))
    for column in (1, 6):
        logits = out[:, starts[column] : starts[column] + WIDTHS[column]]
        odds = np.exp(logits)
        wanted = odds[np.arange(3), x[:, column].astype(int)] / odds.sum(1)
        assert np.exp(found[:, column]) == pytest.approx(wanted)

    cuts = np.cumsum(softplus(of_kind(likelihood, "ordinal").cuts.detach().numpy()[0])) - 1.5
    upto = 1 / (1 + np.exp(-(cuts - out[:, starts[4], None])))
    chances = np.diff(np.concatenate([np.zeros((3, 1)), upto, np.ones((3, 1))], axis=1), axis=1)
    assert np.exp(found[:, 4]) == pytest.approx(chances[np.arange(3), x[:, 4].astype(int)])
    assert px.log_prob(ROWS)[0].detach().numpy() == pytest.approx(found.sum(1))


def test_chances_of_levels_sum_to_one():
    _, px = parts(Table(SPEC).double())
    for column, levels in ((1, 3), (3, 2), (4, 4), (6, 10)):
        total = torch.zeros(1, 3, dtype=torch.float64)
        for level in range(levels):
            rows = ROWS.clone()
            rows[:, column] = level
            total += px.by_column(rows)[..., column].exp()
        assert torch.allclose(total, torch.ones_like(total))


def test_weights_are_of_columns_by_name():
    likelihood = Table(SPEC, weights={"visits": 3.0, "size": 0.0}).double()
    output, px = parts(likelihood)
    plain = Table(SPEC).double()
    plain.load_state_dict(likelihood.state_dict())
    wanted = plain(output).by_column(ROWS) * torch.tensor([1.0, 1.0, 3.0, 1.0, 0.0, 1.0, 1.0])
    assert torch.allclose(px.by_column(ROWS), wanted)
    assert torch.allclose(px.log_prob(ROWS), wanted.sum(-1))
    with pytest.raises(CompositionError, match="a weight for 'visit', which is no column"):
        Table(SPEC, weights={"visit": 1.0})
    assert Table(DataSpec(shape=(2,)), weights={"0": 2.0}).capabilities == ()
    built = aezoo.parts.build_part("likelihood", "table,weights=visits:3;size:0", spec=SPEC)
    assert built.weight.tolist() == [1, 1, 3, 1, 0, 1, 1]
    for bad in ("visits", "visits:-1", "visits:x"):
        with pytest.raises(aezoo.errors.UsageError, match="weights"):
            aezoo.parts.build_part("likelihood", f"table,weights={bad}", spec=SPEC)


def test_missing_values_add_nothing_and_leave_finite_gradients():
    likelihood = Table(SPEC).double()
    output, _ = parts(likelihood)
    output.requires_grad_()
    holed = ROWS.clone()
    holed[0, 0] = holed[1, 1] = holed[1, 2] = holed[2, 4] = holed[2, 6] = torch.nan
    px = likelihood(output)
    each = px.by_column(holed)
    whole = px.by_column(ROWS)
    assert torch.equal(each, whole.masked_fill(holed.isnan(), 0.0))
    px.log_prob(holed).sum().backward()
    assert output.grad.isfinite().all()
    # of a row without any value nothing is learned
    alone = output.detach().clone().requires_grad_()
    likelihood(alone).log_prob(torch.full_like(ROWS, torch.nan)).sum().backward()
    assert not alone.grad.any()


def test_draws_and_means_are_those_of_the_distribution():
    likelihood = Table(SPEC, counts="zero-inflated").double()
    _, px = parts(likelihood)
    torch.manual_seed(1)
    drawn = px.sample((20_000,))[:, 0]
    assert px.sample().shape == (1, 3, 7)
    dense = likelihood.entry.dense(drawn).mean(0)
    keep = [i for i, name in enumerate(likelihood.entry.names) if name != "visits"]
    assert torch.allclose(dense[:, keep], expected(px)[0][:, keep].detach(), atol=0.05)
    assert torch.allclose(drawn[..., 2].mean(0), px.mean[0, :, 2], rtol=0.05)
    for column, levels in ((1, 3), (4, 4), (6, 10)):
        rows = [ROWS.index_fill(1, torch.tensor([column]), float(level)) for level in range(levels)]
        chances = torch.stack([px.by_column(row)[0, :, column] for row in rows])
        assert torch.equal(px.mean[0, :, column], chances.argmax(0).double())


def test_numbers_alone_are_a_gaussian_with_a_scale_for_each_column():
    spec = DataSpec(shape=(4,))
    table = Table(spec, min_log_scale=-6.0)
    gaussian = aezoo.parts.Gaussian(spec, scale="per-dimension")
    x, output = torch.randn(5, 4), torch.randn(2, 5, 4)
    assert torch.allclose(table(output).log_prob(x), gaussian(output).log_prob(x), atol=1e-5)
    assert torch.allclose(residual(x, table(output)), x - output)


def test_what_a_network_takes_of_a_row():
    columns = (
        Column(name="a", holes=True),
        Column(name="b", kind="category", levels=("x", "y", "z")),
        Column(name="c", kind="count", holes=True),
        Column(name="d", kind="ordinal", levels=("s", "m", "l")),
        Column(name="e", kind="binary", levels=("n", "y")),
    )
    entry = ColumnInput(DataSpec(shape=(5,), columns=columns))
    nan = torch.nan
    seen = entry(torch.tensor([[0.5, 2.0, np.e - 1, 2.0, 1.0], [nan, nan, nan, nan, nan]]))
    assert torch.allclose(seen[0], torch.tensor([0.5, 0, 0, 1, 1, 1, 1, 0, 0]))
    assert seen[1].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert entry.names == ("a", "b=x", "b=y", "b=z", "c", "d", "e")
    assert ColumnInput(DataSpec(shape=(5,), columns=columns), masks=True)(torch.zeros(1, 5)).shape == (1, 12)


def test_other_likelihoods_and_shapes_are_refused():
    holes = SPEC.model_copy(update={"columns": (*COLUMNS[:6], COLUMNS[6].model_copy(update={"holes": True}))})
    for spec, what in ((SPEC, "columns that are no numbers"), (holes, "missing values")):
        with pytest.raises(
            CompositionError, match=f"has {what}, of which likelihood Gaussian knows nothing: use --like"
        ):
            build_model("undercomplete", {}, spec)
    with pytest.raises(CompositionError, match="likelihood table needs a table"):
        build_model("vae", {"likelihood": "table"}, DataSpec(shape=(1, 8, 8)))
    with pytest.raises(CompositionError, match="network conv needs images"):
        build_model("vae", {"likelihood": "table", "network": "conv"}, SPEC)


@pytest.mark.parametrize(
    ("kind", "levels", "message"),
    [
        ("binary", ("a",), "a binary column has two levels"),
        ("binary", ("a", "b", "c"), "a binary column has two levels"),
        ("ordinal", ("a",), "2 or more levels"),
        ("category", (), "1 or more levels"),
        ("number", ("a", "b"), "a number column has no levels"),
        ("category", ("a", "a"), "differ from each other"),
    ],
)
def test_columns_that_contradict_themselves(kind, levels, message):
    with pytest.raises(ValueError, match=message):
        Column(name="a", kind=kind, levels=levels)


@pytest.mark.parametrize("name", list(aezoo.registry.likelihoods))
def test_values_by_themselves_sum_to_the_density(name):
    specs = {"table": SPEC, "counts": DataSpec(shape=(7,))}
    spec = specs.get(name, DataSpec(shape=(2, 3, 2), low=0.0, high=1.0, levels=2))
    likelihood = aezoo.parts.build_part("likelihood", name, spec=spec)
    output = torch.randn(2, 3, likelihood.outputs.size)
    x = {"table": ROWS.float(), "counts": ROWS.abs().ceil().float()}.get(
        name, torch.randint(0, 2, (3, 2, 3, 2)).float()
    )
    px = likelihood(output)
    each = by_value(px, x)
    assert each.shape == (2, *x.shape)
    assert torch.allclose(each.flatten(2).sum(2), px.log_prob(x), rtol=1e-5)


@pytest.mark.parametrize("scale", ["shared", "per-dimension", "per-example", "per-value", "optimal"])
def test_values_by_themselves_with_every_scale(scale):
    spec = DataSpec(shape=(5,))
    likelihood = aezoo.parts.Gaussian(spec, scale).eval()
    px = likelihood(torch.randn(2, 3, likelihood.outputs.size))
    x = torch.randn(3, 5)
    each = by_value(px, x)
    wanted = torch.distributions.Normal(px.mean, px.scale).log_prob(x)
    assert torch.allclose(each, wanted, rtol=1e-4, atol=1e-5)
    assert by_value(torch.distributions.Independent(torch.distributions.Normal(px.mean, 1.0), 1), x).shape == (2, 3, 5)
    assert by_value(torch.distributions.MultivariateNormal(torch.zeros(5), torch.eye(5)), x) is None


def test_the_importance_weighted_bound_with_holes_is_that_of_what_is_there():
    """MIWAE, Mattei & Frellsen 2019: log 1/K Σ p(observed | z_k)·p(z_k)/q(z_k | x)."""
    holes = tuple(column.model_copy(update={"holes": True}) for column in COLUMNS)
    spec = DataSpec(shape=(7,), columns=holes)
    model = build_model("iwae", {"likelihood": "table", "latent_dim": 2, "kl_warmup": 0, "draws": 5}, spec).double()
    holed = ROWS.clone()
    holed[0, 0] = holed[1, 1:4] = holed[2, 6] = torch.nan
    torch.manual_seed(0)
    loss = model.step(holed, None).loss
    torch.manual_seed(0)
    q = model.encoder(holed)
    z = aezoo.parts.draw(q, 5)
    px = model.decoder(z)
    density = torch.stack([px.by_column(ROWS)[:, row, ~holed[row].isnan()].sum(-1) for row in range(3)], dim=1)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    posterior = torch.distributions.Normal(q.loc, q.scale).log_prob(z).sum(-1)
    wanted = -((density + prior - posterior).logsumexp(0) - np.log(5)).mean()
    assert torch.allclose(loss, wanted)


@pytest.mark.parametrize(
    "model",
    [
        "undercomplete",
        "contractive",
        "denoising",
        "vae",
        "iwae",
        "vq-vae",
        "topk",
        "jumprelu",
        "sparse-kl",
        "bernoulli-vae",
    ],
)
def test_every_family_learns_a_mixed_table_with_holes(model):
    holes = tuple(column.model_copy(update={"holes": True}) for column in COLUMNS)
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 300)
    x = np.stack(
        [
            kind + 0.1 * rng.normal(size=300),
            2 * kind,
            rng.poisson(1 + 9 * kind),
            kind,
            3 * kind,
            1e9 + 1e6 * kind,
            9 * kind,
        ],
        axis=1,
    ).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    data = aezoo.Dataset(x, spec=DataSpec(shape=(7,), columns=holes))
    size = {"latent_dim": 16} if model == "topk" else {"latent_dim": 4}
    first, last = (aezoo.train(model, data, epochs=n, progress=False, **size).results for n in (1, 30))
    assert last["reconstruction"] < first["reconstruction"]
    assert all(np.isfinite(value) for value in last.values())
    assert last["squared_error"] < 0.6 * first["squared_error"] or model in ("jumprelu", "sparse-kl", "iwae")
