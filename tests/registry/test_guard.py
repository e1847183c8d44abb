"""A stranger's code that is imported changes nothing for everybody else, and writes nothing to standard output."""

import contextlib
import io
import os
import signal
import subprocess
import sys

import pytest
import torch

from aezoo.registry import guarded
from aezoo.registry.guard import aside, unchanged


@pytest.mark.parametrize(
    ("what", "change", "read"),
    [
        ("the working directory", lambda: os.chdir("/"), os.getcwd),
        (
            "what Ctrl-C does",
            lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            lambda: signal.getsignal(signal.SIGINT),
        ),
        ("torch's default dtype", lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
        ("torch's default device", lambda: torch.set_default_device("meta"), torch.get_default_device),
        ("whether torch makes gradients", lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
        (
            "whether torch is deterministic",
            lambda: torch.use_deterministic_algorithms(True),
            torch.are_deterministic_algorithms_enabled,
        ),
        ("torch's number of threads", lambda: torch.set_num_threads(7), torch.get_num_threads),
    ],
)
def test_what_is_set_for_all_is_put_back_and_named(what, change, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = read()
    with unchanged() as put_back:
        change()
        assert read() != before
    assert read() == before
    assert put_back == [what]

    @unchanged()
    def fails():
        change()
        raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        fails()
    assert read() == before


def test_code_that_changes_nothing_leaves_nothing_to_put_back():
    with guarded() as put_back:
        torch.rand(3)
    assert put_back == []


WAYS = {
    "print": "print('stray')",
    "bytes": "sys.stdout.buffer.write(b'stray\\n')",
    "first stream": "sys.__stdout__.write('stray\\n')",
    "descriptor": "os.write(1, b'stray\\n')",
    "process": "os.system('echo stray')",
    "C": "ctypes.CDLL(None).puts(b'stray')",
    "closed": "print('stray'); sys.stdout.close(); sys.__stdout__.close()",
    "closed descriptor": "print('stray'); os.close(1)",
    "closed error stream": "print('stray'); sys.stderr.close()",
    "replaced": "print('stray'); sys.stdout = sys.stderr = sys.__stdout__ = None",
}


def test_nothing_that_is_written_reaches_standard_output_and_what_follows_does():
    """All ways in one process, which is real: only there are the streams those of the system."""
    code = "\n".join(
        [
            "import ctypes, os, sys",
            "from aezoo.registry.guard import aside",
            "print('before')",
            *(f"with aside():\n    {way}" for way in WAYS.values()),
            "print('after')",
            "print('the end', file=sys.stderr)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "before\nafter\n"), done.stderr
    assert done.stderr.count("stray") == len(WAYS)
    assert done.stderr.endswith("the end\n")


def test_streams_that_are_texts_alone_will_do():
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        with aside():
            print("stray")
            sys.stdout.buffer.write(b"bytes")
            sys.stdout.flush()
            assert sys.stdout.writable()
        print("after")
    assert (out.getvalue(), err.getvalue()) == ("after\n", "stray\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_the_shell_has_closed_are_no_trouble(closed):
    code = "import sys; from aezoo.registry.guard import aside\nwith aside():\n    print(3)\nsys.exit(7)"
    done = subprocess.run(["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, code], check=False)
    assert done.returncode == 7
