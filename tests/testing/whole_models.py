"""Models that are not broken, though some look it."""

from broken_penalties import RIGHT
from faults import HalfDetached, encoding, options, variational
from pydantic import Field

import aezoo
from aezoo.parts import (
    GaussianEncoder,
)


class Declared(HalfDetached):
    surrogate_gradient = True


def healthy(config, spec):
    return aezoo.assemble(config, spec)


def declared(config, spec):
    encoder = GaussianEncoder(Declared(spec.size, config.latent_dim))
    return aezoo.assemble(config, spec, **variational(config, spec, encoder=lambda network: encoder))


def labelled(config, spec):
    return encoding(lambda network, x: network(x) * (2 if config.label == "zebra" else 1))(config, spec)


def together(config, spec):
    """``power`` is of use where ``bent`` is set alone."""
    return encoding(lambda n, x: n(x).abs() ** config.power if config.bent else n(x))(config, spec)


def of_tables(config, spec):
    """``stretch`` is of use for tables alone."""
    return encoding(lambda network, x: network(x) * (1 if spec.is_image else config.stretch))(config, spec)


def label(value):
    return options("label", label=(str, Field("a", description="x", json_schema_extra={"check": value})))


STRETCH = {"stretch": (float, Field(1.0, gt=0, description="by how much"))}
BENT = {
    "bent": (bool, Field(False, description="whether")),
    "power": (float, Field(1.5, gt=0, description="to what power")),
}


@aezoo.hookimpl
def aezoo_models():
    texts = {"family": "healthy", "summary": "Healthy.", "references": ["Nobody 2000"]}
    for name, config, build in (
        ("healthy", options("healthy"), healthy),
        ("declared", options("declared"), declared),
        ("said", label("zebra"), labelled),
        ("said-in-vain", label("b"), labelled),
        ("together", options("bent", **BENT), together),
        ("of-tables", options("stretch", **STRETCH), of_tables),
        *((name, options(name), build) for name, build in RIGHT.items()),
    ):
        yield aezoo.Model(name, config, build, **texts)
