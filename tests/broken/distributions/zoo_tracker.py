"""Fails in every training event, in another way each, and meddles with what it is told."""

import sys

import aezoo


@aezoo.hookimpl
def aezoo_train_start(run):
    yield
    raise RuntimeError("in a generator")


class Others:
    """The other two events, since one that failed is left out."""

    @aezoo.hookimpl
    def aezoo_epoch_end(self, run, metrics):
        import torch

        torch.manual_seed(5)
        torch.rand(3)
        metrics.clear()

    @aezoo.hookimpl
    def aezoo_train_end(self, run, results):
        results.clear()
        sys.exit("bye")


others = Others()
