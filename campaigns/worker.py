"""One process that is fed: its limits, and the verdict on each input.

A line on standard input is a seed; a line of JSON on standard output is what became of its input.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from campaigns.subjects import MIB, SUBJECTS, FoundError, RefusedError, Subject, wrong_line

READ, REFUSED, FOUND = "read", "refused", "found"
# beyond what the process holds when it begins
ROOM = 1536 * MIB


@dataclass
class Outcome:
    """What became of an input: read, refused in one line, or found wanting, and why; what it took."""

    seed: int
    verdict: str
    said: str
    seconds: float
    memory: int


def attempt(subject: Subject, seed: int, folder: Path) -> Outcome:
    """Makes the input of ``seed`` in ``folder`` and has it read, warnings as errors."""
    with warnings.catch_warnings():
        # such as of two members of one name, which are meant
        warnings.simplefilter("ignore")
        given = subject.make(Random(f"{subject.name} {seed}"), folder)
    before, begun = _reset_peak(), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            verdict, said = _verdict(subject, given)
    finally:
        seconds, memory = time.process_time() - begun, max(0, _status("VmHWM") - before)
    if seconds > subject.seconds:
        verdict, said = FOUND, f"{seconds:.1f} seconds; {said}"
    if memory > subject.memory:
        verdict, said = FOUND, f"{memory / MIB:.0f} MiB; {said}"
    return Outcome(seed, verdict, said, seconds, memory)


def _verdict(subject: Subject, given: object) -> tuple[str, str]:
    from aezoo.errors import ZooError

    try:
        subject.read(given)
    except (ZooError, RefusedError) as error:
        line = str(error)
        if _ran_out(line):
            return FOUND, f"memory ran out: {line}"
        complaint = wrong_line(line)
        return (FOUND, complaint) if complaint else (REFUSED, line)
    except FoundError as error:
        return FOUND, str(error)
    except BaseException as error:
        where = " < ".join(
            f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[::-1][:5]
        )
        return FOUND, f"{type(error).__name__}: {str(error)[:300]} ({where})"
    return READ, ""


def _ran_out(line: str) -> bool:
    """Whether an allocation was tried and failed on the way: nothing bounded it before."""
    return "not enough memory" in line or "not fit in memory" in line


def _status(key: str) -> int:
    """Bytes of a line of /proc/self/status; 0 where there is none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    return 0


def _reset_peak() -> int:
    """Has the system count the peak from now on, where it can; what is held now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    return _status("VmRSS")


def limit(room: int) -> None:
    """Lets this process take so many bytes more than it holds; further allocations fail."""
    try:
        import resource
    except ImportError:
        return
    held = _status("VmData")
    if held:
        resource.setrlimit(resource.RLIMIT_DATA, (held + room, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def main() -> None:
    """Reads seeds until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m campaigns.worker", description=__doc__)
    parser.add_argument("subject", choices=sorted(SUBJECTS))
    subject = SUBJECTS[parser.parse_args().subject]
    # what the reader prints must not be taken for an answer
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[:] = [entry for entry in sys.path if entry]
    import torch

    torch.set_num_threads(1)
    limit(ROOM)
    home = Path(tempfile.mkdtemp(prefix="campaign-"))
    os.chdir(home)
    try:
        for line in sys.stdin:
            folder = home / "input"
            folder.mkdir()
            print(json.dumps(asdict(attempt(subject, int(line), folder))), file=answers, flush=True)
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
