"""A name that is a path."""

import aezoo


@aezoo.hookimpl
def aezoo_models():
    yield aezoo.Model("../escape", aezoo.PointConfig, "aezoo:assemble")
