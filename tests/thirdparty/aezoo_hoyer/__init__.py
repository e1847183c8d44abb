"""Hoyer sparsity: codes whose weight lies on few units, whatever their length."""

from pydantic import Field

import aezoo


class HoyerConfig(aezoo.PointConfig):
    """Options of ``hoyer``."""

    hoyer: aezoo.Weight = Field(0.02, description="weight of the penalty")


@aezoo.hookimpl
def aezoo_models():
    build = "aezoo_hoyer.penalty:build"
    yield aezoo.Model("hoyer", HoyerConfig, build, family="sparse", summary=__doc__, references=["Hoyer 2004"])


@aezoo.hookimpl
def aezoo_regularizers():
    yield aezoo.Part("hoyer", "aezoo_hoyer.penalty:Hoyer", family="sparse", summary=__doc__)
