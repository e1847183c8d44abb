"""A network and a penalty of one's own, in one model. ``python examples/own_modules.py``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

import aezoo
from aezoo.data import make_preprocess
from aezoo.parts import KL, Decoder, Gaussian, GaussianEncoder, Regularizer, StandardNormal, Weighted

SIZE = 8


class Balance(Regularizer):
    """½ ‖mean of the codes‖² over the batch, nats: codes that lean to one side pay for it."""

    def forward(self, z: Tensor) -> Tensor:
        """(), of the draws ``z`` (K, B, Z)."""
        return 0.5 * z.mean((0, 1)).square().sum()


def model() -> aezoo.Autoencoder:
    """Convolutions of my own, a learned σ, and two penalties, for digits of 8×8 pixels from 0 to 16."""
    spec = aezoo.DataSpec(shape=(1, 8, 8), low=0, high=16)
    encoder = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.SiLU(), nn.Flatten(), nn.Linear(16 * 16, 2 * SIZE)
    )
    decoder = nn.Sequential(nn.Linear(SIZE, 128), nn.SiLU(), nn.Linear(128, 64))
    return aezoo.Autoencoder(
        GaussianEncoder(encoder),
        Decoder(decoder, Gaussian(spec, scale="shared")),
        spec=spec,
        preprocess=make_preprocess("scale", spec),
        prior=StandardNormal((SIZE,)),
        regularizers=[Weighted("kl", KL()), Weighted("balance", Balance(), 10.0)],
    )


def main(arguments: list[str] | None = None) -> None:
    """Trains it; then half of it, and on from there, to the same bits."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        whole = aezoo.train(model(), "digits", epochs=given.epochs, out=Path(folder, "whole"))
        print({key: round(value, 3) for key, value in whole.results.items()})

        torch.manual_seed(0)
        aezoo.train(model(), "digits", epochs=given.epochs // 2, out=Path(folder, "half"))
        again = aezoo.resume(Path(folder, "half"), into=model(), epochs=given.epochs)
        same = all(map(torch.equal, whole.model.state_dict().values(), again.model.state_dict().values()))
        print("resumed to the same bits:", same)


if __name__ == "__main__":
    main()
