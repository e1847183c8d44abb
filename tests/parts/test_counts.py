"""The likelihood of counts given their sum, beside scipy and torch."""

import numpy as np
import pytest
import torch
from scipy import stats

import aezoo
from aezoo.core.spec import Column, DataSpec
from aezoo.errors import CompositionError
from aezoo.parts import Counts, by_value

SPEC = DataSpec(shape=(5,))
X = torch.tensor([[0.0, 3.0, 1.0, 0.0, 6.0], [10.0, 0.0, 0.0, 2.0, 8.0]], dtype=torch.float64)


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("law", ["negative-binomial", "poisson", "zero-inflated"])
def test_each_count_is_what_scipy_says(law, library):
    torch.manual_seed(0)
    likelihood = Counts(SPEC, law=law, library=library).double()
    with torch.no_grad():
        for parameter in likelihood.parameters():
            parameter.add_(torch.randn_like(parameter))
    output = torch.randn(3, 2, likelihood.outputs.size, dtype=torch.float64)
    px = likelihood(output)
    found = by_value(px, X)
    values = output[..., :5].numpy()
    if library:
        share = np.exp(values) / np.exp(values).sum(-1, keepdims=True)
        mean = X.numpy().sum(1)[:, None] * share
    else:
        mean = np.exp(values)
    if law == "poisson":
        wanted = stats.poisson(mean).pmf(X)
    else:
        r = np.exp(likelihood.log_dispersion.detach().numpy())
        wanted = stats.nbinom(r, r / (r + mean)).pmf(X)
        # torch's own parameters of the same
        same = torch.distributions.NegativeBinomial(torch.tensor(r), logits=torch.tensor(np.log(mean) - np.log(r)))
        assert np.allclose(same.log_prob(X).exp(), wanted)
        assert np.allclose(same.mean, mean)
        if law == "zero-inflated":
            zero = 1 / (1 + np.exp(-output[..., 5:].numpy()))
            wanted = (1 - zero) * wanted + zero * (X.numpy() == 0)
    assert np.allclose(found.exp().detach(), wanted)
    assert np.allclose(px.log_prob(X).detach(), np.log(wanted).sum(-1))


def test_the_slope_of_the_dispersion_is_torchs():
    from aezoo.parts.counts import digamma

    x = torch.logspace(-4, 5, 500, dtype=torch.float64)
    assert torch.allclose(digamma(x), torch.digamma(x), rtol=1e-8, atol=1e-9)
    likelihood = Counts(SPEC).double()
    output = torch.randn(1, 2, 5, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        likelihood.log_dispersion.normal_()

    def density(log_dispersion, output):
        found = torch.func.functional_call(likelihood, {"log_dispersion": log_dispersion}, (output,))
        return found.log_prob(X)

    # against differences, once and twice
    assert torch.autograd.gradcheck(density, (likelihood.log_dispersion, output))
    assert torch.autograd.gradgradcheck(density, (likelihood.log_dispersion, output))


def test_means_are_of_rows_of_the_usual_sum():
    torch.manual_seed(0)
    likelihood = Counts(SPEC).double()
    output = torch.randn(1, 2, 5, dtype=torch.float64)
    for _ in range(3):
        likelihood(output).log_prob(X)
    usual = float(X.sum(1).log().mean().exp())
    likelihood.eval()
    px = likelihood(output)
    assert px.mean.sum(-1).detach().numpy() == pytest.approx(usual, rel=1e-6)
    torch.manual_seed(1)
    drawn = px.sample((20_000,))
    assert torch.allclose(drawn.mean(0), px.mean, rtol=0.1)
    variance = px.mean + px.mean.square() / likelihood.log_dispersion.exp()
    assert torch.allclose(drawn.var(0), variance, rtol=0.15)
    # and what is measured is not remembered
    likelihood(output).log_prob(100 * X)
    assert torch.equal(likelihood(output).mean, px.mean)


def test_other_data_is_refused():
    mixed = DataSpec(shape=(2,), columns=(Column(name="a", kind="count"), Column(name="b")))
    for spec, what in (
        (DataSpec(shape=(1, 8, 8)), "shape"),
        (mixed, "column 'b'"),
        (DataSpec(shape=(1,)), "one column"),
    ):
        with pytest.raises(CompositionError, match=what):
            Counts(spec)
    with pytest.raises(CompositionError, match="knows of no missing values"):
        aezoo.assemble(aezoo.ModelConfig(likelihood="counts", corruption="masking=0.2,missing=channel"), SPEC)


def test_a_model_of_counts_finds_their_shares():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 500)
    share = np.array([[0.4, 0.3, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.3, 0.4]])
    sums = rng.lognormal(5, 0.5, 500).astype(int)
    x = np.stack([rng.multinomial(n, share[k]) for n, k in zip(sums, kind, strict=True)]).astype(float)
    columns = tuple(Column(name=f"g{i}", kind="count") for i in range(5))
    data = aezoo.Dataset(x, spec=DataSpec(shape=(5,), columns=columns, scaling="none"))
    run = aezoo.train("vae", data, likelihood="counts", latent_dim=2, epochs=60, progress=False)
    back = run.model.reconstruct(x)
    found = np.stack([(back[kind == k] / back[kind == k].sum(1, keepdims=True)).mean(0) for k in (0, 1)])
    assert np.allclose(found, share, atol=0.03)
    # the best that can be told of a row given its sum and its kind
    best = np.mean([stats.multinomial(n, share[k]).logpmf(row) for row, n, k in zip(x, sums, kind, strict=True)])
    assert run.results["neg_elbo"] < -best + 8
