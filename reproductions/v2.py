"""V2: a Bernoulli VAE on grey-level MNIST, the recipe of the PyTorch examples.

The loss is the cross-entropy of the grey levels plus the KL divergence in closed form, at one draw of the posterior,
nats per image; it is no likelihood, and compares with nothing but itself.
"""

from __future__ import annotations

from aezoo.evaluation import negative_elbo
from reproductions.card import Card, Context, Figure, within


def measure(context: Context, seed: int) -> dict[str, float]:
    """Trains one model and reads the test loss at one draw."""
    run = context.train(
        "vae",
        hidden=400,
        latent_dim=20,
        likelihood="bernoulli",
        lr=1e-3,
        batch_size=128,
        epochs=10,
        validation=0,
        seed=seed,
    )
    return {"test loss": negative_elbo(run.model, run.splits.test, draws=1, seed=seed)}


CARD = Card(
    name="v2",
    models=("vae",),
    title="Bernoulli VAE on MNIST",
    source="PyTorch examples, vae: test losses 105.5585 and 105.5890",
    recipe="784-400-20, ReLU, Adam 1e-3, batch 128, 10 epochs, cross-entropy of grey levels + KL, one draw",
    figures=[Figure("test loss", 105.57, within(105.6, 0.4))],
    measure=measure,
    data=["mnist"],
    seeds=(0, 1, 2),
)
