"""Returns one model instead of a list."""

import aezoo


@aezoo.hookimpl
def aezoo_models():
    return aezoo.Model("lone", aezoo.PointConfig, "aezoo:assemble")
