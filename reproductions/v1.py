"""V1: a Gaussian VAE whose code gives one σ for all pixels of an image, and a plane of codes to look at.

The loss is the estimator L^A of Kingma & Welling 2014 by one draw, −log p(x | z) − log p(z) + log q(z | x), nats per
image, published without the terms log √2π: those of p(z) and q(z | x) cancel, which leaves D/2·log 2π of p(x | z) to
take off. It is read on the training images after an epoch. The reading has the KL in closed form, which changes no
expectation.
"""

from __future__ import annotations

import math
from typing import Any

import aezoo
from aezoo.evaluation import negative_elbo
from aezoo.plots import plot_class_means, plot_codes, save_figure
from reproductions.card import Card, Context, Figure, within


class FirstEpoch:
    """A tracker that reads the loss after the first epoch."""

    loss = math.nan

    @aezoo.hookimpl
    def aezoo_epoch_end(self, run: aezoo.Run, metrics: dict[str, Any]) -> None:
        """Reads it."""
        if metrics["epoch"] == 1:
            self.loss = published_form(run)


def published_form(run: aezoo.Run) -> float:
    """The training loss by one draw, without the constants."""
    constants = run.model.spec.size / 2 * math.log(2 * math.pi)
    return negative_elbo(run.model, run.splits.train, draws=1, seed=run.training.seed) - constants


def measure(context: Context, seed: int) -> dict[str, float]:
    """Trains one model; draws its two pictures where there is a folder for them."""
    first = FirstEpoch()
    run = context.train(
        "vae",
        hidden=512,
        latent_dim=2,
        likelihood="gaussian=per-example,mean=sigmoid",
        estimator="sampled",
        lr=1e-4,
        batch_size=128,
        epochs=20,
        validation=0,
        seed=seed,
        trackers=[first],
    )
    if context.out is not None:
        for name, plot in (("codes", plot_codes), ("classes", plot_class_means)):
            figure = plot(run.model, run.splits.test)
            if figure is not None:
                save_figure(figure, context.out / f"v1-{name}.png")
    return {"loss after epoch 1": first.loss, "loss after epoch 20": published_form(run)}


CARD = Card(
    name="v1",
    title="Gaussian VAE with one learned σ per image on MNIST",
    source="C. Swaney 2022, Variational Autoencoders",
    recipe="784-512-2, ReLU, sigmoid mean and one log σ per image; L^A by one draw; Adam 1e-4, batch 128, 20 epochs",
    figures=[
        Figure("loss after epoch 1", -626.77),
        Figure("loss after epoch 20", -831.01, within(-831, 15)),
    ],
    measure=measure,
    data=["mnist"],
    seeds=(0, 1, 2),
    notes=[
        "The source prints neither the width, nor the size of the code, the batch and the rate: 512, 2, 128 and 1e-4 "
        "fit its log."
    ],
)
