"""A part whose config is pydantic's own."""

from pydantic import BaseModel

import aezoo


class LaxConfig(BaseModel):
    strength: float = 1.0


@aezoo.hookimpl
def aezoo_corruptions():
    yield aezoo.Part("lax", print, LaxConfig)
