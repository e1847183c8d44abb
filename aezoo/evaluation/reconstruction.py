"""How well data comes back through its code."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aezoo.data import Split
from aezoo.evaluation.split import seen_by
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import residual


def reconstruction_figures(model: Autoencoder, split: Split) -> dict[str, float]:
    """The errors of the reconstruction at the posterior's mean; no noise, no corruption, no dropout.

    Returns:
        ``squared_error``: summed over the datum, averaged over the rows, both sides in preprocessed units; of mixed
        tables over the values that a network takes, of a level its indicator beside its probability, where observed.
        ``explained_variance``: 1 − Σ‖x − x̂‖²/Σ‖x − x̄‖², at most 1, with x̄ the mean of each value over these rows:
        a prediction of that mean explains 0, and one that is worse less. Left out where no value changes.
        ``psnr``: 10·log₁₀(peak²/MSE) in dB, of images whose range is known, with MSE the mean squared error per value
        over all rows and peak the range, both in raw units (any scaling cancels); left out where the MSE is 0.
        ``reconstruction``: −log p(x | z), nats per example in preprocessed units.

    Examples:
        >>> sorted(aezoo.evaluation.reconstruction_figures(run.model, split))
        ['explained_variance', 'psnr', 'reconstruction', 'squared_error']
    """
    squared = relative = nats = 0.0
    unit = _range(model)
    spread = _Spread()
    with torch.no_grad(), model.evaluating():
        for raw in split.batches(model.rows_a_pass()):
            x = model.prepare(raw)
            px = model.decoder(model.code(x)[None])
            error = residual(x.double(), px)[0].square()
            squared += float(error.sum())
            spread.add(seen_by(model, x))
            nats -= float(px.log_prob(x).double().sum())
            if unit is not None:
                relative += float((error / unit.square()).sum())
    figures = {"squared_error": squared / len(split)}
    if spread.total > 0:
        figures["explained_variance"] = 1 - squared / spread.total
    if relative > 0:
        figures["psnr"] = -10 * math.log10(relative / (len(split) * model.spec.size))
    figures["reconstruction"] = nats / len(split)
    return figures


class _Spread:
    """Σ‖x − x̄‖² over batches of rows, merged as Chan, Golub and LeVeque do."""

    def __init__(self) -> None:
        self.rows, self.mean, self.squares = 0, torch.zeros(()), torch.zeros(())

    def add(self, x: Tensor) -> None:
        """Takes rows (B, *X) in."""
        rows = x.double()
        center, count = rows.mean(0), self.rows + len(x)
        delta = center - self.mean
        self.squares = self.squares + (rows - center).square().sum(0) + delta.square() * (self.rows * len(x) / count)
        self.mean, self.rows = self.mean + delta * (len(x) / count), count

    @property
    def total(self) -> float:
        """Of all rows and values."""
        return float(self.squares.sum())


def _range(model: Autoencoder) -> Tensor | None:
    """The data's whole range after preprocessing, broadcastable to a row; None where PSNR has no meaning."""
    low, high = model.spec.low, model.spec.high
    if not model.spec.is_image or low is None or high is None:
        return None
    scale = torch.ones(()) if model.preprocess is None else model.preprocess.get_buffer("scale")
    return (high - low) * scale.to(model.device, torch.float64)
