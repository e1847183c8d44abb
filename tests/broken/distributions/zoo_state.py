"""Changes the working directory, Ctrl-C and torch for everybody, and a model that does so when it is built."""

import os
import signal

import aezoo

os.chdir("/")
signal.signal(signal.SIGINT, signal.SIG_DFL)


@aezoo.hookimpl
def aezoo_models():
    yield aezoo.Model("state", aezoo.PointConfig, "zoo_state:build")


def build(config, spec):
    import torch

    model = aezoo.assemble(config, spec)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return model
