"""The contractive penalty: how far each way to compute it is from the truth, and what it costs.

    python -m benchmarks.contraction [--write]

Two questions. First, 784-512-32 with ReLU and a sigmoid code, batch 128: the penalty and its gradient, exactly in
several orders of products, estimated from P random projections, and by torch's own Jacobians. Beside the time of one
penalty with its pass back stand the relative errors of one estimate: of the penalty's mean over the batch, and of its
gradient (the norm of the error, by the norm of the gradient). Second, what a whole step of training takes beside the
step of ``undercomplete`` with the same layers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from benchmarks.harness import Benchmark, Figures, Ratio, main

BATCH, D, H, Z = 128, 784, 512, 32
PROJECTIONS = (1, 2, 4, 8, 16)
DRAWS = 32  # of an estimate, for its error
SECONDS = 1.0  # that a penalty is timed for
ROWS = 12_800  # of an epoch of training

Penalty = Callable[[Tensor], Tensor]


def made() -> tuple[Tensor, Any]:
    """Rows between 0 and 1, and a model of which the encoder is to be contracted."""
    from aezoo import DataSpec
    from aezoo.training import build_model

    torch.manual_seed(0)
    options = {"latent_dim": Z, "hidden": [H], "code_activation": "sigmoid"}
    model = build_model("undercomplete", options, DataSpec(shape=(D,), low=0, high=1, scaling="none"))
    return torch.rand(BATCH, D), model


def ours(projections: int | Literal["auto", "exact"]) -> Callable[[argparse.Namespace], Figures]:
    """The regularizer, as a model has it."""

    def measure(arguments: argparse.Namespace) -> Figures:
        from aezoo_contractive.jacobian import Contraction

        x, model = made()
        penalty = Contraction(projections)
        draws = DRAWS if isinstance(projections, int) else 1
        return measured(lambda u: penalty(u, model.code), x, model, draws)

    return measure


def ordered(name: str) -> Callable[[argparse.Namespace], Figures]:
    """The exact penalty in a given order of products."""

    def measure(arguments: argparse.Namespace) -> Figures:
        from aezoo_contractive.layers import layers_of, slopes_of
        from aezoo_contractive.orders import Gram, Order, Product
        from aezoo_contractive.products import squared_norms

        first, last = Product(0, 1), Product(1, 2)
        order = {
            "products": Order(None, Product(0, 2, last, first), None),
            "gram of the first": Order(Gram(1, first), last, None),
            "gram of the last": Order(None, first, Gram(1, last)),
            "both grams": Order(Gram(1, first), None, Gram(1, last)),
        }[name]
        x, model = made()
        layers = layers_of(model.encoder, 2)

        def penalty(u: Tensor) -> Tensor:
            return squared_norms([layer.affine.weight for layer in layers], slopes_of(layers, u), len(u), order)

        return measured(penalty, x, model)

    return measure


def torch_jacobian(arguments: argparse.Namespace, vectorised: bool) -> Figures:
    """torch's Jacobian of each row: vmap(jacrev), or one reverse pass for each output of the batch's sum."""
    x, model = made()
    encoder = nn.Sequential(model.encoder.network, model.encoder.activation)

    def penalty(u: Tensor) -> Tensor:
        if vectorised:
            jacobian = torch.func.vmap(torch.func.jacrev(lambda row: encoder(row[None])[0]))(u)
            return cast(Tensor, jacobian.square().sum((1, 2)))
        jacobian = torch.autograd.functional.jacobian(lambda rows: encoder(rows).sum(0), u, create_graph=True)
        return cast(Tensor, jacobian.square().sum((0, 2)))

    return measured(penalty, x, model)


def measured(penalty: Penalty, x: Tensor, model: Any, draws: int = 1) -> Figures:
    """Milliseconds of the penalty with its pass back, and its errors."""
    weights = list(model.encoder.parameters())

    def once() -> tuple[Tensor, list[Tensor]]:
        mean = penalty(x).mean()
        found = torch.autograd.grad(mean, weights, allow_unused=True)
        return mean.detach(), [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)]

    from aezoo_contractive.jacobian import Contraction

    exact = Contraction("exact")(x, model.code).mean()
    truth = torch.autograd.grad(exact, weights[::2])
    scale = sum(float(g.square().sum()) for g in truth) ** 0.5
    values, gradients = [], []
    for _ in range(draws):
        value, grads = once()
        values.append(float(value / exact.detach() - 1) ** 2)
        gradients.append(sum(float((g - t).square().sum()) for g, t in zip(grads[::2], truth, strict=True)))
    times: list[float] = []
    while sum(times) < SECONDS:
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    return {
        "ms": 1e3 * sorted(times)[len(times) // 2],
        "error": (sum(values) / draws) ** 0.5,
        "gradient error": (sum(gradients) / draws) ** 0.5 / scale,
    }


def trained(arguments: argparse.Namespace, model: str, **options: Any) -> Figures:
    """Milliseconds of one step of training: the median epoch's, the first left out."""
    import aezoo

    x = torch.rand(ROWS, D, generator=torch.Generator().manual_seed(0))
    data = aezoo.data.Dataset(x.numpy(), spec=aezoo.DataSpec(shape=(D,), low=0, high=1, scaling="none"))
    stamps: list[float] = []

    class Clock:
        @aezoo.hookimpl
        def aezoo_epoch_end(self, run: object, metrics: object) -> None:
            stamps.append(time.perf_counter())

    options = {"epochs": 9, "validation": 0, "batch_size": BATCH, "device": "cpu", **options}
    aezoo.train(model, data, trackers=[Clock()], progress=False, **options)
    epochs = sorted(b - a for a, b in pairwise(stamps))
    return {"ms": 1e3 * epochs[len(epochs) // 2] / (ROWS * 0.8 // BATCH)}


# one network for both: the contractive model's own code is a sigmoid
ONE: dict[str, Any] = {"hidden": [], "latent_dim": H, "code_activation": "sigmoid"}
DEEP: dict[str, Any] = {"hidden": [H], "latent_dim": Z, "code_activation": "sigmoid"}
LINEAR: dict[str, Any] = {**DEEP, "code_activation": "identity", "projections": "exact"}

BENCHMARK = Benchmark(
    name="contraction",
    title="The contractive penalty: error against cost",
    contenders={
        "exact cheapest": ours("exact"),
        "exact by products": ordered("products"),
        "exact by gram of first": ordered("gram of the first"),
        "exact by gram of last": ordered("gram of the last"),
        "exact by both grams": ordered("both grams"),
        **{f"{count} projections": ours(count) for count in PROJECTIONS},
        f"{Z} projections": ours(Z),
        "torch vmap(jacrev)": partial(torch_jacobian, vectorised=True),
        "torch jacobian": partial(torch_jacobian, vectorised=False),
        "step one layer undercomplete": partial(trained, model="undercomplete", **ONE),
        "step one layer contractive": partial(trained, model="contractive", **ONE),
        "step deep undercomplete": partial(trained, model="undercomplete", **DEEP),
        "step deep one probe": partial(trained, model="contractive", projections=1, **DEEP),
        "step deep linear code": partial(trained, model="contractive", **LINEAR),
        "step deep exact": partial(trained, model="contractive", projections="exact", **DEEP),
    },
    ratios=(
        Ratio("exact by torch's vmap(jacrev) ÷ ours", "torch vmap(jacrev)", "exact cheapest", "ms", at_least=1.34),
        Ratio("exact by torch's jacobian ÷ ours", "torch jacobian", "exact cheapest", "ms", at_least=1.0),
        Ratio(
            "a step of one layer, contractive ÷ undercomplete",
            "step one layer contractive",
            "step one layer undercomplete",
            "ms",
            at_most=1.15,
        ),
        Ratio(
            "a deep step, one probe ÷ undercomplete",
            "step deep one probe",
            "step deep undercomplete",
            "ms",
            at_most=1.8,
        ),
        Ratio(
            "a deep step, linear code, exact ÷ undercomplete", "step deep linear code", "step deep undercomplete", "ms"
        ),
        Ratio("a deep step, sigmoid code, exact ÷ undercomplete", "step deep exact", "step deep undercomplete", "ms"),
    ),
    rounds=5,
)

if __name__ == "__main__":
    main(BENCHMARK)
