#!/usr/bin/env bash
# torch 2.13.0: torch.compile, merely called, turns the checks of arguments of torch.distributions off for the whole
# process: also of code that is not compiled and of libraries that rely on them. Nothing says so, and nothing turns them
# on again. Who tests that a wrong argument is refused, finds that it depends on which test ran before.
# Seen:
#   before True
#   after False
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q 'torch==2.13.0' 'numpy==2.4.6'
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.distributions import Distribution

print("before", Distribution._validate_args)
torch.compile(lambda x: 2 * x, backend="eager")
print("after", Distribution._validate_args)
PYTHON
)
wanted="before True
after False"
[ "$seen" = "$wanted" ] || { echo "it changed: $seen"; exit 1; }
echo "as before: $seen"
