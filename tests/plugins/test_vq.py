"""The codebook: its moving averages, its restarts, its prior, and how its use is measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import aezoo
from aezoo.data import Dataset, Split, open_data
from aezoo.errors import CapabilityError, CompositionError, DataError
from aezoo.evaluation import code_counts, perplexity
from aezoo.training import build_model
from aezoo_variational.quantized import Commitment, Quantized, QuantizingEncoder, UniformVectors


def encoder(book, uses, decay=0.9, restart=0.0):
    made = QuantizingEncoder(nn.Identity(), (1, book.shape[1]), len(book), decay, restart)
    made.codebook.copy_(book)
    made.uses.copy_(uses)
    return made


def test_the_codebook_follows_the_moving_average_of_what_chooses_it():
    made = encoder(torch.tensor([[0.0, 0.0], [10.0, 10.0]]), torch.tensor([2.0, 3.0]))
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [9.0, 11.0]])
    made.follow(made(x))
    uses = torch.tensor([0.9 * 2 + 0.1 * 2, 0.9 * 3 + 0.1 * 1])
    sums = torch.tensor([[0.1 * 1, 0.1 * 2], [0.9 * 30 + 0.1 * 9, 0.9 * 30 + 0.1 * 11]])
    torch.testing.assert_close(made.uses, uses)
    torch.testing.assert_close(made.codebook, sums / uses[:, None])


def test_the_average_settles_at_the_means_of_the_clusters():
    made = encoder(torch.tensor([[0.0], [1.0]]), torch.ones(2), decay=0.5)
    x = torch.tensor([[-1.0], [-3.0], [4.0]])
    for _ in range(60):
        made.follow(made(x))
    torch.testing.assert_close(made.codebook, torch.tensor([[-2.0], [4.0]]))


def test_a_vector_that_nothing_chooses_is_restarted_at_a_code_of_the_batch():
    made = encoder(torch.tensor([[0.0], [100.0]]), torch.tensor([1.0, 0.2]), decay=0.5, restart=0.1)
    x = torch.tensor([[1.0], [2.0]])
    made.follow(made(x))
    assert made.codebook[1].item() == 100.0, "used 0.1 of a mean use of 1 is not yet less than a tenth"
    made.follow(made(x))
    assert made.codebook[1].item() in (1.0, 2.0)
    assert made.uses[1] == 1.0


def test_the_first_step_sets_every_vector_to_a_code_of_its_batch():
    made = QuantizingEncoder(nn.Identity(), (1, 2), 4)
    x = torch.arange(12.0).view(6, 2)
    made.follow(made(x))
    assert all((vector == x).all(1).any() for vector in made.codebook)


def test_the_first_step_does_so_however_many_choose_one_vector():
    made = encoder(torch.cat([torch.zeros(1, 2), torch.full((63, 2), 100.0)]), torch.zeros(64), restart=0.1)
    x = torch.arange(12.0).view(6, 2)
    made.follow(made(x))
    assert all((vector == x).all(1).any() for vector in made.codebook)


def test_without_restarts_a_vector_that_nothing_chooses_stays_where_it_is():
    made = encoder(torch.tensor([[1.0], [100.0]]), torch.ones(2), decay=0.5)
    for _ in range(300):
        made.follow(made(torch.tensor([[1.0], [2.0]])))
    assert made.codebook[0].item() == pytest.approx(1.5)
    assert made.codebook[1].item() == 100.0


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_sixteen_bits_and_a_large_offset_choose_the_nearest_vector_too(offset):
    draw = torch.Generator().manual_seed(0)
    made = encoder(offset + torch.randn(64, 8, generator=draw), torch.ones(64))
    x = offset + torch.randn(2000, 8, generator=draw)
    nearest = torch.cdist(x.double(), made.codebook.double()).argmin(1)
    for kind in (torch.bfloat16, None):
        with torch.autocast("cpu", dtype=kind, enabled=kind is not None):
            assert (made(x).index.flatten() != nearest).sum() <= 2


def test_commitment_pulls_the_code_to_its_vector_and_leaves_the_vector():
    before = torch.tensor([[[1.0, 2.0]], [[0.0, 1.0]]], requires_grad=True)
    nearest = torch.tensor([[[0.0, 0.0]], [[0.0, 3.0]]], requires_grad=True)
    q = Quantized(before, nearest.detach(), torch.zeros(2, 1, dtype=torch.long), 2)
    penalty = Commitment()(q)
    assert penalty.tolist() == [5.0, 4.0]
    penalty.sum().backward()
    assert torch.equal(before.grad, 2 * (before - nearest))
    assert nearest.grad is None


def test_a_mass_is_on_its_own_code_alone():
    q = Quantized(torch.zeros(2, 1, 1), torch.ones(2, 1, 1), torch.zeros(2, 1, dtype=torch.long), 3)
    assert q.log_prob(torch.ones(5, 2, 1, 1)).tolist() == [[0.0, 0.0]] * 5
    assert q.log_prob(torch.zeros(2, 1, 1)).tolist() == [-math.inf] * 2
    assert q.entropy().tolist() == [0.0, 0.0]


def test_the_prior_draws_every_vector_alike():
    torch.manual_seed(0)
    prior = UniformVectors(torch.tensor([[1.0], [2.0], [4.0]]), 2)
    drawn = prior.sample((30_000,))
    assert drawn.shape == (30_000, 2, 1)
    for value in (1.0, 2.0, 4.0):
        share = (drawn == value).double().mean().item()
        assert abs(share - 1 / 3) < 4 * math.sqrt(2 / 9 / 60_000)
    assert prior.log_prob(drawn)[0].item() == pytest.approx(-2 * math.log(3))


def test_perplexity():
    assert perplexity(np.array([5, 5, 5, 5])) == pytest.approx(4)
    assert perplexity(np.array([9, 0])) == 1
    assert perplexity(np.array([3, 1])) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


def test_a_trained_model_uses_its_codebook_and_reports_it(tmp_path):
    run = aezoo.train("vq-vae", "digits", out=tmp_path / "run", epochs=30, codes=16)
    assert run.results["codes_used"] > 8
    assert 4 < run.results["perplexity"] <= run.results["codes_used"]
    assert "active_units" not in run.results
    counts = code_counts(run.model, run.splits.test)
    assert counts.sum() == len(run.splits.test) * 8
    index = run.model.encoder(run.model.prepare(run.splits.test.rows())).index
    assert counts.tolist() == [int((index == code).sum()) for code in range(16)]
    assert torch.equal(aezoo.load(tmp_path / "run").encoder.codebook, run.model.encoder.codebook)
    found = aezoo.inspect(tmp_path / "run", "codebook")
    assert found.figures["perplexity"] == pytest.approx(run.results["perplexity"])


def test_validation_and_use_leave_the_codebook_alone():
    data = open_data("digits")
    model = build_model("vq-vae", {}, data.spec)
    before = model.encoder.codebook.clone()
    model.measure([model.prepare(data.all().take(torch.arange(50)))])
    model.encode(data.x[:5])
    assert torch.equal(model.encoder.codebook, before)


def test_images_by_convolutions():
    data = open_data("digits")
    small = Dataset(data.x[:200], spec=data.spec)
    run = aezoo.train("vq-vae", small, epochs=2, network="conv", hidden=[4, 8], latent_dim=3, positions=5)
    assert run.model.encode(data.x[:7]).shape == (7, 5, 3)
    assert run.model.sample(3).shape == (3, 1, 8, 8)


def test_a_codebook_asked_of_another_model_and_commitment_without_one():
    data = open_data("digits")
    with pytest.raises(CapabilityError, match="use vq-vae"):
        code_counts(build_model("vae", {}, data.spec), data.all())
    with pytest.raises(DataError, match="no rows"):
        code_counts(build_model("vq-vae", {}, data.spec), Split(data, np.arange(0)))
    with pytest.raises(CompositionError, match="commitment needs an encoder with a codebook"):
        Commitment().check(nn.Identity(), nn.Identity())
