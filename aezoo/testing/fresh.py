"""Another process, which did not train: it loads and trains what it is asked to, one model after the other.

One process serves all models of a check, since starting one takes longer than checking a model.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from aezoo.testing.result import Broken, one_line

# imports the manifests of plugins, one after the other, up to the first that brings torch
MANIFESTS = """
import importlib.metadata, json, sys
import aezoo
for name, distribution in json.loads(sys.argv[1]):
    for point in importlib.metadata.entry_points(group="aezoo", name=name):
        if point.dist is not None and point.dist.name == distribution:
            before = set(sys.modules)
            try:
                point.load()
            except BaseException:
                continue
            if "torch" in sys.modules:
                sys.exit(f"torch {name}")
"""


class Fresh:
    """The other process; started when first asked, and ended by ``close``."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._said: Any = None
        self._heavy: dict[tuple[str, str], bool] = {}

    def ask(self, do: str, **request: Any) -> None:
        """Has something done; raises Broken with what went wrong."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"do": do, **request}, default=str) + "\n")
            process.stdin.flush()
            said = process.stdout.readline()
        except BrokenPipeError:
            said = ""
        if not said:
            status = self._end(process)
            raise Broken(f"another process ended with status {status}: {self._last_words()}")
        reason = json.loads(said)
        if reason:
            raise Broken(f"in another process: {reason}")

    def brings_torch(self, plugin: tuple[str, str], all_of_them: list[tuple[str, str]]) -> bool:
        """Whether importing the manifest of a ``plugin`` (its name and distribution) imports torch.

        The answers for ``all_of_them`` are found at once.
        """
        left = [one for one in dict.fromkeys([*all_of_them, plugin]) if one not in self._heavy]
        while left:
            done = self._run("-c", MANIFESTS, json.dumps(left))
            name = done.stderr.strip().rpartition("torch ")[2] if done.returncode else ""
            culprit = next((one for one in left if one[0] == name), None)
            upto = len(left) if culprit is None else left.index(culprit) + 1
            self._heavy |= dict.fromkeys(left[:upto], False) | ({culprit: True} if culprit else {})
            left = left[upto:]
        return self._heavy[plugin]

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._end(self._process)
        if self._said is not None:
            self._said.close()
            self._said = None

    def _end(self, process: subprocess.Popen[str]) -> int:
        """Lets the process end, and returns its status."""
        self._process = None
        for pipe in (process.stdin, process.stdout):
            # what was not read by a process that is gone
            with contextlib.suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()
        return process.wait()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", *arguments], env=_environment(), capture_output=True, text=True, check=False
        )

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._said = self._said or tempfile.TemporaryFile("w+")  # noqa: SIM115 - open till close()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "aezoo.testing.served"],
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
            )
        return self._process

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().strip().splitlines()
        return one_line(lines[-1]) if lines else "it said nothing"


def _environment() -> dict[str, str]:
    """Where this process finds its modules, another one finds them too; and it sums in as many threads."""
    import torch

    path = os.pathsep.join(path for path in sys.path if path)
    # of texts that are hashed in the same way in both, the order of a set would be the same by chance
    hashing = {"PYTHONHASHSEED": "random"}
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(torch.get_num_threads()), **hashing}
