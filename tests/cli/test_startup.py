"""What must not be loaded before it is needed: torch for a look-up, and whatever is slow before the first step."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "matplotlib", "sklearn", "scipy")
# each takes a tenth of a second or more, and none of them takes part in a step
LATER = ("matplotlib", "sklearn", "scipy", "pandas", "rich", "sympy", "torch._dynamo", "torch._inductor", "torch.onnx")
REPORT = "import json, sys; from aezoo.cli import main; status = main({arguments!r});"
LOADED = "print(json.dumps(sorted(sys.modules)), file=sys.stderr); sys.exit(status)"
# progress is told of every step
TO_THE_FIRST_STEP = """
import json, os, sys
from aezoo.cli import main
from aezoo.core.progress import Progress
def advance(self, rows):
    assert rows == 128, "the first news is not of a step"
    os.write(1, json.dumps(sorted(sys.modules)).encode())
    os._exit(0)
Progress.advance = advance
main({arguments!r})
"""


def loaded(code, tmp_path, **environment):
    """The modules that a process names at its end, on one of its streams."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={"OMP_NUM_THREADS": "1", "PATH": "", **environment, **inherited()},
    )
    assert done.returncode == 0, done.stderr
    stream = done.stdout if done.stdout.startswith("[") else done.stderr
    return json.loads(stream.strip().splitlines()[-1])


def inherited():
    import os

    return {name: os.environ[name] for name in ("PYTHONPATH", "HOME", "LANG") if name in os.environ}


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["datasets"]])
def test_names_are_listed_without_a_class_of_options(arguments, tmp_path):
    found = loaded(REPORT.format(arguments=arguments) + LOADED, tmp_path, AEZOO_DISABLE_PLUGINS="all")
    assert not {"pydantic", *HEAVY} & set(found)


@pytest.mark.parametrize("arguments", [["list"], ["show", "vae"], ["--help"], ["train", "--model", "vae", "--help"]])
def test_looking_up_loads_nothing_heavy(arguments, tmp_path):
    found = loaded(REPORT.format(arguments=arguments) + LOADED, tmp_path)
    assert not set(HEAVY) & set(found)


@pytest.mark.parametrize(("words", "answer"), [("aezoo tr", "train"), ("aezoo train --lat", "--latent-dim")])
def test_completion_loads_nothing_heavy(words, answer, tmp_path):
    code = (
        "import atexit, json, sys;atexit.register(lambda: print(json.dumps(sorted(sys.modules)), "
        "file=sys.stderr));from aezoo.cli import main; main([])"
    )
    count = str(len(words.split()) - 1)
    asked = {"_AEZOO_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count}
    assert not set(HEAVY) & set(loaded(code, tmp_path, **asked))
    done = subprocess.run(
        [sys.executable, "-m", "aezoo"], capture_output=True, text=True, check=False, env={**inherited(), **asked}
    )
    assert f"plain,{answer}" in done.stdout.split()


@pytest.mark.parametrize(
    "options", [["--model", "contractive"], ["--model", "vae", "--optimizer", "adamw"], ["--optimizer", "sgd"]]
)
def test_the_first_step_waits_for_nothing_that_it_does_not_need(options, tmp_path):
    found = loaded(TO_THE_FIRST_STEP.format(arguments=["train", *options]), tmp_path)
    assert "torch" in found
    assert not set(LATER) & set(found)


@pytest.mark.parametrize(("name", "status", "words"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")])
def test_a_signal_in_the_first_imports_is_said_in_one_line(name, status, words):
    code = f"""
import os, signal, sys

class Slow:
    def find_spec(self, module, *rest):
        if module == "click":
            os.kill(os.getpid(), signal.{name})

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Slow())
from aezoo.cli import main
sys.exit(main(["list"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
