"""Gradients by reparameterisation and by the score function: one expectation, other variances; training by either."""

import itertools
import math

import numpy as np
import pytest
import torch
from linear_gaussian import LinearGaussian, drawn
from torch import nn

import aezoo
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import CapabilityError, CompositionError, UsageError
from aezoo.evaluation import evidence_bound, gradient_spreads
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import KL, Decoder, Encoder, Gaussian, PointEncoder, Prior, Regularizer, Weighted, score_function
from aezoo.parts.distributions import Bernoulli

D, BITS = 5, 3
SPEC = DataSpec(shape=(D,), scaling="none")
WRONG = {"shift": 0.5, "stretch": 0.3, "rows": 50}


class BernoulliEncoder(Encoder):
    """Codes of independent bits: their draws carry no gradient."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return Bernoulli(self.network(x), 1)


class FairBits(Prior):
    def __init__(self, size):
        super().__init__()
        self.register_buffer("logits", torch.zeros(size), persistent=False)

    def forward(self, encode=None):
        return Bernoulli(self.logits, 1)


def bits(draws=1, gradient="score-function", **options):
    torch.manual_seed(0)
    encoder = BernoulliEncoder(nn.Linear(D, BITS))
    options = {"prior": FairBits(BITS), "regularizers": [Weighted("kl", KL(), 0.7)]} | options
    decoder = Decoder(nn.Linear(BITS, D), Gaussian(SPEC, "shared"))
    return Autoencoder(encoder, decoder, spec=SPEC, draws=draws, gradient=gradient, **options).double()


def exact_loss(model, x):
    """The objective of a model of bits with every code weighed by its probability."""
    q, p = model.encoder(x), model.prior_distribution()
    codes = torch.tensor(list(itertools.product([0.0, 1.0], repeat=BITS)), dtype=x.dtype)
    z = codes[:, None].expand(-1, len(x), -1)
    weight = q.log_prob(z).exp()
    kl = (weight * (q.log_prob(z) - p.log_prob(z))).sum(0)
    return ((weight * -model.decoder(z).log_prob(x)).sum(0) + 0.7 * kl).mean()


def gradients(loss, parameters):
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)])


@pytest.mark.parametrize("estimator", ["auto", "sampled"])
@pytest.mark.parametrize("draws", [1, 2, 5])
def test_the_mean_gradient_of_training_is_the_exact_one_by_enumeration(draws, estimator):
    model = bits(draws, regularizers=[Weighted("kl", KL(estimator), 0.7)])
    x = drawn(4, D, seed=1)
    parameters = list(model.parameters())
    exact = gradients(exact_loss(model, x), parameters)
    torch.manual_seed(1)
    found = torch.stack([gradients(model.step(x.repeat(200, 1)).loss, parameters) for _ in range(50)])
    error = found.std(0) / math.sqrt(len(found))
    assert (error[: D * BITS] > 0).all()
    assert ((found.mean(0) - exact).abs() < 4 * error + 1e-12).all()


@pytest.mark.parametrize(("draws", "rows"), [(4, 3), (1, 3), (1, 1)])
def test_the_baseline_is_the_mean_of_the_rows_other_draws_or_else_of_the_other_rows(draws, rows):
    error = drawn(draws, rows)
    logits = drawn(rows, BITS, seed=1).requires_grad_()
    q = Bernoulli(logits, 1)
    z = (drawn(draws, rows, BITS, seed=2) > 0).double()
    total = 0.0
    for k, b in itertools.product(range(draws), range(rows)):
        others = [error[j, b] for j in range(draws) if j != k] or [error[k, c] for c in range(rows) if c != b]
        total += (error[k, b] - (sum(others) / len(others) if others else 0)) * q.log_prob(z)[k, b]
    truth = gradients(total / (draws * rows), [logits])
    term = score_function(error, q, z)
    assert term.item() == 0
    torch.testing.assert_close(gradients(term, [logits]), truth, rtol=1e-12, atol=1e-12)


def test_the_loss_itself_stays_the_objective():
    model = bits(draws=3)
    x = drawn(4, D, seed=1)
    outcome = model.step(x)
    assert outcome.loss.item() == pytest.approx(
        (outcome.terms["reconstruction"] + 0.7 * outcome.terms["kl"]).item(), abs=1e-12
    )


def test_a_posterior_that_cannot_be_reparameterised_learns():
    torch.manual_seed(0)
    codes = torch.tensor(list(itertools.product([0.0, 1.0], repeat=BITS)))
    x = (codes[torch.randint(8, (400,))] @ torch.randn(BITS, D) + 0.1 * torch.randn(400, D)).numpy()

    run = aezoo.train(
        bits(draws=4, regularizers=[Weighted("kl", KL())]).float(),
        Dataset(x, spec=SPEC),
        epochs=100,
        lr=0.01,
        batch_size=50,
        seed=1,
    )
    model = run.model
    # an encoder that learns nothing leaves 1.6 of the data's variance of 2.2, and a neg_elbo of 4.7
    assert run.results["squared_error"] < 0.4
    assert run.results["neg_elbo"] < 1
    assert {"bound", "samples", "stochastic"} <= set(model.capabilities)
    assert set(np.unique(model.encode(x[:50], draws=3))) == {0.0, 1.0}
    split = Dataset(x, spec=SPEC).all()
    assert np.isfinite(model.log_likelihood(x[:5], draws=10)).all()
    assert np.isfinite(evidence_bound(model, split, draws=5).values).all()
    assert set(gradient_spreads(model, split, repeats=3)) == {"score-function", "score-function without baseline"}


@pytest.mark.parametrize("draws", [1, 4])
def test_all_estimators_have_the_expectation_of_the_closed_form(draws):
    truth = LinearGaussian(**WRONG)
    q = truth.model.encoder(truth.x)
    exact = gradients(truth.divergence(q.loc, q.log_scale).mean(), list(truth.model.encoder.parameters())).numpy()
    found = gradient_spreads(truth.model, truth.split, draws=draws, repeats=200)
    for name, spread in found.items():
        # the squared distance has the trace of the covariance as its expectation; 4 standard errors and more
        assert np.linalg.norm(spread.mean - exact) < 2 * spread.standard_error, name
        assert spread.along.mean() == pytest.approx(
            np.linalg.norm(exact), abs=4 * spread.along.std() / math.sqrt(200) + 0.05 * np.linalg.norm(exact)
        )
    pathwise, scored, plain = (spread.variance for spread in found.values())
    assert pathwise < scored < plain


def test_variances_fall_with_the_draws_and_nothing_is_disturbed():
    truth = LinearGaussian(**WRONG)
    before = torch.get_rng_state()
    one, four, again = (gradient_spreads(truth.model, truth.split, draws=k, repeats=100) for k in (1, 4, 4))
    for name in ("reparameterised", "score-function without baseline"):
        assert one[name].variance / four[name].variance == pytest.approx(4, rel=0.3)
    assert four["score-function"].variance == again["score-function"].variance
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is None for p in truth.model.parameters())
    assert truth.model.training


def test_a_registered_model_trains_by_either():
    results = {}
    for gradient in ("reparameterised", "score-function"):
        run = aezoo.train("vae", "digits", epochs=15, latent_dim=2, hidden=[32], gradient=gradient, draws=8, lr=3e-3)
        results[gradient] = run.results["neg_elbo"]
    assert results["score-function"] != results["reparameterised"]
    assert results["score-function"] < results["reparameterised"] + 5


class Mixing(Regularizer):
    """One value of all draws."""

    def forward(self, z):
        return z.square().mean()


class Apart(Regularizer):
    """One value a row that draws have no part in."""

    def forward(self, x, encode):
        return encode(x).square().sum(-1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: bits(gradient="reparameterised"), r"draws of Bernoulli carry no gradient.*gradient=score-function"),
        (lambda: bits(bound="importance"), "ties the draws of a row together.*gradient=reparameterised"),
        (lambda: bits(regularizers=[Weighted("m", Mixing())]), "'m' makes one of many draws: leave it out"),
        (
            lambda: Autoencoder(
                PointEncoder(nn.Linear(D, 2)),
                Decoder(nn.Linear(2, D), Gaussian(SPEC)),
                spec=SPEC,
                gradient="score-function",
            ),
            "needs a posterior with a density, and Point has none",
        ),
    ],
)
def test_what_has_no_such_gradient_is_refused(build, message):
    with pytest.raises(CompositionError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_a_penalty_that_draws_have_no_part_in_is_welcome():
    model = bits(regularizers=[Weighted("a", Apart()), Weighted("kl", KL())])
    model.step(drawn(4, D)).loss.backward()


def test_variances_that_cannot_be_had_are_refused():
    truth = LinearGaussian()
    with pytest.raises(UsageError, match="2 repeats"):
        gradient_spreads(truth.model, truth.split, repeats=1)
    truth.model.encoder.requires_grad_(False)
    with pytest.raises(CapabilityError, match="use a model such as vae"):
        gradient_spreads(truth.model, truth.split)
    digits = aezoo.data.open_data("digits")
    quantized = aezoo.training.build_model("vq-vae", {}, digits.spec)
    with pytest.raises(CapabilityError, match="use a model such as vae"):
        gradient_spreads(quantized, digits.all())


def test_a_callers_inference_mode_does_not_matter():
    truth = LinearGaussian(**WRONG)
    wanted = gradient_spreads(truth.model, truth.split, repeats=3)
    with torch.inference_mode():
        found = gradient_spreads(truth.model, truth.split, repeats=3)
    for name, spread in wanted.items():
        assert np.array_equal(found[name].mean, spread.mean)
