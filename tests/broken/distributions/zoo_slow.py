"""Takes long to import, and works."""

import os
import time

import aezoo

time.sleep(float(os.environ.get("SLOW_SECONDS", "5")))


@aezoo.hookimpl
def aezoo_models():
    yield aezoo.Model("patient", aezoo.PointConfig, "aezoo:assemble")
