"""Parts that are not what they say."""

import aezoo

KINDS = {
    "corruptions": ("flat", "fifth", "unborn"),
    "likelihoods": ("unsummed", "bare"),
    "priors": ("scalar", "text"),
    "activations": ("word", "last-batch"),
    "networks": ("single", "narrow", "quoted", "odd"),
    "regularizers": ("chatty", "integer", "anything"),
}


def hook(kind):
    def give():
        for name in KINDS[kind]:
            yield aezoo.Part(name, f"zoo_parts_maths:{name.replace('-', '_')}")

    give.__name__ = f"aezoo_{kind}"
    return aezoo.hookimpl(give)


for kind in KINDS:
    globals()[f"aezoo_{kind}"] = hook(kind)


@aezoo.hookimpl
def aezoo_datasets():
    yield aezoo.DatasetEntry("rows", "zoo_parts_maths:rows")


@aezoo.hookimpl
def aezoo_inspections():
    yield aezoo.Inspection("stare", "zoo_parts_maths:stare")
