"""The examples: scripts with few epochs, and the code of the notebooks, whose outputs are kept with them."""

import json
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = {"anomalies": [], "own_modules": [], "sweep": ["--seeds", "2"]}
NOTEBOOKS = ("digits_on_a_plane", "sparse_dictionary")


@pytest.fixture(autouse=True)
def no_windows(monkeypatch, tmp_path):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)


def test_every_example_is_tried_and_listed():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SCRIPTS)
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(NOTEBOOKS)
    text = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(f"`{path.name}`" in text for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs(name, capsys, tmp_path):
    main = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    main(["--epochs", "2", *SCRIPTS[name]])
    said = capsys.readouterr().out
    assert {"anomalies": "AUROC", "own_modules": "the same bits: True", "sweep": "wrote sweep.png"}[name] in said
    assert (tmp_path / "sweep.png").exists() == (name == "sweep")


@pytest.fixture
def short(monkeypatch):
    from aezoo.core.options import TrainConfig

    parse = TrainConfig.parse.__func__
    monkeypatch.setattr(
        TrainConfig,
        "parse",
        classmethod(lambda cls, values, owner: parse(cls, {**values, "epochs": 1}, owner=owner)),
    )


def cells(name):
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebooks_code_runs_from_top_to_bottom(name, short):
    names = {"__name__": "notebook"}
    for cell in cells(name):
        exec(compile("".join(cell["source"]), f"{name} {cell['id']}", "exec"), names)
    sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_holds_its_outputs_in_order_and_no_error(name):
    found = cells(name)
    assert [cell["execution_count"] for cell in found] == list(range(1, len(found) + 1))
    assert all(cell["outputs"] for cell in found)
    assert not any(output["output_type"] == "error" for cell in found for output in cell["outputs"])
    assert not any(output.get("name") == "stderr" for cell in found for output in cell["outputs"])
    assert any("image/png" in output.get("data", {}) for cell in found for output in cell["outputs"])
