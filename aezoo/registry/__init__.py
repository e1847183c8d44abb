"""How models, parts and datasets are found: ``aezoo.registry.models["contractive"]``.

Builds nothing and knows no torch.
"""

from __future__ import annotations

from typing import Any

from aezoo.registry.catalog import generate, location, read, render
from aezoo.registry.distributions import OURS
from aezoo.registry.entries import CONTEXT, DatasetEntry, Entry, Inspection, Kind, Model, Part, arguments, asks_for
from aezoo.registry.guard import aside, guarded, unchanged
from aezoo.registry.hookspecs import hookimpl
from aezoo.registry.lookup import Lookup
from aezoo.registry.origin import culprit, mark, naming, of, origin, signed, strangers
from aezoo.registry.papers import bibtex
from aezoo.registry.plugins import Plugin, Plugins
from aezoo.registry.tables import fill, pages, written_cards

plugins = Plugins()
models: Lookup[Model] = Lookup("model", plugins)
datasets: Lookup[DatasetEntry] = Lookup("dataset", plugins)
regularizers: Lookup[Part] = Lookup("regularizer", plugins)
priors: Lookup[Part] = Lookup("prior", plugins)
corruptions: Lookup[Part] = Lookup("corruption", plugins)
likelihoods: Lookup[Part] = Lookup("likelihood", plugins)
networks: Lookup[Part] = Lookup("network", plugins)
activations: Lookup[Part] = Lookup("activation", plugins)
inspections: Lookup[Inspection] = Lookup("inspection", plugins)
parts: dict[Kind, Lookup[Part]] = {
    "regularizer": regularizers,
    "prior": priors,
    "corruption": corruptions,
    "likelihood": likelihoods,
    "network": networks,
    "activation": activations,
}


def register(module: Any, name: str = "") -> Plugin:
    """Registers a module or object with hooks for this process, without packaging it.

    Examples:
        >>> class Mine:
        ...     @aezoo.hookimpl
        ...     def aezoo_corruptions(self):
        ...         return [aezoo.Part("nothing", torch.nn.Identity, summary="Leaves the data as it is.")]
        >>> aezoo.registry.register(Mine(), name="mine").entries["corruption"][0].name
        'nothing'
    """
    return plugins.register(module, name)


__all__ = [
    "CONTEXT",
    "OURS",
    "DatasetEntry",
    "Entry",
    "Inspection",
    "Kind",
    "Lookup",
    "Model",
    "Part",
    "Plugin",
    "activations",
    "arguments",
    "aside",
    "asks_for",
    "bibtex",
    "corruptions",
    "culprit",
    "datasets",
    "fill",
    "generate",
    "guarded",
    "hookimpl",
    "inspections",
    "likelihoods",
    "location",
    "mark",
    "models",
    "naming",
    "networks",
    "of",
    "origin",
    "pages",
    "parts",
    "plugins",
    "priors",
    "read",
    "register",
    "regularizers",
    "render",
    "signed",
    "strangers",
    "unchanged",
    "written_cards",
]
