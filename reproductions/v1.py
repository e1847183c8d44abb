"""V1: a Gaussian VAE whose code gives one σ for all pixels of an image, and a plane of codes to look at.

The loss is the estimator L^A of Kingma & Welling 2014 by one draw, −log p(x | z) − log p(z) + log q(z | x), nats per
image, published without the terms log √2π: those of p(z) and q(z | x) cancel, which leaves D/2·log 2π of p(x | z) to
take off. It is read on the training images after an epoch, with the KL in closed form, which changes no expectation.
"""

from __future__ import annotations

import math

import torch
from torch import nn

import aezoo
from aezoo.data import open_data
from aezoo.evaluation import negative_elbo
from aezoo.plots import plot_class_means, plot_codes, save_figure
from aezoo.training import build_model
from reproductions.card import Card, Context, Figure, within

EPOCHS = 20


def started(spec: aezoo.DataSpec, seed: int) -> aezoo.Autoencoder:
    """The model with weights as layers named Dense start: Glorot-uniform, and biases of zero."""
    options = {
        "hidden": 512,
        "latent_dim": 2,
        "likelihood": "gaussian=per-example,mean=sigmoid",
        "estimator": "sampled",
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model("vae", options, spec)
        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
    return model


class Reading:
    """A tracker that reads the loss after the first and the last epoch."""

    def __init__(self) -> None:
        self.losses: dict[str, float] = {}

    @aezoo.hookimpl
    def aezoo_epoch_end(self, run: aezoo.Run, metrics: dict[str, float]) -> None:
        """Reads it, with a random stream of its own."""
        if metrics["epoch"] in (1, EPOCHS):
            constants = run.model.spec.size / 2 * math.log(2 * math.pi)
            loss = negative_elbo(run.model, run.splits.train, draws=1, seed=run.training.seed)
            self.losses[f"loss after epoch {metrics['epoch']}"] = loss - constants


def measure(context: Context, seed: int) -> dict[str, float]:
    """Trains one model; draws its two pictures where there is a folder for them."""
    data = open_data("mnist", data_dir=context.folder("mnist"))
    model = started(data.spec, seed)
    reading = Reading()
    run = context.train(
        model, data, lr=1e-4, batch_size=128, epochs=EPOCHS, validation=0, seed=seed, trackers=[reading]
    )
    if context.out is not None:
        for name, plot in (("codes", plot_codes), ("classes", plot_class_means)):
            figure = plot(run.model, run.splits.test)
            if figure is not None:
                save_figure(figure, context.out / f"v1-{name}.png")
    return reading.losses


CARD = Card(
    name="v1",
    models=("vae",),
    title="Gaussian VAE with one learned σ per image on MNIST",
    source="C. Swaney 2022, Variational Autoencoders",
    recipe="784-512-2, ReLU, sigmoid mean and one log σ per image; L^A by one draw; Glorot-uniform weights; Adam 1e-4, "
    "batch 128, 20 epochs",
    figures=[
        Figure("loss after epoch 1", -626.77),
        Figure("loss after epoch 20", -831.01, within(-831, 15)),
    ],
    measure=measure,
    data=["mnist"],
    seeds=(0, 1, 2),
    notes=[
        "The source prints neither the width, nor the size of the code, the batch and the rate: 512, 2, 128 and 1e-4 "
        "fit its log.",
        "From torch's own start, whose first layer of the decoder is six times as wide, the loss after epoch 20 is "
        "−850.2, −850.3 and −845.3 with the same seeds.",
    ],
)
