"""Activations of the core, for hidden layers and codes."""

from __future__ import annotations

from torch import nn


def identity() -> nn.Module:
    """z, unchanged."""
    return nn.Identity()


def relu() -> nn.Module:
    """max(z, 0)."""
    return nn.ReLU()


def leaky_relu(slope: float = 0.01) -> nn.Module:
    """z where positive, else ``slope``·z."""
    return nn.LeakyReLU(slope)


def elu() -> nn.Module:
    """z where positive, else exp(z) − 1."""
    return nn.ELU()


def gelu() -> nn.Module:
    """z·Φ(z)."""
    return nn.GELU()


def silu() -> nn.Module:
    """z·sigmoid(z)."""
    return nn.SiLU()


def sigmoid() -> nn.Module:
    """1/(1 + exp(−z))."""
    return nn.Sigmoid()


def tanh() -> nn.Module:
    """tanh z."""
    return nn.Tanh()


def softplus() -> nn.Module:
    """log(1 + exp z)."""
    return nn.Softplus()
