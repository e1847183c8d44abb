"""Real processes, killed at random moments and in the middle of writing, end with the bytes of one that never was."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


# one with an opponent's optimizer, one whose best weights are not its last
@pytest.mark.parametrize("case", ["opponent", "patience"])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_was(case):
    command = [sys.executable, "-m", "campaigns.kill", "--case", case, "--kills", "5", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^5 kills in 1 cases, 0 failed$", done.stdout, re.MULTILINE)
