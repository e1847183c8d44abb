"""A model with an option that JSON has no form for."""

import aezoo


class Thing:
    pass


class UnwritableConfig(aezoo.ModelConfig):
    model_config = {"arbitrary_types_allowed": True}  # noqa: RUF012
    thing: Thing = Thing()


@aezoo.hookimpl
def aezoo_models():
    yield aezoo.Model("unwritable", UnwritableConfig, "aezoo:assemble")
