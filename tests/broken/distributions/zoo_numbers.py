"""A family that is a number, which no table could sort."""

import aezoo


@aezoo.hookimpl
def aezoo_models():
    yield aezoo.Model("numbers", aezoo.PointConfig, "aezoo:assemble", family=7)
