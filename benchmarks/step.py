"""Training throughput on the processor, with everything that a user gets, beside peers and beside the limit.

The limit is the arithmetic that no implementation of this step can leave out: its matrix products, and a fused Adam.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.harness import Benchmark, Figures, Ratio, keep_pages, main

SIZES = (784, 512, 32, 512, 784)
EPOCHS = 3


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch-size", type=int, default=128)


def _images(arguments: argparse.Namespace) -> Any:
    import numpy as np

    raw = gzip.decompress((Path(arguments.data_dir) / "train-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(bytearray(raw), np.uint8, offset=16).reshape(-1, 784)


def limit(arguments: argparse.Namespace) -> Figures:
    """The products of a step, forward and backward, and Adam; nothing else."""
    import torch

    keep_pages()
    torch.manual_seed(0)
    batch = arguments.batch_size
    weights = [torch.randn(b, a) / a**0.5 for a, b in pairwise(SIZES)]
    biases = [torch.zeros(b) for b in SIZES[1:]]
    parameters = [torch.nn.Parameter(p) for p in (*weights, *biases)]
    gradients = [torch.randn_like(p) for p in parameters]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    adam = torch.optim.Adam(parameters, lr=1e-9, fused=True)
    inputs = [torch.randn(batch, size) for size in SIZES]
    outputs = [torch.empty(batch, size) for size in SIZES]

    def step() -> None:
        for layer, weight in enumerate(weights):
            torch.mm(inputs[layer], weight.t(), out=outputs[layer + 1])
        for layer, weight in enumerate(weights):
            torch.mm(inputs[layer + 1].t(), inputs[layer], out=gradients[layer])
            if layer:
                torch.mm(inputs[layer + 1], weight, out=outputs[layer])
        adam.step()

    return _rate(step, arguments)


def _rate(step: Callable[[], None], arguments: argparse.Namespace) -> Figures:
    for _ in range(30):
        step()
    steps = EPOCHS * 60_000 // arguments.batch_size
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return {"samples/s": steps * arguments.batch_size / (time.perf_counter() - start)}


def _by_hand(arguments: argparse.Namespace, fused: bool, kept: bool, bf16: bool = False) -> Figures:
    import torch
    from torch import nn

    if kept:
        keep_pages()
    torch.manual_seed(0)
    x = torch.from_numpy(_images(arguments)).float() / 255
    layers = [module for a, b in pairwise(SIZES) for module in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*layers[:3], *layers[4:-1])
    adam = torch.optim.Adam(model.parameters(), fused=fused or None)
    rates = []
    for _ in range(EPOCHS):
        order, losses = torch.randperm(len(x)).split(arguments.batch_size), []
        start = time.perf_counter()
        for index in order:
            batch = x[index]
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                reconstruction = model(batch)
            loss = (reconstruction.float() - batch).square().sum(1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.detach())
        rates.append(len(x) / (time.perf_counter() - start))
    return {"samples/s": sorted(rates)[len(rates) // 2], "final loss": float(torch.stack(losses).mean())}


def by_hand(arguments: argparse.Namespace) -> Figures:
    """A loop as in a tutorial: default Adam."""
    return _by_hand(arguments, fused=False, kept=False)


def by_hand_fused(arguments: argparse.Namespace) -> Figures:
    """The same with fused Adam."""
    return _by_hand(arguments, fused=True, kept=False)


def by_hand_kept(arguments: argparse.Namespace) -> Figures:
    """The same, and the allocator told to keep its pages."""
    return _by_hand(arguments, fused=True, kept=True)


def by_hand_bf16(arguments: argparse.Namespace) -> Figures:
    """The same under autocast."""
    return _by_hand(arguments, fused=True, kept=True, bf16=True)


def _ours(arguments: argparse.Namespace, model: str = "undercomplete", **options: Any) -> Figures:
    import aezoo

    stamps = []

    class Clock:
        def aezoo_epoch_end(self, metrics: dict[str, float]) -> None:
            stamps.append((time.perf_counter(), metrics))
            if len(stamps) > EPOCHS + 1:
                raise KeyboardInterrupt

    # a long run, of which the first epochs are enough
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        aezoo.train(
            model,
            "mnist",
            data_dir=arguments.data_dir,
            out=Path(folder) / "run",
            hidden=512,
            latent_dim=32,
            epochs=30,
            batch_size=arguments.batch_size,
            trackers=[Clock()],
            **options,
        )
    # from the end of one epoch to the end of the next: training, validation, the checkpoint and the log of it
    rates = [59_000 / (b - a) for (a, _), (b, _) in pairwise(stamps)]
    # in peers' units: without the Gaussian's constant, and of the AE the whole squared error
    offset = 784 * 0.9189385332046727
    scale = 2.0 if model == "undercomplete" else 1.0
    last = stamps[EPOCHS - 1][1]["loss"]
    return {"samples/s": sorted(rates)[len(rates) // 2], "final loss": scale * (last - offset)}


def ours(arguments: argparse.Namespace) -> Figures:
    """aezoo.train with its defaults: validation, log and checkpoints included."""
    return _ours(arguments)


def ours_bf16(arguments: argparse.Namespace) -> Figures:
    """The same with precision=bf16."""
    return _ours(arguments, precision="bf16")


def ours_vae(arguments: argparse.Namespace) -> Figures:
    """The variational autoencoder, with the unit variance that Pythae's has."""
    return _ours(arguments, "vae", likelihood="gaussian=unit")


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def pythae_loop(
    rows: Any, sizes: tuple[int, int, int], variational: bool, epochs: int, batch: int = 128, device: str = "cpu"
) -> Figures:
    """Pythae 0.1.2 with its defaults but for the batch size; the network ``sizes`` and its mirror, rows in [0, 1]."""
    import logging

    import torch
    from pythae.models import AE, VAE, AEConfig, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback
    from torch import nn

    logging.disable(logging.CRITICAL)
    values, hidden, codes = sizes

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(values, hidden), nn.ReLU())
            self.embedding, self.log_var = nn.Linear(hidden, codes), nn.Linear(hidden, codes)

        def forward(self, x: torch.Tensor) -> Any:
            h = self.layers(x.flatten(1))
            if not variational:
                return ModelOutput(embedding=self.embedding(h))
            return ModelOutput(embedding=self.embedding(h), log_covariance=self.log_var(h))

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(codes, hidden), nn.ReLU(), nn.Linear(hidden, values))

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=self.layers(z))

    stamps: list[tuple[float, float]] = []

    class Clock(TrainingCallback):  # type: ignore[misc]
        def on_log(self, training_config: object, logs: dict[str, float], **kwargs: object) -> None:
            stamps.append((time.perf_counter(), logs["train_epoch_loss"]))

    torch.manual_seed(0)
    options = {"input_dim": (values,), "latent_dim": codes}
    made = (
        VAE(VAEConfig(**options), Encoder(), Decoder())
        if variational
        else AE(AEConfig(**options), Encoder(), Decoder())
    )
    x = torch.as_tensor(rows)
    held_out = min(1000, len(x) // 10)
    with tempfile.TemporaryDirectory() as folder, _silent():
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs + 1,
            learning_rate=1e-3,
            per_device_train_batch_size=batch,
            per_device_eval_batch_size=batch,
            no_cuda=device == "cpu",
        )
        TrainingPipeline(model=made, training_config=config)(x[:-held_out], x[-held_out:], callbacks=[Clock()])
    rates = [(len(x) - held_out) / (b[0] - a[0]) for a, b in pairwise(stamps)]
    return {"samples/s": sorted(rates)[len(rates) // 2], "final loss": stamps[epochs - 1][1]}


def _pythae(arguments: argparse.Namespace, variational: bool) -> Figures:
    import numpy as np

    rows = _images(arguments).astype(np.float32) / 255
    device = getattr(arguments, "device", "cpu")
    return pythae_loop(rows, (784, 512, 32), variational, EPOCHS, arguments.batch_size, device)


def pythae_ae(arguments: argparse.Namespace) -> Figures:
    """Pythae's AE."""
    return _pythae(arguments, variational=False)


def pythae_vae(arguments: argparse.Namespace) -> Figures:
    """Pythae's VAE."""
    return _pythae(arguments, variational=True)


def _ratios(arguments: argparse.Namespace) -> Sequence[Ratio]:
    return (
        Ratio("ours / limit", "ours", "limit", at_least=0.92 if arguments.batch_size >= 512 else 0.85),
        Ratio("ours / best loop by hand", "ours", "by hand + fused + pages kept", at_least=1.0),
        Ratio("ours / pythae, AE", "ours", "pythae AE", at_least=1.5),
        Ratio("ours / pythae, VAE", "ours vae", "pythae VAE", at_least=1.5),
        Ratio("bf16 / fp32", "ours + bf16", "ours", at_least=1.4),
        Ratio("final loss, bf16 / fp32", "ours + bf16", "ours", "final loss", at_most=1.01),
        Ratio("final loss, ours / pythae, AE", "ours", "pythae AE", "final loss", at_most=1.02),
        Ratio("final loss, ours / pythae, VAE", "ours vae", "pythae VAE", "final loss", at_most=1.02),
        Ratio("ours, bf16 / by hand, bf16", "ours + bf16", "by hand + bf16"),
    )


BENCHMARK = Benchmark(
    "step",
    "Training throughput, MNIST 784-512-32-512-784",
    {
        "limit": limit,
        "ours": ours,
        "by hand": by_hand,
        "by hand + fused": by_hand_fused,
        "by hand + fused + pages kept": by_hand_kept,
        "by hand + bf16": by_hand_bf16,
        "ours + bf16": ours_bf16,
        "ours vae": ours_vae,
        "pythae AE": pythae_ae,
        "pythae VAE": pythae_vae,
    },
    ratios=_ratios,
    arguments=_arguments,
    variant=lambda arguments: f"batch-{arguments.batch_size}",
)

if __name__ == "__main__":
    main(BENCHMARK)
