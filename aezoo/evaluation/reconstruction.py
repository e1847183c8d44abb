"""How well data comes back through its code."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aezoo.data import Split
from aezoo.model.autoencoder import Autoencoder


def reconstruction_figures(model: Autoencoder, split: Split) -> dict[str, float]:
    """The errors of the reconstruction at the posterior's mean; no noise, no corruption, no dropout.

    Returns:
        ``squared_error``: summed over the datum, averaged over the rows, both sides in preprocessed units.
        ``psnr``: 10·log₁₀(peak²/MSE) in dB, of images whose range is known, with MSE the mean squared error per value
        over all rows and peak the range, both in raw units (any scaling cancels); left out where the MSE is 0.
        ``reconstruction``: −log p(x | z), nats per example in preprocessed units.

    Examples:
        >>> sorted(aezoo.evaluation.reconstruction_figures(run.model, split))
        ['psnr', 'reconstruction', 'squared_error']
    """
    squared = relative = nats = 0.0
    unit = _range(model)
    with torch.no_grad(), model.evaluating():
        for raw in split.batches(model.rows_a_pass()):
            x = model.prepare(raw)
            px = model.decoder(model.code(x)[None])
            error = (px.mean[0].double() - x.double()).square()
            squared += float(error.sum())
            nats -= float(px.log_prob(x).double().sum())
            if unit is not None:
                relative += float((error / unit.square()).sum())
    figures = {"squared_error": squared / len(split)}
    if relative > 0:
        figures["psnr"] = -10 * math.log10(relative / (len(split) * model.spec.size))
    figures["reconstruction"] = nats / len(split)
    return figures


def _range(model: Autoencoder) -> Tensor | None:
    """The data's whole range after preprocessing, broadcastable to a row; None where PSNR has no meaning."""
    low, high = model.spec.low, model.spec.high
    if not model.spec.is_image or low is None or high is None:
        return None
    scale = torch.ones(()) if model.preprocess is None else model.preprocess.get_buffer("scale")
    return (high - low) * scale.to(model.device, torch.float64)
