"""Models that fail when they are built or trained."""

import aezoo


@aezoo.hookimpl
def aezoo_models():
    for name in ("dictionary", "nobody", "breaks", "quits", "labels", "wide", "nan", "composed", "late", "backward"):
        yield aezoo.Model(name, aezoo.PointConfig, f"zoo_models_maths:{name}")
    yield aezoo.Model("nowhere", aezoo.PointConfig, "zoo_models.nowhere:build")
    yield aezoo.Model("number", aezoo.PointConfig, 3)
