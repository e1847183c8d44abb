import json
import subprocess
import sys

import pytest

import aezoo
from aezoo import registry


def test_list_shows_every_model_with_its_family_and_distribution(cli):
    rows = json.loads(cli("list", "--json").out)
    assert {row["name"] for row in rows} == set(registry.models)
    assert {row["family"] for row in rows} >= {"undercomplete", "sparse", "denoising", "contractive", "variational"}
    text = cli("list").out
    for row in rows:
        assert any(row["name"] in line and row["family"] in line for line in text.splitlines())


def test_list_by_family_and_by_part(cli):
    assert {row["name"] for row in json.loads(cli("list", "--family", "sparse", "--json").out)} >= {"topk", "sparse-kl"}
    kinds = {row["kind"] for row in json.loads(cli("list", "--parts", "--json").out)}
    assert kinds == set(registry.parts)
    result = cli("list", "--family", "dense")
    assert result.status == 2
    assert "sparse" in result.err


@pytest.mark.parametrize("name", ["contractive", "l1", "digits", "masking", "conv"])
def test_show_tells_all_about_a_thing(cli, name):
    shown = json.loads(cli("show", name, "--json").out)
    assert shown["name"] == name
    assert set(shown) >= {"summary", "references", "capabilities", "options", "distribution", "kind"}
    assert name in cli("show", name).out


def test_show_of_a_name_of_two_kinds_shows_both(cli):
    assert {row["kind"] for row in json.loads(cli("show", "laplace", "--json").out)} == {"likelihood", "prior"}


def test_show_of_nothing(cli):
    result = cli("show", "contractve")
    assert result.status == 2
    assert "'contractive'" in result.err


def test_datasets_and_plugins(cli):
    assert {row["name"] for row in json.loads(cli("datasets", "--json").out)} == set(registry.datasets)
    rows = json.loads(cli("plugins", "--json").out)
    assert {row["name"] for row in rows} >= {"core", "contractive", "variational"}
    assert all(row["status"] == "ok" for row in rows)
    assert "contractive" in cli("plugins").out


def test_the_catalogue_is_in_step_with_the_code(cli):
    result = cli("registry", "--check")
    assert result.status == 0, result.err
    catalogue = registry.read()
    for kind in ("models", "datasets", "regularizers", "likelihoods"):
        assert {row["name"] for row in catalogue[kind]} <= set(getattr(registry, kind))
    for row in catalogue["models"]:
        assert row["results"]["squared_error"] > 0, row["name"]


def test_a_catalogue_out_of_step_is_an_error_that_names_the_remedy(cli, monkeypatch, tmp_path):
    (tmp_path / "registry.json").write_text('{"format": 1, "community": []}')
    monkeypatch.setattr(registry, "location", lambda: tmp_path / "registry.json")
    result = cli("registry", "--check")
    assert result.status == 1
    assert "aezoo registry --write" in result.err
    assert cli("registry").status == 2


def test_an_unknown_command_suggests_one(cli):
    result = cli("trian")
    assert result.status == 2
    assert "'train'" in result.err
    assert len(result.err.splitlines()) == 1


def test_version(cli):
    assert aezoo.__version__ in cli("--version").out


@pytest.mark.parametrize(
    "arguments", [["list"], ["--help"], ["show", "contractive"], ["datasets"], ["plugins"], ["train", "--help"]]
)
def test_looking_up_imports_neither_torch_nor_numpy(arguments):
    code = (
        "import sys; from aezoo.cli import main; status = main(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'matplotlib', 'sklearn'} & set(sys.modules);"
        "print(sorted(heavy), file=sys.stderr); sys.exit(status or bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_aezoo_brings_nothing_heavy():
    code = "import sys, aezoo; sys.exit(bool({'torch', 'numpy', 'pydantic', 'click'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
