"""Every hook that a plugin may implement, one docstring each.

A plugin is a module named by an entry point of the group ``aezoo``; it marks its functions with ``@aezoo.hookimpl``.
The hooks that return entries are called once, when the registry is first used; the training events are called during
a run. An event hook may ask for any subset of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from aezoo.registry.entries import DatasetEntry, Inspection, Model, Part

if TYPE_CHECKING:
    import click

hookspec = pluggy.HookspecMarker("aezoo")
hookimpl = pluggy.HookimplMarker("aezoo")


@hookspec
def aezoo_models() -> Iterable[Model]:  # type: ignore[empty-body]
    """Models: a name, a config class, and a function that builds an Autoencoder from the config and the data's spec."""


@hookspec
def aezoo_regularizers() -> Iterable[Part]:  # type: ignore[empty-body]
    """Regularizers: penalties that any model takes by ``--regularizer NAME=WEIGHT``."""


@hookspec
def aezoo_priors() -> Iterable[Part]:  # type: ignore[empty-body]
    """Priors: distributions over codes, chosen by ``--prior NAME`` in models that have one."""


@hookspec
def aezoo_corruptions() -> Iterable[Part]:  # type: ignore[empty-body]
    """Corruptions: what the encoder's input goes through in training, chosen by ``--corruption NAME=STRENGTH``."""


@hookspec
def aezoo_likelihoods() -> Iterable[Part]:  # type: ignore[empty-body]
    """Likelihoods: distributions of the data given the code, chosen by ``--likelihood NAME``."""


@hookspec
def aezoo_networks() -> Iterable[Part]:  # type: ignore[empty-body]
    """Networks: functions that return an encoder's and a decoder's network, chosen by ``--network NAME``."""


@hookspec
def aezoo_activations() -> Iterable[Part]:  # type: ignore[empty-body]
    """Activations of hidden layers (``--activation NAME``) or of the code (``--code-activation NAME``)."""


@hookspec
def aezoo_datasets() -> Iterable[DatasetEntry]:  # type: ignore[empty-body]
    """Datasets: functions that load an ``aezoo.data.Dataset``, chosen by ``--data NAME``."""


@hookspec
def aezoo_inspections() -> Iterable[Inspection]:  # type: ignore[empty-body]
    """Ways to look at a trained model: figures and a picture, asked for by ``aezoo inspect RUN --NAME``."""


@hookspec
def aezoo_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Further commands of ``aezoo``; called only when the command line needs them."""


@hookspec
def aezoo_train_start(run: Any) -> None:
    """Training is about to take its first step; ``run`` describes it (folder, model, data, configs)."""


@hookspec
def aezoo_steps_end(run: Any, metrics: dict[str, float]) -> None:
    """``--log-every`` steps ended; ``metrics`` is the line just written to metrics.jsonl, of the last of them."""


@hookspec
def aezoo_epoch_end(run: Any, metrics: dict[str, float]) -> None:
    """An epoch ended; ``metrics`` is the line just written to metrics.jsonl."""


@hookspec
def aezoo_train_end(run: Any, results: dict[str, float]) -> None:
    """Training ended and the model was evaluated; ``results`` holds the figures of the test split."""
