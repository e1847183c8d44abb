"""A stranger's plugin: installed, trained, loaded, removed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE / "thirdparty"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the plugin installed in it, as pip does it, apart from this environment."""
    folder = tmp_path_factory.mktemp("site")
    source = shutil.copytree(SOURCE, tmp_path_factory.mktemp("source") / "plugin")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "--target", folder, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def aezoo(site, folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "aezoo", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_installed_trained_loaded_and_removed(site, tmp_path):
    listed = json.loads(aezoo(site, tmp_path, "list", "--json").stdout)
    assert [row["distribution"] for row in listed if row["name"] == "hoyer"] == ["aezoo-hoyer"]
    assert "--hoyer NUMBER" in aezoo(site, tmp_path, "train", "--model", "hoyer", "--help").stdout

    trained = aezoo(site, tmp_path, "train", "--model", "hoyer", "--epochs", "2", "--out", "run", "--json")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["penalty_hoyer"] > 1
    used = aezoo(
        site, tmp_path, "train", "--model", "vae", "--regularizer", "hoyer=0.1", "--epochs", "1", "--out", "vae"
    )
    assert used.returncode == 0, used.stderr

    assert aezoo(site, tmp_path, "evaluate", "run", "--json").returncode == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["distribution"] == "aezoo-hoyer"
    assert config["versions"]["aezoo-hoyer"] == "1.0"

    disabled = {**os.environ, "PYTHONPATH": str(site), "AEZOO_DISABLE_PLUGINS": "all"}
    left = subprocess.run(
        [sys.executable, "-m", "aezoo", "list"], env=disabled, capture_output=True, text=True, check=True
    )
    assert "hoyer" not in left.stdout
    assert "contractive" in left.stdout

    for removed in (site / "aezoo_hoyer", *site.glob("aezoo_hoyer-*.dist-info")):
        shutil.rmtree(removed)
    gone = aezoo(site, tmp_path, "evaluate", "run")
    assert gone.returncode == 1
    assert len(gone.stderr.splitlines()) == 1
    assert "pip install aezoo-hoyer" in gone.stderr


def test_the_readme_tutorial_is_that_plugin():
    readme = (HERE.parent / "README.md").read_text(encoding="utf-8")
    blocks = {block.strip() for block in re.findall(r"```(?:toml|python)\n(.*?)```", readme, re.DOTALL)}
    for path in (SOURCE / "pyproject.toml", *(SOURCE / "aezoo_hoyer").glob("*.py")):
        assert path.read_text(encoding="utf-8").strip() in blocks, path.name
    lines = [line for p in (SOURCE / "aezoo_hoyer").glob("*.py") for line in p.read_text().splitlines() if line.strip()]
    assert len(lines) <= 30
