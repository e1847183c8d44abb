"""Writes to standard output while it is imported, in every way, and closes it."""

import os
import sys

import aezoo

print("loud: print")
sys.stdout.buffer.write(b"loud: bytes\n")
sys.__stdout__.write("loud: the first stream\n")
os.write(1, b"loud: descriptor\n")
os.system("echo loud: process")
sys.stdout.close()
sys.__stdout__.close()


@aezoo.hookimpl
def aezoo_models():
    print("loud: hook")
    yield aezoo.Model("loud", aezoo.PointConfig, "zoo_loud:build")


def build(config, spec):
    print("loud: build")
    os.write(1, b"loud: build, descriptor\n")
    return aezoo.assemble(config, spec)
