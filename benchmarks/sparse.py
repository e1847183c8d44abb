"""Training sparse codes: what TopK and L1 cost beside a plain code, and large dictionaries beside the machine's limit.

``--hidden 512 --units 32 --k 8`` is the network of the other benchmarks, ``--units 1024 --k 16`` a wide code, and
``--features 1024 --units 16384 --k 64 --batch 512`` a dictionary.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

import aezoo
from aezoo.data import Dataset
from aezoo.training import TrainConfig, Trainer, build_model, pick_device
from benchmarks.harness import Benchmark, Figures, Ratio, keep_pages, main

ATOMS, ATOMS_A_ROW = 256, 8


def rows(a: argparse.Namespace) -> Tensor:
    """Data (steps·batch, features): sums of a few of some directions, under noise."""
    generator = torch.Generator().manual_seed(0)
    count = a.steps * a.batch
    atoms = torch.randn(ATOMS, a.features, generator=generator) / a.features**0.5
    chosen = torch.randint(ATOMS, (count, ATOMS_A_ROW), generator=generator)
    weights = torch.rand(count, ATOMS_A_ROW, generator=generator)
    x = nn.functional.embedding_bag(chosen, atoms, mode="sum", per_sample_weights=weights)
    return x + 0.01 * torch.randn(x.shape, generator=generator)


def ours(model: str, **options: object) -> Callable[[argparse.Namespace], Figures]:
    """Trains a registered model, and times its epochs but the first."""

    def contender(a: argparse.Namespace) -> Figures:
        config = {"latent_dim": a.units, "hidden": a.hidden, "preprocess": "none", **options}
        config |= {"k": a.k} if model == "topk" else {}
        x = rows(a)
        spec = aezoo.DataSpec(shape=(a.features,), scaling="none")
        torch.manual_seed(0)
        built = build_model(model, config, spec)
        train = TrainConfig(epochs=a.epochs + 1, batch_size=a.batch, device=a.device, precision=a.precision, lr=1e-3)
        ends: list[float] = []
        splits = Dataset(x, spec=spec).split(validation=0)
        trainer = Trainer(built, splits, train, on_epoch=lambda metrics, keep: ends.append(time.perf_counter()))
        history = trainer.fit()
        trained = a.epochs * len(trainer.train)
        found = {"samples/s": trained / (ends[-1] - ends[0]), "final loss": history[-1]["reconstruction"]}
        if trainer.device.type == "cuda":
            found["peak GPU memory, GiB"] = torch.cuda.max_memory_allocated() / 2**30
        return found

    return contender


def timed(step: Callable[[Tensor], object], a: argparse.Namespace) -> Figures:
    """Samples a second of ``step`` over batches that are on the device already."""
    device = pick_device(a.device)
    if device.type == "cpu":
        keep_pages()
    x = rows(a).to(device)

    def epoch() -> None:
        for batch in x.split(a.batch):
            step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()

    epoch()
    start = time.perf_counter()
    for _ in range(a.epochs):
        epoch()
    return {"samples/s": a.epochs * len(x) / (time.perf_counter() - start)}


def by_hand(a: argparse.Namespace) -> Figures:
    """A loop in plain PyTorch with a dense code, as most sparse autoencoders are trained, and fused Adam."""
    device = pick_device(a.device)
    torch.manual_seed(0)
    widths = [a.features, *a.hidden, a.units]
    up, down = _stack(widths).to(device), _stack(widths[::-1]).to(device)
    optimizer = torch.optim.Adam([*up.parameters(), *down.parameters()], fused=True)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[a.precision]

    def step(x: Tensor) -> None:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            before = up(x)
            values, index = before.topk(a.k, sorted=False)
            code = torch.zeros_like(before).scatter_(-1, index, values.relu())
            output = down(code)
        loss = 0.5 * (output.float() - x).square().sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return timed(step, a)


def _stack(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, o in pairwise(widths):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def limit(a: argparse.Namespace) -> Figures:
    """What no TopK code can do without: dense products but for those beside the code, of which one; and fused Adam."""
    return _products(a, beside_code=1)


def dense_limit(a: argparse.Namespace) -> Figures:
    """All matrix products of a dense code, and fused Adam."""
    return _products(a, beside_code=5 if not a.hidden else 6)


def _products(a: argparse.Namespace, beside_code: int) -> Figures:
    device = pick_device(a.device)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[a.precision]
    widths = [a.features, *a.hidden, a.units]
    parameters = [p for _ in range(2) for p in _stack(widths).to(device).parameters()]
    for p in parameters:
        p.grad = torch.full_like(p, 1e-3)
    optimizer = torch.optim.Adam(parameters, lr=1e-6, fused=True)

    def product(i: int, o: int) -> Callable[[], Tensor]:
        left = torch.randn(a.batch, i, dtype=dtype, device=device)
        right = torch.randn(i, o, dtype=dtype, device=device)
        out = torch.empty(a.batch, o, dtype=dtype, device=device)
        return lambda: torch.mm(left, right, out=out)

    # forward, to the weights and to the inputs, in the encoder and the decoder; but no gradient for the data
    layers = list(pairwise(widths))
    products = [product(i, o) for n, (i, o) in enumerate(layers[:-1]) for _ in range(6 - (n == 0))]
    products += [product(*layers[-1])] * beside_code

    def step(x: Tensor) -> None:
        for multiply in products:
            multiply()
        optimizer.step()

    return timed(step, a)


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",") if size]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--features", type=int, default=784, help="values of a datum")
    parser.add_argument("--hidden", type=_sizes, default=[], help="sizes of hidden layers, by commas")
    parser.add_argument("--units", type=int, default=1024, help="size of the code")
    parser.add_argument("--k", type=int, default=16, help="units that TopK keeps")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=200, help="steps an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="epochs that are timed, after one that is not")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])


def _variant(a: argparse.Namespace) -> str:
    sizes = "-".join(map(str, (a.features, *a.hidden, a.units)))
    precision = "" if a.precision == "fp32" else f"-{a.precision}"
    return f"{sizes}-k{a.k}-batch{a.batch}-{pick_device(a.device).type}{precision}"


BENCHMARK = Benchmark(
    name="sparse",
    title="Sparse codes, and large dictionaries of which k units are kept",
    contenders={
        "undercomplete": ours("undercomplete"),
        "topk": ours("topk"),
        "sparse-l1": ours("sparse-l1"),
        "dense TopK by hand": by_hand,
        "limit": limit,
        "limit of dense codes": dense_limit,
    },
    ratios=(
        Ratio("TopK ÷ undercomplete, rate (1/1.25)", "topk", "undercomplete", at_least=0.8),
        Ratio("L1 ÷ undercomplete, rate (1/1.1)", "sparse-l1", "undercomplete", at_least=0.909),
        Ratio("TopK ÷ dense TopK by hand", "topk", "dense TopK by hand", at_least=1.0),
        Ratio("TopK, share of the limit", "topk", "limit"),
        Ratio("TopK ÷ the limit of dense codes", "topk", "limit of dense codes"),
    ),
    arguments=_arguments,
    variant=_variant,
)

if __name__ == "__main__":
    main(BENCHMARK)
