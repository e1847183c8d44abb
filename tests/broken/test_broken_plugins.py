"""Distributions that misbehave, all installed at once: each is named where it is used, and harms nobody else."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import aezoo
from aezoo import registry

SOURCES = Path(__file__).parent / "distributions"
# plugin: what `aezoo plugins` says of it; nothing where it works
REASONS = {
    "raises": "failed to import: RuntimeError: no such luck",
    "missing": "No module named 'a_package_that_nobody_has' (install the package that brings",
    "slow": "",
    "twin-one": "",
    "twin-two": "",
    "loose": "must extend aezoo.ModelConfig and stay frozen and strict, with extra keys forbidden",
    "lax": "the config of 'lax' must extend aezoo.Config",
    "unwritable": "the options of 'unwritable' cannot be used, or not be written as JSON",
    "newer": "needs aezoo>=99, and this is aezoo",
    "future": "cannot import name 'Telepathy' from 'aezoo'",
    "loud": "",
    "exits": "failed to import: SystemExit: 0",
    "stops": "failed to import: Stop",
    "recursive": "failed to import: RecursionError",
    "absent": "failed to import: AttributeError: module 'zoo_absent' has no attribute 'plugin'",
    "lone": "aezoo_models returned a lone Model: it must return a list, or yield.",
    "midway": "LookupError: lost the thread",
    "names": "aezoo_models gave the name '../escape': use letters, digits and dashes",
    "numbers": "the family of 'numbers' must be a text (got 7)",
    "greedy": "activation 'relu' has a name that models of aezoo use unasked: give it another name.",
    "state": "",
    "commands": "",
    "tracker": "",
    "tracker-too": "",
    "models": "",
    "parts": "",
    "nameless": "",
}
TARGETS = {"absent": "zoo_absent:plugin", "tracker-too": "zoo_tracker:others", "nameless": "zoo_loud:sys"}
MODULES = {"models": ["zoo_models", "zoo_models_maths"], "parts": ["zoo_parts", "zoo_parts_maths"], "nameless": []}
SEVERAL = {"tracker": ["tracker", "tracker-too"]}
REQUIRES = {"newer": ["aezoo>=99"], "loud": ["aezoo>=0.1", "aezoo-other>=99"]}
TRAIN = ["train", "--epochs", "1", "--json", "--out", "run", "--overwrite"]


def wheel(folder, name):
    """A wheel of one distribution, as a build backend leaves it."""
    stem = f"aezoo_{name.replace('-', '_')}-1.0"
    info = f"{stem}.dist-info"
    points = "".join(
        f"{point} = {TARGETS.get(point, 'zoo_' + point.replace('-', '_'))}\n" for point in SEVERAL.get(name, [name])
    )
    needs = "".join(f"Requires-Dist: {line}\n" for line in REQUIRES.get(name, ["aezoo"]))
    files = {
        f"{module}.py": (SOURCES / f"{module}.py").read_text(encoding="utf-8")
        for module in MODULES.get(name, [f"zoo_{name.replace('-', '_')}"])
    } | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: aezoo-{name}\nVersion: 1.0\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[aezoo]\n{points}",
    }
    record = io.StringIO()
    csv.writer(record).writerows([file, "", ""] for file in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record.getvalue()}.items():
            archive.writestr(file, text)
    return folder / f"{stem}-py3-none-any.whl"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with all of them installed by pip."""
    folder, built = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("built")
    names = [name for name in REASONS if name != "tracker-too"]
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile"]
    wheels = [wheel(built, name) for name in names]
    done = subprocess.run([*command, "--target", folder, *wheels], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # what pip would not install, and a disk can do
    (folder / "aezoo_nameless-1.0.dist-info" / "METADATA").unlink()
    return folder


def run(site, folder, *command, stdin="", **environment):
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    variables = {**os.environ, "PYTHONPATH": path, "SLOW_SECONDS": "0", "AEZOO_DISABLE_PLUGINS": "", **environment}
    command = [sys.executable, *command]
    return subprocess.run(command, input=stdin, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_list_shows_what_works_and_says_of_the_rest_whose_it_is(site, tmp_path):
    done = run(site, tmp_path, "-m", "aezoo", "list", "--json", SLOW_SECONDS="1.1")
    assert done.returncode == 0, done.stderr
    names = [row["name"] for row in json.loads(done.stdout)]
    assert {*names} >= {name for name, entry in registry.models.items() if entry.distribution == "aezoo"}
    assert {"patient", "loud", "twin", "dictionary"} <= {*names}
    assert not {"loose", "unwritable", "midway", "../escape"} & {*names}
    for name in (name for name, reason in REASONS.items() if reason):
        found = re.search(
            rf"^aezoo: note: plugin '(aezoo-)?{name}' \(aezoo-{name} 1.0\) is left out: .+$", done.stderr, re.MULTILINE
        )
        assert found, name
    assert (
        "plugin 'slow' (aezoo-slow 1.0) took 1.1 s to import: AEZOO_DISABLE_PLUGINS=slow leaves it out" in done.stderr
    )
    assert "loud: descriptor" in done.stderr


def test_plugins_shows_what_is_wrong_and_whose_it_is(site, tmp_path):
    done = run(
        site, tmp_path, "-W", "error", "-m", "aezoo", "plugins", "--json", AEZOO_DISABLE_PLUGINS="loud,aezoo-exits"
    )
    assert done.returncode == 0, done.stderr
    rows = {row["name"].removeprefix("aezoo-"): row for row in json.loads(done.stdout)}
    assert all(row["status"] == "ok" for row in rows.values() if row["distribution"] == "aezoo")
    for name, reason in REASONS.items():
        row = rows[name]
        owner = next((owner for owner, points in SEVERAL.items() if name in points), name)
        assert row["distribution"] in (f"aezoo-{owner}", f"aezoo_{owner}"), row
        disabled = name in ("loud", "exits")
        assert row["status"] == ("disabled" if disabled else "broken" if reason else "ok"), row
        assert disabled or reason in row["error"], row
        assert "\n" not in row["error"]
    assert rows["state"]["notes"] == [
        f"its import changed {what}, which was put back" for what in ("the working directory", "what Ctrl-C does")
    ]
    assert rows["commands"]["notes"] == ["its command 'train' is left out, since aezoo has one of that name"]


USES = {
    "twin": (["--model", "twin"], "'aezoo-twin-one' .plugin 'twin-one'. and 'aezoo-twin-two' .plugin 'twin-two'."),
    "loose": (["--model", "loose"], "model 'loose' is of plugin 'loose' .aezoo-loose 1.0., which cannot be used: the"),
    "unwritable": (["--model", "unwritable"], "is of plugin 'unwritable' .aezoo-unwritable 1.0., which cannot be used"),
    "midway": (["--model", "midway"], "plugin 'midway' .aezoo-midway 1.0., which cannot be used: LookupError: lost"),
    "lone": (
        ["--model", "lone"],
        "model 'lone' is of plugin 'lone' .aezoo-lone 1.0., which cannot be used: ",
    ),
    "raises": (["--model", "raises"], "no model 'raises'.*plugin 'raises' .aezoo-raises 1.0. could not be used"),
    "newer": (["--model", "newer"], "plugin 'newer' .aezoo-newer 1.0. could not be used.*: needs aezoo>=99"),
    "lax": (["--corruption", "lax=1"], "corruption 'lax' is of plugin 'lax' .aezoo-lax 1.0., which cannot be used"),
    "dictionary": (["--model", "dictionary"], "model 'dictionary' of MODELS built dict, no aezoo.Autoencoder"),
    "nobody": (["--model", "nobody"], "model 'nobody' of MODELS built NoneType"),
    "breaks": (["--model", "breaks"], "model 'breaks' of MODELS failed to build: ValueError: no way"),
    "quits": (["--model", "quits"], "model 'quits' of MODELS failed to build: SystemExit: enough"),
    "composed": (["--model", "composed"], "two left feet: use a right one .'composed' of MODELS"),
    "nowhere": (
        ["--model", "nowhere"],
        "'nowhere' of MODELS names 'zoo_models.nowhere:build', which cannot be imported",
    ),
    "number": (["--model", "number"], "'number' of MODELS names 3, which is int and cannot be called"),
    "labels": (["--model", "labels"], "regularizer 'labels' of MODELS asks for 'labels', which no training step has"),
    "wide": (["--model", "wide"], "regularizer 'wide' of MODELS returned .1, 2, 3. for 1 draws of 2 rows"),
    "nan": (["--model", "nan"], "regularizer 'nan' of MODELS is nan for made-up rows"),
    "late": (["--model", "late"], "stopped being finite at step 11: term 'late' is nan;.*'late' of MODELS"),
    "backward": (["--model", "backward"], "of MODELS failed.*: ArithmeticError: no way back"),
    "flat": (["--corruption", "flat"], "corruption flat of PARTS returned .8192,. for rows .128, 1, 8, 8."),
    "fifth": (["--corruption", "fifth"], "corruption 'fifth' of PARTS failed.*: KeyError: 'five'"),
    "unborn": (
        ["--corruption", "unborn"],
        "corruption 'unborn' of PARTS is not whole: its constructor must call super",
    ),
    "unsummed": (["--likelihood", "unsummed"], "likelihood unsummed of PARTS has a log-density .1, 2, 1, 8, 8. and"),
    "bare": (["--likelihood", "bare"], "likelihood 'bare' of PARTS is not whole"),
    "scalar": (["--model", "vae", "--prior", "scalar"], "prior scalar of PARTS draws .. with a log-density .."),
    "text": (["--model", "vae", "--prior", "text"], "prior 'text' of PARTS made str, no aezoo.parts.Prior"),
    "word": (["--activation", "word"], "activation 'word' of PARTS made str, no torch.nn.Module"),
    "last": (
        ["--activation", "last-batch"],
        "activation 'last-batch' of PARTS failed.*: IndexError: a batch of another",
    ),
    "single": (["--network", "single"], "network 'single' of PARTS returned Linear: it must return two modules"),
    "narrow": (
        ["--network", "narrow"],
        "the decoder's network of PARTS gives 3 values a row, and the likelihood Gaussian",
    ),
    "quoted": (["--network", "quoted"], "arguments of 'quoted' of PARTS cannot be read: NameError: name 'Hashable'"),
    "integer": (["--regularizer", "integer=1"], "regularizer 'integer' of PARTS returned int for 1 draws of 2 rows"),
    "anything": (["--regularizer", "anything=1"], "'anything' of PARTS takes .args or ..kwargs"),
    "stranger's part": (["--model", "patient", "--corruption", "unborn"], "corruption 'unborn' of PARTS is not .*[.]$"),
    "stranger's network": (
        ["--model", "patient", "--network", "odd"],
        "network 'odd' of PARTS failed.*KeyError: 'odd'",
    ),
    "odd": (["--network", "odd"], "network 'odd' of PARTS failed.*KeyError: 'odd'"),
    "rows": (["--data", "rows"], "dataset 'rows' of PARTS returned list: it must return an aezoo.data.Dataset"),
}
DRIVER = """
import contextlib, io, json, pathlib, sys
from aezoo.cli import main
answers = []
for arguments in json.loads(sys.stdin.read()):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    answers.append([status, out.getvalue(), err.getvalue()])
pathlib.Path("answers.json").write_text(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def used(site, tmp_path_factory):
    """What each use left behind, by its name: status, output, error output; all of them in one process."""
    small = [*TRAIN, "--latent-dim", "3", "--hidden", "8"]
    commands = {name: [*small, *(options if "--model" in options else ["--model", "undercomplete", *options])]
                for name, (options, _) in USES.items()}  # fmt: skip
    commands |= {
        "contractive": [*small, "--model", "contractive"],
        "patient": [*small, "--model", "patient"],
        "state": [*small, "--model", "state"],
        "loud": [*small, "--model", "loud"],
        "chatty": [*small, "--model", "undercomplete", "--regularizer", "chatty=0.1"],
        "stare": ["inspect", "run", "--stare"],
        "show": ["show", "quoted"],
        "explode": ["explode"],
        "help": ["--help"],
    }
    folder = tmp_path_factory.mktemp("used")
    done = run(site, folder, "-c", DRIVER, stdin=json.dumps([*commands.values()]))
    assert done.returncode == 0, done.stderr
    return dict(zip(commands, json.loads((folder / "answers.json").read_text()), strict=True))


def test_other_models_train_to_the_same_bits_and_a_tracker_that_fails_ends_nothing(used):
    status, out, err = used["contractive"]
    assert status == 0, err
    results = json.loads(out)
    alone = aezoo.train("contractive", "digits", epochs=1, latent_dim=3, hidden=[8]).results
    assert {key: results[key] for key in alone} == alone
    for event, reason in (("start", "RuntimeError: in a generator"), ("end", "SystemExit: bye")):
        plugin = "tracker" if event == "start" else "tracker-too"
        who = f"tracker of plugin {plugin!r} (aezoo-tracker 1.0)"
        assert f"{who} failed in aezoo_train_{event} and is left out: {reason}" in err


@pytest.mark.parametrize("name", USES)
def test_using_it_gives_one_line_that_names_the_plugin_and_its_distribution(name, used):
    status, out, err = used[name]
    assert status in (1, 2)
    assert not out
    lines = err.splitlines()
    assert len([line for line in lines if line.startswith("aezoo: error: ")]) == 1, err
    assert "Traceback" not in err
    reason = USES[name][1]
    for plugin in ("models", "parts"):
        reason = reason.replace(plugin.upper(), rf"plugin '{plugin}' .aezoo-{plugin}.")
    assert re.search(reason, lines[-1]), lines[-1]


@pytest.mark.parametrize("name", ["patient", "state", "loud", "chatty"])
def test_what_works_leaves_one_json_object_on_standard_output(name, used):
    status, out, err = used[name]
    assert status == 0, err
    assert json.loads(out)["squared_error"] > 0
    assert out.count("\n") == 1
    assert "warning" not in err.lower()


def test_a_model_that_changes_torch_when_it_is_built_changes_no_figures(used):
    changed, plain = (json.loads(used[name][1]) for name in ("state", "patient"))
    assert {**changed, "model": "patient"} == plain


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("stare", "inspection 'stare' of plugin 'parts' .aezoo-parts. failed: OSError: blinked"),
        ("show", "the arguments of 'quoted' of plugin 'parts' .aezoo-parts. cannot be read"),
        ("explode", "explode of plugin 'commands' .aezoo-commands. failed: ZeroDivisionError: at once"),
    ],
)
def test_other_commands_that_use_it_name_it_too(name, line, used):
    status, _, err = used[name]
    assert status == 1
    assert re.search(f"^aezoo: error: .*{line}", err.splitlines()[-1]), err


def test_help_shows_the_commands_that_are_left(used):
    status, out, err = used["help"]
    assert status == 0, err
    assert "explode" in out
    assert "Train a model" in out
