"""Models that are broken in how they learn: gradients, the loss, frozen parameters."""

import torch
from faults import COUNT, HalfDetached, Size, breaks, decoding
from torch import nn

import aezoo
from aezoo.parts import (
    KL,
    GaussianEncoder,
    PointEncoder,
    Regularizer,
    StandardNormal,
    Weighted,
)


class TwoBranches(nn.Module):
    def __init__(self, network, size, code):
        super().__init__()
        self.network, self.other = network, nn.Linear(size, code)

    def forward(self, x):
        return self.network(x) + self.other(x.flatten(1)).detach()


@breaks("gradients", "no gradient reaches encoder.network.other.weight")
def detached_branch(config, spec):
    def encoder(network):
        return PointEncoder(TwoBranches(network, spec.size, config.latent_dim))

    return aezoo.assemble(config, spec, encoder=encoder)


@breaks("slopes", "the loss moves with encoder.network.trunk")
def detached_head(config, spec):
    encoder = GaussianEncoder(HalfDetached(spec.size, config.latent_dim))
    return aezoo.assemble(
        config, spec, encoder=lambda network: encoder, prior=StandardNormal((config.latent_dim,)),
        regularizers=[Weighted("kl", KL())],
    )  # fmt: skip


class Idle(nn.Module):
    def __init__(self, network, factor):
        super().__init__()
        self.network, self.shift, self.factor = network, nn.Parameter(torch.zeros(())), factor

    def forward(self, x):
        return self.network(x) if self.factor is None else self.network(x) + self.factor * self.shift


@breaks("gradients", "no gradient reaches encoder.network.shift")
def unused_parameter(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Idle(network, None)))


@breaks("gradients", "the gradient of encoder.network.shift is zero")
def parameter_without_effect(config, spec):
    return aezoo.assemble(config, spec, encoder=lambda network: PointEncoder(Idle(network, 0.0)))


@breaks("learns", "weight -0.1: below zero")
def negative_weight(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("size", Size(), -0.1)])


@breaks("learns", "in training")
def wrong_sign(config, spec):
    return decoding(config, spec, log_prob=lambda value: -value.clamp(min=-500))


@breaks("learns", "reconstruct()")
def turned_reconstruction(config, spec):
    return decoding(config, spec, mean=lambda mean: mean.flip(-1, -2) if spec.is_image else mean.flip(-1))


@breaks("learns", "reconstruct()")
def reconstruction_off_scale(config, spec):
    return decoding(config, spec, mean=lambda mean: 2.5 * mean)


class Pushing(Regularizer):
    """So heavy that nothing else is learned."""

    def forward(self, z, px):
        return 1e3 * (z.flatten(2).square().sum(-1) + (px.mean - 9.0).flatten(2).square().sum(-1))


@breaks("learns", "whatever the penalties do")
def loss_falls_by_the_penalty(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("pushing", Pushing(), 1.0)])


@breaks("learns", "the loss went from")
def loss_of_random_targets(config, spec):
    return decoding(config, spec, log_prob=lambda value: value * 0.1 * (1 + torch.rand(())) - COUNT.next())


@breaks("frozen", "training does not move decoder")
def gradient_taken_away(config, spec):
    model = aezoo.assemble(config, spec)
    list(model.decoder.parameters())[-1].register_hook(torch.zeros_like)
    return model


class Pull(Regularizer):
    """Pulls the decoder's first matrix towards zero, by hand."""

    def forward(self, z):
        return z.abs().flatten(2).sum(-1)

    def after_step(self, decoder):
        next(decoder.parameters()).mul_(0.99)


@breaks("frozen", "has requires_grad=False, and training moves it")
def frozen_parameter_moves(config, spec):
    return aezoo.assemble(config, spec, regularizers=[Weighted("pull", Pull(), 0.01)])
