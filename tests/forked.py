"""Processes of their own, forked from one that has torch loaded already, so that each costs no start."""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path


class Forks:
    """Runs Python texts in processes; each text may set ``status``, with which its process then ends."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self):
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(60)

    def begin(self, text, folder):
        """A process that runs ``text`` in ``folder``; its number."""
        return self._ask({"text": text, "folder": str(folder)})

    def end(self, number):
        """Waits for a process; its exit status, or −N where signal N ended it, and what it printed in all."""
        return self._ask({"end": number})

    def run(self, text, folder):
        """Both."""
        return self.end(self.begin(text, folder))

    def _ask(self, question):
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


@functools.cache
def forks():
    """The one server of a test session."""
    found = Forks()
    atexit.register(found.close)
    return found


def wait_for(path, seconds=30):
    """Returns as soon as there is a file."""
    end = time.monotonic() + seconds
    while not Path(path).exists():
        assert time.monotonic() < end, f"no {path}"
        time.sleep(0.005)


def _serve():
    import aezoo.runs.repeats
    import aezoo.runs.resume  # noqa: F401 - for those that are forked

    # as at a terminal, also where the tests run in the background, which ignores Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    said = {}
    for line in sys.stdin:
        asked = json.loads(line)
        if "end" in asked:
            answer = [_status(asked["end"]), said.pop(asked["end"]).read_text()]
        else:
            out = Path(asked["folder"]) / f"said-{len(said)}-{time.monotonic_ns()}.txt"
            answer = os.fork()
            if not answer:
                _run(asked["text"], asked["folder"], out)
            said[answer] = out
        print(json.dumps(answer), flush=True)


def _status(number, seconds=60):
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(number, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(number, signal.SIGKILL)
        time.sleep(0.002)


def _run(text, folder, out):
    with out.open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    os.chdir(folder)
    found = {"status": 0}
    try:
        exec(text, found)
    except BaseException:
        traceback.print_exc()
        found["status"] = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(found["status"])


if __name__ == "__main__":
    _serve()
