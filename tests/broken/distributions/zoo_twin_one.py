"""Registers a name that another distribution has."""

import aezoo


@aezoo.hookimpl
def aezoo_models():
    yield aezoo.Model("twin", aezoo.PointConfig, "aezoo:assemble")
