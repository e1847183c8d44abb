"""``aezoo new``: what it writes is built, installed, listed, trained, checked and tested for real."""

import contextlib
import errno
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import aezoo
from aezoo.cli import main
from aezoo.testing import scaffold

ROOT = Path(__file__).parents[2]
# the second is as long as a name may be
NAMES = ("x", "a-sparse-model-of-some-length-99")
OTHERS = {f"a-{kind}": kind for kind in scaffold.KINDS if kind != "model"}
PACKAGES = (*NAMES, *OTHERS)
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def environment(site):
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(site), os.getenv("PYTHONPATH"))))}


def run(folder, *command, site=""):
    done = subprocess.run(command, cwd=folder, env=environment(site), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def zoo(folder, site, *arguments):
    status, out, err = run(folder, sys.executable, "-m", "aezoo", *arguments, site=site)
    assert status == 0, err
    return out


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two new models and one package of each other kind side by side, and what the command said of each."""
    folder = tmp_path_factory.mktemp("new")
    for name in PACKAGES:
        kind = ["--kind", OTHERS[name]] if name in OTHERS else []
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
            assert main(["new", name, *kind, "--json"]) == 0
        (folder / f"{name}.json").write_text(out.getvalue())
    return folder


@pytest.fixture(scope="module")
def wheels(folder):
    """A wheel of each, built as for publishing."""
    options = ("--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", "dist")
    status, _, err = run(folder, *PIP, "wheel", *options, *(f"./aezoo-{name}" for name in PACKAGES))
    assert status == 0, err
    return sorted((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def site(folder, wheels):
    """A folder with all installed in it, apart from this environment."""
    status, _, err = run(folder, *PIP, "install", "--no-deps", "--no-index", "-q", "--target", "site", *wheels)
    assert status == 0, err
    return folder / "site"


@pytest.mark.parametrize("name", PACKAGES)
def test_it_says_what_it_wrote_and_what_to_do_next(name, folder):
    told = json.loads((folder / f"{name}.json").read_text())
    assert told["folder"] == told["distribution"] == f"aezoo-{name}"
    package = folder / told["folder"]
    written = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert set(told["files"]) == {path for path in written if "build" not in path}
    assert f"src/{told['module']}/py.typed" in written
    kind = OTHERS.get(name, "model")
    assert (told["kind"], told[kind]) == (kind, name)
    checks = {"model": [f"aezoo check {name}"], "regularizer": [f"aezoo check --plugin aezoo-{name}"]}
    checks["likelihood"] = [f"aezoo check --plugin aezoo-{name}"]
    assert told["next"] == [f"cd aezoo-{name} && pip install -e '.[test]'", *checks.get(kind, []), "pytest"]
    for check in (*checks.get(kind, []), "pytest"):
        assert f"\n{check} " in (package / "README.md").read_text(encoding="utf-8")
        assert f"- run: {check}\n" in (package / ".github/workflows/tests.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PACKAGES)
def test_nothing_of_the_template_is_left_and_the_metadata_can_be_published(name, folder):
    package = folder / f"aezoo-{name}"
    for path in json.loads((folder / f"{name}.json").read_text())["files"]:
        text = path + (package / path).read_text(encoding="utf-8")
        assert not re.search(r"my.?model|YEAR", text, re.IGNORECASE), path
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["description"] == f"The {OTHERS.get(name, 'model')} {name} for aezoo, the autoencoder zoo."
    assert project["dependencies"] == [f"aezoo>={aezoo.__version__}"]
    assert project["entry-points"]["aezoo"] == {name: f"aezoo_{name.replace('-', '_')}"}
    assert re.search(rf"^Copyright \(c\) 20\d\d the authors of aezoo-{name}$", (package / "LICENSE").read_text(), re.M)


def test_a_wheel_holds_the_package_its_licence_and_its_entry_point(wheels):
    found = {wheel.name.partition("-")[0]: wheel for wheel in wheels}
    assert found.keys() == {f"aezoo_{name.replace('-', '_')}" for name in PACKAGES}
    for name in NAMES:
        wheel = found[f"aezoo_{name.replace('-', '_')}"]
        module = f"aezoo_{name.replace('-', '_')}"
        with zipfile.ZipFile(wheel) as archive:
            held = set(archive.namelist())
            assert {path for path in held if path.startswith(f"{module}/")} == {
                f"{module}/__init__.py", f"{module}/penalty.py", f"{module}/py.typed",
            }  # fmt: skip
            info = f"{module}-0.1.0.dist-info"
            assert {path.split("/")[0] for path in held} == {module, info}
            assert f"{info}/licenses/LICENSE" in held
            assert f"{name} = {module}" in archive.read(f"{info}/entry_points.txt").decode()


def test_both_are_listed_and_lend_their_penalties_to_each_other(site, tmp_path):
    rows = {row["name"]: row for row in json.loads(zoo(tmp_path, site, "list", "--json"))}
    assert [rows[name]["distribution"] for name in NAMES] == [f"aezoo-{name}" for name in NAMES]
    options = ("--regularizer", f"{NAMES[1]}=0.1,scale=2", "--epochs", "1", "--out", "run", "--json")
    figures = json.loads(zoo(tmp_path, site, "train", "--model", NAMES[0], *options))
    # both of the same code, the narrower one is the larger
    assert figures[f"penalty_{NAMES[0]}"] > figures[f"penalty_{NAMES[1]}"] > 0
    versions = json.loads((tmp_path / "run" / "config.json").read_text())["versions"]
    assert versions[f"aezoo-{NAMES[0]}"] == "0.1.0"


def test_its_manifest_imports_no_torch(site, tmp_path):
    modules = ", ".join(f"aezoo_{name.replace('-', '_')}" for name in PACKAGES)
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert run(tmp_path, sys.executable, "-c", code, site=site)[0] == 0


def test_it_keeps_the_contract_and_its_own_tests_pass(site, folder, tmp_path):
    name = NAMES[1]
    command = [sys.executable, "-m", "aezoo", "check", name, "--json"]
    # beside the package's tests, which need not make every one of the same checks again
    with subprocess.Popen(command, cwd=tmp_path, env=environment(site), stdout=subprocess.PIPE, text=True) as check:
        choice = ("-k", "test_penalty or described")
        pytest_ = (sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *choice)
        status, out, err = run(folder / f"aezoo-{name}", *pytest_, site=site)
        found = json.loads(check.communicate()[0])
    assert status == 0, out + err
    assert f"PASSED tests/test_contract.py::test_contract[{name}-described]" in out
    assert "PASSED tests/test_penalty.py::test_trained" in out
    assert check.returncode == 0, found


def test_the_own_tests_of_every_other_kind_pass(site, folder):
    command = (sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not contract")
    started = {
        name: subprocess.Popen(
            command,
            cwd=folder / f"aezoo-{name}",
            env={**environment(site), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in OTHERS
    }
    said = {name: process.communicate()[0] for name, process in started.items()}
    failed = [said[name] for name, process in started.items() if process.returncode]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("name", ["a-regularizer", "a-likelihood"])
def test_parts_keep_the_contract(name, site, tmp_path):
    rows = json.loads(zoo(tmp_path, site, "check", "--plugin", f"aezoo-{name}", "--json"))
    assert {row["status"] for row in rows} <= {"held", "skipped"}
    assert sum(row["status"] == "held" for row in rows) > 15


def test_each_kind_is_used_as_its_readme_says(site, tmp_path):
    options = ("--epochs", "2", "--latent-dim", "2", "--hidden", "8", "--json")
    parts = ("--regularizer", "a-regularizer=0.1", "--likelihood", "a-likelihood", "--data", "a-dataset,rows=200")
    results = json.loads(zoo(tmp_path, site, "train", "--model", "undercomplete", *parts, "--out", "run", *options))
    assert results["penalty_a-regularizer"] > 0
    assert len((tmp_path / "run" / "a-tracker.csv").read_text().splitlines()) == 3
    found = json.loads(zoo(tmp_path, site, "inspect", "run", "--a-inspection", "--json"))
    assert len(found["a-inspection"]["mean_squared_error"]) == 3
    assert (tmp_path / "run" / "inspect" / "a-inspection.png").exists()


def test_the_types_of_every_kind_are_sound(folder, tmp_path):
    sources = [str(folder / f"aezoo-{name}" / "src") for name in ("x", *OTHERS)]
    settings = ("--config-file", f"{folder}/aezoo-x/pyproject.toml", "--cache-dir", str(tmp_path))
    paths = [str(path) for source in sources for path in Path(source).glob("aezoo_*")]
    command = [sys.executable, "-m", "mypy", *settings, *paths]
    env = {**os.environ, "MYPYPATH": os.pathsep.join(sources)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no name for a model"),
        ("a/b", "such as 'a-b'"),
        ("../up", "such as 'up'"),
        ("a.b", "such as 'a-b'"),
        ("two words", "such as 'two-words'"),
        ("line\nbreak", "such as 'line-break'"),
        ("MyOwn", "such as 'my-own'"),
        ("under_score", "such as 'under-score'"),
        ("two--dashes", "such as 'two-dashes'"),
        ("ends-", "such as 'ends'"),
        ("3d", "such as 'd'"),
        ("é", "no name for a model"),
        ("None", "no name for a model"),
        ("٣", "no name for a model"),
        ("a" * 33, "at most 32"),
        ("a" * 100_000, "at most 32"),
        ("class", "word of Python's own"),
        ("none", "word of Python's own"),
        ("aezoo", "the zoo itself"),
        ("aezoo-", "no name for a model"),
        ("aezoo-aezoo", "the zoo itself"),
        ("vae", "taken, as model, by aezoo"),
        ("aezoo-vae", "taken, as model, by aezoo"),
        ("l1", "taken, as regularizer, by aezoo"),
        ("moons", "taken, as dataset, by aezoo"),
        ("spectrum", "taken, as inspection, by aezoo"),
        ("variational", "taken by plugin 'variational'"),
        ("--unknown", "No such option"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_in_one_line(name, reason, cli, tmp_path):
    done = cli("new", name)
    assert done.status == 2
    assert reason in done.err
    assert done.err.count("\n") == 1
    assert len(done.err) < 300
    assert not list(tmp_path.iterdir())


def test_a_name_that_a_published_plugin_has_is_refused(cli, monkeypatch, tmp_path):
    rows = [{"name": "Aezoo_Vamp", "models": ["exemplar"], "regularizers": ["pull"]}, {"name": "aezoo-bare"}]
    monkeypatch.setattr(scaffold, "community", lambda: rows)
    for name, owner in {
        "vamp": "Aezoo_Vamp",
        "exemplar": "Aezoo_Vamp",
        "pull": "Aezoo_Vamp",
        "bare": "aezoo-bare",
    }.items():
        done = cli("new", name)
        assert (done.status, f"taken by {owner}" in done.err) == (2, True)
    assert cli("new", "vampire").status == 0


def test_a_distribution_that_is_installed_under_another_spelling_keeps_its_name(cli, monkeypatch):
    plugin = aezoo.registry.Plugin("other", "Aezoo_Odd.Name")
    monkeypatch.setattr(aezoo.registry.plugins, "_found", [*aezoo.registry.plugins, plugin])
    assert "taken by plugin 'other'" in cli("new", "odd-name").err


def test_no_name_clashes_with_what_the_package_uses_itself_or_makes_a_line_too_long(tmp_path):
    for name in (
        "tensor",
        "regularizer",
        "weighted",
        "fields",
        "point",
        "model",
        "penalty",
        "iterator",
        "m" * 32,
        *NAMES,
    ):
        for kind in scaffold.KINDS:
            scaffold.write(scaffold.names(name), tmp_path / kind / name, "0.1.0", 2026, kind)
    for check in (("check",), ("format", "--check")):
        status, out, err = run(tmp_path, sys.executable, "-m", "ruff", *check, "--no-cache", ".")
        assert status == 0, out + err


def test_the_distribution_names_the_model_as_well(cli, tmp_path):
    done = cli("new", "aezoo-foo")
    assert (done.status, "the model 'foo'" in done.out) == (0, True)
    assert [path.name for path in tmp_path.iterdir()] == ["aezoo-foo"]


def test_a_folder_that_is_not_empty_and_a_file_are_left_alone(cli, tmp_path):
    assert cli("new", "foo").status == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = cli("new", "foo")
    assert (again.status, again.err.count("\n")) == (2, 1)
    assert "aezoo-foo exists and is not empty: choose another --out." in again.err
    file = cli("new", "foo", "--out", "aezoo-foo/LICENSE")
    assert (file.status, "is a file" in file.err) == (1, True)
    below = cli("new", "foo", "--out", "aezoo-foo/LICENSE/deeper")
    assert (below.status, "cannot be written" in below.err) == (1, True)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_an_empty_folder_is_filled_even_the_current_one(cli, tmp_path):
    assert cli("new", "foo", "--out", "deep/down").status == 0
    here = tmp_path / "here"
    here.mkdir()
    inode = here.stat().st_ino
    with contextlib.chdir(here):
        assert main(["new", "foo", "--out", "."]) == 0
    assert tree(here) == tree(tmp_path / "deep" / "down")
    assert here.stat().st_ino == inode
    assert (tmp_path / "deep" / "down").stat().st_mode == (here / "src").stat().st_mode


@pytest.mark.parametrize("out", ["fresh", "deep/down/fresh", "empty"])
@pytest.mark.parametrize(
    ("owner", "name"), [(Path, "write_text"), (Path, "mkdir"), (Path, "rename"), (tempfile, "mkdtemp")]
)
def test_wherever_the_disk_is_full_nothing_is_left_behind(owner, name, out, cli, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    plain = getattr(owner, name)
    for last in itertools.count():
        calls = itertools.count()

        def full(*arguments, last=last, calls=calls, **options):
            if next(calls) == last:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return plain(*arguments, **options)

        monkeypatch.setattr(owner, name, full)
        done = cli("new", "foo", "--out", out)
        if done.status == 0:
            break
        assert (done.status, done.err.count("\n")) == (1, 1)
        assert "No space left on device" in done.err
        assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
    assert last > 0
    assert tree(tmp_path / out)


def test_the_template_is_whole_and_goes_into_the_wheel(tmp_path):
    caches = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}
    there = {path.relative_to(ROOT / "template") for path in (ROOT / "template").rglob("*") if path.is_file()}
    wanted = {str(path) for path in there if not caches & {*path.parts}}
    used = {f"{where}/{path}" for kind in scaffold.KINDS for path, where in scaffold.files_of(kind).items()}
    assert wanted == used | {f"{where}/README.md" for where in ("shared", *scaffold.KINDS)}
    with contextlib.chdir(ROOT):
        (wheel,) = WheelBuilder(".").build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        held = {path.removeprefix("aezoo/template/") for path in archive.namelist() if "/template/" in path}
    assert held == wanted


def test_it_loads_no_torch(tmp_path):
    code = "import sys; from aezoo.cli import main; main(['new', 'foo']); sys.exit('torch' in sys.modules)"
    assert run(tmp_path, sys.executable, "-c", code)[0] == 0
    assert (tmp_path / "aezoo-foo" / "pyproject.toml").exists()


def test_what_its_readme_says_of_other_models_can_be_built():
    from torch import nn

    from aezoo import parts

    readme = (ROOT / "template" / "model" / "README.md").read_text(encoding="utf-8")
    asked = re.findall(r"^\| (`.*?`) \|", readme, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(asked)) == list(parts.VOCABULARY)
    encoders = re.findall(r"`(encoder=[^`]*)`", readme)
    assert len(encoders) == 2
    spec = aezoo.DataSpec(shape=(6,))
    names = {name: getattr(parts, name) for name in parts.__all__} | {"MyNetwork": nn.Linear}
    names |= {"aezoo": aezoo, "spec": spec, "config": aezoo.ModelConfig(latent_dim=3)}
    for encoder in encoders:
        model = eval(f"aezoo.assemble(config, spec, {encoder}, regularizers=[])", names)
        assert model.encode([[0.0] * 6] * 2).shape == (2, 3)


def test_a_model_is_named_alike_wherever_a_name_is_needed():
    names = scaffold.names("aezoo-two-stage2-vae")
    assert (names.model, names.distribution) == ("two-stage2-vae", "aezoo-two-stage2-vae")
    assert (names.module, names.stem) == ("aezoo_two_stage2_vae", "TwoStage2Vae")


def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are(cli, tmp_path):
    done = cli("new", "foo", "--kind", "prior")
    assert done.status == 2
    assert all(kind in done.err for kind in scaffold.KINDS)
    assert not list(tmp_path.iterdir())


def test_the_command_offers_the_kinds_that_there_are():
    from aezoo.cli.new import KINDS

    assert tuple(scaffold.KINDS) == KINDS
