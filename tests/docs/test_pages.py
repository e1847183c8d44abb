"""What the pages and the README say a reader can type, typed; and where their links lead."""

import pkgutil
import re
import shlex
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import aezoo
from aezoo import registry
from aezoo.cli.app import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^```(?P<kind>\w+)(?P<more>[^\n]*)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
# of what is installed or published, which a test of these pages cannot do
ELSEWHERE = ("python3 -m venv", "pip install", "pytest", "mkdocs", "cd ", ". ", "python -m reproductions")


def name(path):
    return str(path.relative_to(ROOT))


def blocks(path, *kinds):
    found = BLOCK.finditer(path.read_text("utf-8"))
    return [(block["kind"], block["more"].strip(), block["text"]) for block in found if block["kind"] in kinds]


def commands(text):
    """The commands of a shell block, without comments."""
    for line in text.splitlines():
        for command in line.partition("  #")[0].split("&&"):
            if command.strip():
                yield command.strip()


@pytest.fixture
def brought(tmp_path):
    """What a reader brings: MNIST's four files, a table with a column of labels, rows like MNIST's, a TOML file."""
    draw = np.random.default_rng(0)
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for split, rows in (("train", 200), ("t10k", 60)):
        images = draw.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        header = struct.pack(">I3I", 0x803, rows, 28, 28)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = draw.integers(0, 10, rows, dtype=np.uint8)
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, rows) + labels.tobytes())
    np.save(tmp_path / "more.npy", images)
    rows = np.column_stack([draw.normal(size=(90, 4)).round(4).astype(str), np.repeat(["a", "b", "c"], 30)])
    (tmp_path / "table.csv").write_text("\n".join(",".join(row) for row in [["w", "x", "y", "z", "species"], *rows]))


@pytest.fixture
def short(monkeypatch):
    """Trainings of a few steps, however many epochs a page asks for."""
    from aezoo.core.options import TrainConfig

    monkeypatch.setattr(sys.modules[aezoo.Trainer.__module__], "DEFAULT_STEPS", 20)
    parse = TrainConfig.parse.__func__

    def shortened(cls, values, owner):
        config = parse(cls, values, owner=owner)
        return config if config.epochs is None or config.epochs <= 2 else config.model_copy(update={"epochs": 2})

    monkeypatch.setattr(TrainConfig, "parse", classmethod(shortened))
    monkeypatch.setattr("aezoo.plots.draw_run", lambda *arguments: [])


RUNNING = [path for path in PAGES if any(kind in ("python", "sh") for kind, *_ in blocks(path, "python", "sh"))]


@pytest.mark.parametrize("path", RUNNING, ids=name)
def test_every_block_of_a_page_runs(path, cli, short, brought, tmp_path):
    names = {"__name__": "page"}
    for kind, more, text in blocks(path, "python", "sh"):
        if ".not-run" in more or "title=" in more:
            continue
        if kind == "python":
            if "aezoo_check" in text or "hookimpl" in text or text.startswith('"""The maths'):
                # files of a package, which the test of a stranger's plugin installs
                compile(text, name(path), "exec")
                continue
            exec(compile(text, name(path), "exec"), names)
            continue
        for command in commands(text):
            if command.startswith(ELSEWHERE):
                continue
            assert command.startswith("aezoo "), command
            words = shlex.split(command)[1:]
            result = cli(*words)
            # of a plugin that a reader writes, and of a run that is not broken off here
            expected = {"check": "hoyer|my-model", "resume": "is finished|are done"}.get(words[0])
            as_expected = expected is not None and re.search(expected, result.err)
            assert result.status == 0 or as_expected, (command, result.err)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_command_of_a_page_and_every_option_is_one(path):
    for _, _, text in blocks(path, "sh"):
        for command in commands(text):
            if not command.startswith("aezoo "):
                continue
            words = shlex.split(command)[1:]
            assert words[0] in app.commands, command


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_somewhere(path):
    text = BLOCK.sub("", path.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, anchor = target.partition("#")
        assert not place.startswith(("http", "/")), target
        found = path if not place else (path.parent / place).resolve()
        assert found.exists(), f"{name(path)} links to {target}"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", found.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}, target


def test_every_page_is_in_the_navigation_and_every_model_has_one():
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").partition("nav:")[2]
    listed = re.findall(r"[\w/-]+\.md", nav)
    assert sorted(listed) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
    for model in registry.models.find(distribution="aezoo"):
        assert f"<!-- model {model.name} -->" in (DOCS / "models" / f"{model.name}.md").read_text("utf-8")


def test_the_readme_keeps_to_two_pages():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_mathematics_becomes_mathml_and_what_is_none_is_refused():
    pytest.importorskip("latex2mathml", reason="the extra docs is not installed")
    sys.path.insert(0, str(DOCS / "_hooks"))
    try:
        import maths
    finally:
        sys.path.pop(0)
    made = maths.on_page_content(r'a <span class="arithmatex">\(\frac{1}{2}\)</span> b')
    assert made.startswith("a <math")
    assert "<mfrac>" in made
    assert made.endswith("b")
    assert 'display="block"' in maths.on_page_content(r'<div class="arithmatex">\[x\]</div>')
    with pytest.raises(ValueError, match="no mathematics"):
        maths.on_page_content(r'<span class="arithmatex">\(\frac\)</span>')


WRITTEN = [*PAGES, *ROOT.glob("*/README.md"), *ROOT.glob("*.md")]


@pytest.mark.parametrize("path", sorted(set(WRITTEN)), ids=name)
def test_every_module_and_name_of_ours_that_a_page_mentions_exists(path):
    text = BLOCK.sub("", path.read_text("utf-8"))
    packages = "aezoo|plugins|benchmarks|reproductions|campaigns"
    for dotted in set(re.findall(rf"`((?:{packages})(?:\.\w+)+)(?:\(.*?\))?`", text)):
        pkgutil.resolve_name(dotted.removeprefix("plugins."))
    for file in set(re.findall(r"`((?:aezoo|plugins|tests|docs|benchmarks|examples|template)/[\w./-]+)`", text)):
        assert "NAME" in file or (ROOT / file).exists(), f"{name(path)} names {file}"
