"""``aezoo check`` and the pytest plugin, on installed distributions: one that is whole, and one that is not."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aezoo.testing.fresh import Fresh
from aezoo.testing.result import Broken

HOYER = Path(__file__).parents[1] / "thirdparty" / "aezoo_hoyer"
FAULTY = '''"""Faults that show in a process of their own alone."""

import torch

import aezoo


class FaultyConfig(aezoo.PointConfig):
    """Options."""


def build(config, spec):
    """Weights that depend on how Python hashes texts, which every process does anew."""
    print("noise")
    model = aezoo.assemble(config, spec)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.mul_(1 + hash("zoo") % 1000 / 1000)
    return model


@aezoo.hookimpl
def aezoo_models():
    yield aezoo.Model("faulty", FaultyConfig, build, family="broken", summary="Faulty.")
'''
CONFTEST = 'pytest_plugins = ["aezoo.testing"]\n'
TEST = "def test_contract(aezoo_check):\n    aezoo_check()\n"


def install(site, name, module):
    """What pip leaves of a distribution: its metadata, beside its module."""
    about = site / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[aezoo]\n{name} = {module}\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(HOYER, folder / "aezoo_hoyer")
    (folder / "faulty_models.py").write_text(FAULTY)
    install(folder, "aezoo_hoyer", "aezoo_hoyer")
    install(folder, "aezoo_faulty", "faulty_models")
    return folder


def run(site, folder, *command):
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "300"}
    environment.pop("PYTHONHASHSEED", None)
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_two_distributions_in_one_command(site, tmp_path):
    done = run(site, tmp_path, "aezoo", "check", "faulty", "--plugin", "Aezoo.Hoyer", "--json")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    found = {(row["subject"], row["check"]): row for row in json.loads(done.stdout)}
    assert {model for model, _ in found} == {"faulty", "hoyer", "regularizer hoyer"}
    wrong = {key: row["status"] for key, row in found.items() if row["status"] not in ("held", "skipped")}
    assert wrong == {
        ("faulty", "described"): "failed", ("faulty", "fresh"): "failed", ("faulty", "manifest"): "warning"
    }  # fmt: skip
    assert found["faulty", "fresh"]["reason"].startswith("trained in another process with the same seed,")
    assert "importing plugin 'aezoo_faulty' imports torch" in found["faulty", "manifest"]["reason"]
    assert found["hoyer", "fresh"]["status"] == found["hoyer", "resumed"]["status"] == "held"
    assert not list(tmp_path.iterdir())


def test_the_pytest_plugin_makes_a_test_of_each_check(site, tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\naezoo_distribution = aezoo-faulty\nfilterwarnings = error\n")
    chosen = "built or described or manifest or samples"
    done = run(site, tmp_path, "pytest", "-q", "-rfEs", "-p", "no:cacheprovider", "-k", chosen)
    assert done.returncode == 1, done.stdout
    assert re.search(r"2 failed, 1 passed, 1 skipped, \d+ deselected", done.stdout), done.stdout
    assert "test_contract[faulty-described] - Failed: faulty: Docstrings and references are there" in done.stdout
    assert "ContractWarning" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_distribution_without_models_is_an_error_of_usage(site, tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TEST)
    done = run(site, tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "--aezoo-distribution", "aezoo-hoier")
    assert done.returncode in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED)
    assert "no models or parts of a distribution 'aezoo-hoier'; did you mean 'aezoo-hoyer'" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "check needs a model, or --plugin DISTRIBUTION"),
        (("contractiv",), "no model 'contractiv'"),
        (("--plugin", "nobody"), "no models or parts of a distribution 'nobody'"),
        (("vae", "--plugin", ""), "no distribution to check"),
    ],
)
def test_what_cannot_be_checked_is_one_line(arguments, reason, cli):
    result = cli("check", *arguments)
    assert result.status == 2
    assert result.out == ""
    assert len(result.err.splitlines()) == 1
    assert reason in result.err


def test_another_process_that_ends_is_a_reason_and_is_started_again():
    fresh = Fresh()
    with pytest.raises(Broken, match="in another process: KeyError: 'model'"):
        fresh.ask("train")
    fresh._process.kill()
    with pytest.raises(Broken, match="another process ended with status -9"):
        fresh.ask("train")
    with pytest.raises(Broken, match="in another process: KeyError: 'path'"):
        fresh.ask("use")
    fresh.close()


def test_another_process_hashes_texts_in_its_own_way(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    said = {Fresh()._run("-c", "print(hash('zoo'))").stdout for _ in range(2)}
    assert len(said) == 2


def test_the_table_says_what_held_and_what_did_not(cli, monkeypatch):
    from aezoo.testing import CHECKS, Contract, Result

    def run(self, name, check):
        found = {"seeds": ("failed", "they do not"), "gpu": ("skipped", "none here"), "manifest": ("warning", "slow")}
        return Result(check.name, *found.get(check.name, ("held", "")))

    monkeypatch.setattr(Contract, "run", run)
    result = cli("check", "vae", "linear", "vae")
    assert result.status == 1
    lines = result.out.splitlines()
    assert len(lines) == 1 + 2 * len(CHECKS) + 1
    row = next(line for line in lines if line.startswith("vae") and "seeds" in line)
    assert row.split(maxsplit=3) == ["vae", "seeds", "FAILED", "they do not"]
    assert lines[-1] == f"{2 * len(CHECKS) - 6} held, 2 failed, 2 skipped, 2 warnings."

    monkeypatch.setattr(Contract, "run", lambda self, name, check: Result(check.name, "warning", "slow"))
    assert cli("check", "vae").status == 0
