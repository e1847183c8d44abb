"""V3: the importance-weighted bound on dynamically binarised MNIST: more draws, more likelihood.

The negative log-likelihood of test images, binarised once, is estimated by importance sampling from the posterior,
nats per image (Burda et al. 2016, arXiv:1509.00519).
"""

from __future__ import annotations

import numpy as np

from aezoo.evaluation import some_rows
from reproductions.card import Card, Context, Figure, positive, within

DRAWS = (1, 5, 50)
PUBLISHED = {"VAE": (87.78, 87.15, 87.47), "IWAE": (87.75, 85.46, 84.59)}
SHORT_EPOCHS, SHORT_BATCH = 4, 50


def measure(context: Context, seed: int) -> dict[str, float]:
    """Trains one model a number of draws, and in the full form both bounds for each."""
    found: dict[str, float] = {}
    for name, model in (("VAE", "vae"), ("IWAE", "iwae")):
        if model == "vae" and not context.full:
            continue
        for draws in DRAWS:
            run = context.train(
                model,
                "mnist,binarize=dynamic",
                draws=draws,
                hidden=(200, 200),
                activation="tanh",
                latent_dim=50,
                likelihood="bernoulli",
                lr=1e-3,
                schedule="cosine",
                batch_size=1000 if context.full else SHORT_BATCH,
                epochs=5000 if context.full else SHORT_EPOCHS,
                validation=0,
                seed=seed,
            )
            images = run.splits.test.rows() if context.full else some_rows(run.splits.test, 1000).rows()
            likelihood = run.model.log_likelihood(images, draws=5000 if context.full else 500, seed=seed)
            found[f"{name}, {draws} draws"] = -float(np.mean(likelihood.numpy(), dtype=np.float64))
    nll = [found[f"IWAE, {draws} draws"] for draws in DRAWS]
    found |= {"IWAE, 1 − 5 draws": nll[0] - nll[1], "IWAE, 5 − 50 draws": nll[1] - nll[2]}
    return found


ORDER = [
    Figure("IWAE, 1 − 5 draws", round(87.75 - 85.46, 2), positive()),
    Figure("IWAE, 5 − 50 draws", round(85.46 - 84.59, 2), positive()),
]


def likelihoods(name: str, judged: bool) -> list[Figure]:
    """One figure a number of draws."""
    pairs = zip(DRAWS, PUBLISHED[name], strict=True)
    return [Figure(f"{name}, {draws} draws", nll, within(nll, 0.6) if judged else None) for draws, nll in pairs]


CARD = Card(
    name="v3",
    models=("iwae",),
    title="Importance-weighted VAE on dynamically binarised MNIST",
    source="Burda et al. 2016, as re-implemented",
    recipe="784-200-200-50, tanh, Bernoulli; Adam 1e-3 with cosine decay (the rate is ours), batch 1000, "
    "5000 epochs; test NLL by 5000 draws",
    figures=[*likelihoods("IWAE", False), *ORDER],
    measure=measure,
    data=["mnist"],
    short=f"{SHORT_EPOCHS} epochs, batch {SHORT_BATCH}; no VAE; NLL of 1000 test images by 500 draws; judged by order",
    full_figures=[*likelihoods("VAE", True), *likelihoods("IWAE", True), *ORDER],
)
