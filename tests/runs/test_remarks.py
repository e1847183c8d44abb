"""What a run says of itself without being asked."""

import pytest

import aezoo


def collapsed(run):
    return [note for note in run.notes if "collapsed" in note]


def test_a_posterior_that_has_collapsed_is_told_with_what_helps():
    run = aezoo.train("beta-vae", "digits", beta=1000, epochs=20, latent_dim=4)
    assert run.results["penalty_kl"] < 0.1
    (note,) = collapsed(run)
    assert "kl_warmup" in note
    assert "free_bits" in note


@pytest.mark.parametrize("model", ["vae", "beta-vae", "iwae", "contractive"])
def test_nothing_is_said_of_a_healthy_code(model):
    assert not collapsed(aezoo.train(model, "digits", epochs=20))
