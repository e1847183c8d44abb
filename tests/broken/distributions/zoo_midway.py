"""Raises after its first model."""

import aezoo


@aezoo.hookimpl
def aezoo_models():
    yield aezoo.Model("midway", aezoo.PointConfig, "aezoo:assemble")
    raise LookupError("lost the thread")
