"""Sparse autoencoders: many units, few of them active for any one datum."""

from __future__ import annotations

from collections.abc import Iterator

import aezoo

MAKHZANI = "Makhzani & Frey 2014, k-sparse autoencoders, arXiv:1312.5663"


OLSHAUSEN = "Olshausen & Field 1996, Emergence of simple-cell receptive field properties"


BUSSMANN = "Bussmann et al. 2024, BatchTopK sparse autoencoders, arXiv:2412.06410"


RAJAMANOHARAN = "Rajamanoharan et al. 2024, Jumping ahead: JumpReLU sparse autoencoders, arXiv:2407.14435"


WINNER_TAKE_ALL = "Makhzani & Frey 2015, Winner-take-all autoencoders, arXiv:1409.2752"


GAO = "Gao et al. 2024, Scaling and evaluating sparse autoencoders, arXiv:2406.04093"


NG = "Ng 2011, Sparse autoencoder (CS294A lecture notes)"


@aezoo.hookimpl
def aezoo_models() -> Iterator[aezoo.Model]:
    """The family's models; ``sparse`` is its usual form, sparse-l1."""
    build = "aezoo_sparse.build:build_"
    for name in ("sparse", "sparse-l1"):
        yield aezoo.Model(
            name,
            "aezoo_sparse.options:SparseL1Config",
            build + "l1",
            family="sparse",
            summary="An L1 penalty on the code, the negative log-density of a Laplace prior.",
            references=(OLSHAUSEN,),
        )
    yield aezoo.Model(
        "sparse-kl",
        "aezoo_sparse.options:SparseKLConfig",
        build + "kl",
        family="sparse",
        summary="Each unit's mean activation is drawn to a small firing rate by a KL divergence.",
        references=(NG,),
    )
    yield aezoo.Model(
        "topk",
        "aezoo_sparse.options:TopKConfig",
        build + "topk",
        family="sparse",
        summary="Only the k largest units of a code are kept.",
        references=(MAKHZANI, GAO),
    )
    yield aezoo.Model(
        "batch-topk",
        "aezoo_sparse.options:BatchTopKConfig",
        build + "batch_topk",
        family="sparse",
        summary="Only the largest units of a batch of codes are kept, k a code on average; afterwards a threshold.",
        references=(BUSSMANN, GAO),
    )
    yield aezoo.Model(
        "jumprelu",
        "aezoo_sparse.options:JumpReLUConfig",
        build + "jumprelu",
        family="sparse",
        summary="Units count above thresholds that are learned under a penalty on their number.",
        references=(RAJAMANOHARAN,),
    )


@aezoo.hookimpl
def aezoo_regularizers() -> Iterator[aezoo.Part]:
    """Penalties that make any model's code sparse."""
    yield aezoo.Part(
        "l1",
        "aezoo_sparse.penalties:L1",
        "aezoo_sparse.options:L1Options",
        family="sparse",
        summary="The code's absolute values, summed.",
        references=(OLSHAUSEN,),
    )
    yield aezoo.Part(
        "firing-rate",
        "aezoo_sparse.penalties:FiringRate",
        "aezoo_sparse.options:FiringRateOptions",
        family="sparse",
        summary="KL divergence of each unit's mean activation from a wanted rate, summed over units.",
        references=(NG,),
    )
    yield aezoo.Part(
        "l0",
        "aezoo_sparse.jumprelu:L0",
        family="sparse",
        summary="The number of active units of a jumprelu code, whose thresholds it moves.",
        references=(RAJAMANOHARAN,),
    )
    yield aezoo.Part(
        "aux-k",
        "aezoo_sparse.auxiliary:AuxiliaryK",
        "aezoo_sparse.options:AuxiliaryKOptions",
        family="sparse",
        summary="What the reconstruction misses, reconstructed by dead units, which so come back.",
        references=(GAO,),
    )


@aezoo.hookimpl
def aezoo_activations() -> Iterator[aezoo.Part]:
    """Activations that make any model's code sparse."""
    yield aezoo.Part(
        "topk",
        "aezoo_sparse.topk:TopK",
        "aezoo_sparse.options:TopKOptions",
        family="sparse",
        summary="Keeps the k largest values, rectified, and zeroes the rest.",
        references=(MAKHZANI,),
    )
    yield aezoo.Part(
        "batch-topk",
        "aezoo_sparse.topk:BatchTopK",
        "aezoo_sparse.options:BatchTopKOptions",
        family="sparse",
        summary="Keeps the largest values of a batch, k a code on average; afterwards those above a threshold.",
        references=(BUSSMANN,),
    )
    yield aezoo.Part(
        "jumprelu",
        "aezoo_sparse.jumprelu:JumpReLU",
        "aezoo_sparse.options:JumpReLUOptions",
        family="sparse",
        summary="Keeps the values above a learned threshold; for codes.",
        references=(RAJAMANOHARAN,),
    )
    yield aezoo.Part(
        "winner-take-all",
        "aezoo_sparse.topk:WinnerTakeAll",
        "aezoo_sparse.options:WinnerTakeAllOptions",
        family="sparse",
        summary="Keeps each unit's largest values over a batch, rectified; afterwards a plain ReLU.",
        references=(WINNER_TAKE_ALL,),
    )
