"""A model whose config takes whatever it is given."""

from pydantic import ConfigDict

import aezoo


class LooseConfig(aezoo.ModelConfig):
    model_config = ConfigDict(extra="allow")


@aezoo.hookimpl
def aezoo_models():
    yield aezoo.Model("loose", LooseConfig, "aezoo:assemble")
