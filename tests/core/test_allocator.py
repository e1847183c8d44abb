"""glibc keeps freed memory while a model trains, and only then, and only where nobody has chosen otherwise."""

import ctypes
import subprocess
import sys

import pytest
import torch

from aezoo.core import allocator as heap
from aezoo.core.allocator import pages_kept

glibc = pytest.mark.skipif(heap._glibc() is None, reason="no glibc, or its thresholds are set by the environment")

COUNT = """
import resource, sys, torch
from aezoo.core.allocator import pages_kept
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        a = torch.ones(1 << 22)
        b = torch.ones(1 << 22)
        del a, b
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
usual = faults()
with pages_kept(torch.device("cpu")):
    faults()
    kept = faults()
held = [torch.ones(1 << 22)]
print(usual, kept)
"""

GIVEN_BACK = """
import os, torch
from aezoo.core.allocator import pages_kept
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
with pages_kept(torch.device("cpu")):
    for _ in range(3):
        big = torch.ones(50 << 20)
        del big
    within = resident()
print(within, resident())
"""


@glibc
def test_memory_is_asked_for_once():
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
    usual, kept = map(int, done.stdout.split())
    assert usual > 10_000
    assert kept < usual / 10


@glibc
def test_memory_is_given_back_afterwards():
    done = subprocess.run([sys.executable, "-c", GIVEN_BACK], capture_output=True, text=True, check=True)
    within, afterwards = map(int, done.stdout.split())
    assert within - afterwards > 100 << 20


@pytest.mark.parametrize(
    ("name", "value"), [("MALLOC_TRIM_THRESHOLD_", "1"), ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=4096")]
)
def test_a_choice_of_the_environment_is_left_alone(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    assert heap._glibc() is None


def test_tunables_of_other_parts_of_glibc_are_none_of_ours(monkeypatch):
    before = heap._glibc() is None
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.rtld.nns=4")
    assert (heap._glibc() is None) == before


def test_nothing_is_touched_elsewhere(monkeypatch):
    def refuse(name):
        raise AssertionError("the C library was opened")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pages_kept(torch.device("cuda", 0)):
        pass
    monkeypatch.setattr(sys, "platform", "darwin")
    with pages_kept(torch.device("cpu")):
        pass


def test_a_c_library_without_the_call_is_no_error(monkeypatch):
    class Other:
        pass

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Other())
    with pages_kept(torch.device("cpu")):
        pass


def test_an_error_in_the_block_comes_through():
    with pytest.raises(ZeroDivisionError), pages_kept(torch.device("cpu")):
        1 / 0  # noqa: B018
