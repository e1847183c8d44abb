"""A new plugin package: one of those in ``template/``, under another name.

Each is what stands in ``template/shared`` and in the folder of its kind, a whole plugin that brings ``my-model``.
"""

from __future__ import annotations

import contextlib
import keyword
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aezoo import registry
from aezoo.errors import OutputError, UsageError
from aezoo.registry.catalog import community

README = "README.md"
SHARED = (
    "pyproject.toml",
    "LICENSE",
    ".gitignore",
    ".github/workflows/tests.yml",
    "src/aezoo_my_model/py.typed",
)
# of what is held to the contract
CONTRACT = ("tests/conftest.py", "tests/test_contract.py")
CHECK = "aezoo check my-model"
# lines of files that all kinds share
OF_THE_CONTRACT = (CHECK, "aezoo_distribution", "whose models and parts")
KINDS = {
    # the name of its module, and the command that holds it to the contract
    "model": ("penalty", CHECK),
    "regularizer": ("penalty", "aezoo check --plugin aezoo-my-model"),
    "likelihood": ("density", "aezoo check --plugin aezoo-my-model"),
    "dataset": ("data", ""),
    "inspection": ("errors", ""),
    "tracker": ("table", ""),
}
# the README's headings, of the kind's own part and of the shared one
SECTIONS = ("", "Install", "Use", "Check", "Make it your own", "Publish")
PREFIX = "aezoo-"
LONGEST = 32
# so that a package sorts, searches and imports under one spelling everywhere: as PyPI normalises it
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Names:
    """What a new model and all that belongs to it is called."""

    model: str

    @property
    def distribution(self) -> str:
        """What pip installs."""
        return PREFIX + self.model

    @property
    def module(self) -> str:
        """What Python imports."""
        return self.distribution.replace("-", "_")

    @property
    def stem(self) -> str:
        """What its classes are called, but for their endings."""
        return "".join(part.capitalize() for part in self.model.split("-"))


def location() -> Path:
    """The template of this installation: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "template"
    return inside if inside.exists() else package.parent / "template"


def names(text: str) -> Names:
    """The names for a model called ``text``, which may be given as its distribution, ``aezoo-NAME``.

    Raises:
        UsageError: it is no name that PyPI, Python and aezoo all take, or it is taken.
    """
    name = text.removeprefix(PREFIX)
    shown = repr(name if len(name) <= LONGEST else name[:LONGEST] + "…")
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{shown} is no name for a model: use small letters, digits and single dashes between them, and begin "
            f"with a letter, such as {_near(name)!r}."
        )
    if len(name) > LONGEST:
        raise UsageError(f"{shown} is too long for a name: use at most {LONGEST} letters, digits and dashes.")
    if _is_keyword(name):
        raise UsageError(f"{shown} is a word of Python's own: use another name, such as {name + '-ae'!r}.")
    if f"{name}-".startswith(PREFIX):
        raise UsageError(f"{shown} names the zoo itself: use another name, such as 'my-model'.")
    _refuse_taken(Names(name))
    return Names(name)


def files_of(kind: str) -> dict[str, str]:
    """The files of a package of that kind, but for its README, and the folder of the template that each is in."""
    module, check = KINDS[kind]
    own = ("src/aezoo_my_model/__init__.py", f"src/aezoo_my_model/{module}.py", f"tests/test_{module}.py")
    shared = (*SHARED, *(CONTRACT if check else ()))
    return dict.fromkeys(shared, "shared") | dict.fromkeys(own, kind)


def check_of(name: Names, kind: str) -> str:
    """The command that holds a package to the contract; nothing where there is none for its kind."""
    return _renamed(KINDS[kind][1], name)


def write(name: Names, folder: Path, version: str, year: int, kind: str = "model") -> list[str]:
    """Writes the package into ``folder``, all of it or nothing; returns the paths of its files in there.

    Args:
        name: of the model, or of whatever else it brings.
        folder: absent or empty.
        version: of aezoo, the lowest that the package asks for.
        year: of the copyright.
        kind: what it brings, one of ``KINDS``.

    Raises:
        UsageError: the folder is not empty.
        OutputError: it is a file, or cannot be written.
    """
    texts = _texts(name, version, year, kind)
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file: choose another --out.")
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder} exists and is not empty: choose another --out.")
        # absolute, since "." has no name
        with _parents_of(folder.absolute()):
            _write_beside(folder.absolute(), texts)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror or error}): choose another --out.") from error
    return list(texts)


def _is_keyword(name: str) -> bool:
    return keyword.iskeyword(name) or keyword.iskeyword(name.capitalize())


def _near(text: str) -> str:
    """A name like ``text`` that can be used."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text).lower()
    name = re.sub(r"[^a-z0-9]+", "-", words).strip("-").lstrip("-0123456789")
    usable = NAME.fullmatch(name) and len(name) <= LONGEST and not _is_keyword(name)
    return name if usable else "my-model"


def _refuse_taken(name: Names) -> None:
    lookups: list[registry.Lookup[Any]] = [registry.models, registry.datasets, registry.inspections]
    for lookup in (*lookups, *registry.parts.values()):
        for entry in lookup.find(name=name.model):
            raise UsageError(f"{name.model!r} is taken, as {lookup.kind}, by {entry.distribution}: use another name.")
    for plugin in registry.plugins:
        if name.model == plugin.name or name.distribution == _normalised(plugin.distribution):
            raise UsageError(f"{name.model!r} is taken by {plugin.title}: use another name.")
    for row in community():
        named = [*row.get("models", ()), *row.get("regularizers", ())]
        if name.distribution == _normalised(row["name"]) or name.model in named:
            raise UsageError(f"{name.model!r} is taken by {row['name']}, a plugin on PyPI: use another name.")


def _normalised(distribution: str) -> str:
    """As PyPI compares names."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _texts(name: Names, version: str, year: int, kind: str) -> dict[str, str]:
    """Each file's path in the package, and what stands in it."""
    source = location()
    lowest = version.partition("+")[0]
    texts = {path: (source / where / path).read_text(encoding="utf-8") for path, where in files_of(kind).items()}
    texts[README] = _readme(source, kind)
    return {
        _renamed(path, name): _renamed(_of_kind(text, kind), name)
        .replace("(c) YEAR", f"(c) {year}")
        .replace('"aezoo>=0.1.0"', f'"aezoo>={lowest}"')
        for path, text in texts.items()
    }


def _readme(source: Path, kind: str) -> str:
    """The README of the kind, with the sections that all share in their places."""
    parts: dict[str, str] = {}
    for where in ("shared", kind):
        for part in re.split(r"^(?=## )", (source / where / README).read_text(encoding="utf-8"), flags=re.MULTILINE):
            heading = part.partition("\n")[0].removeprefix("## ") if part.startswith("## ") else ""
            if part.strip():
                parts[heading] = part.strip()
    return "\n\n".join(parts[heading] for heading in SECTIONS) + "\n"


def _of_kind(text: str, kind: str) -> str:
    """A text of the template as it reads in a package of that kind."""
    check = KINDS[kind][1]
    if not check:
        text = "".join(line for line in text.splitlines(True) if not any(mark in line for mark in OF_THE_CONTRACT))
        text = text.replace("the same, and the maths against", "what it does, against").rstrip() + "\n" * bool(text)
    return text.replace(CHECK, check).replace('"The model my-model', f'"The {kind} my-model')


def _renamed(text: str, name: Names) -> str:
    named = {"my-model": name.model, "aezoo_my_model": name.module, "MyModel": name.stem}
    return re.sub("|".join(named), lambda found: named[found[0]], text)


@contextlib.contextmanager
def _parents_of(folder: Path) -> Iterator[None]:
    """The folders that ``folder`` is to be in; those that had to be made go again on failure."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for parent in missing:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def _write_beside(folder: Path, texts: dict[str, str]) -> None:
    """Writes all files aside and renames them into place; whatever happens, none is left halfway."""
    there = folder.is_dir()
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder if there else folder.parent))
    try:
        # mkdtemp makes folders for their owner alone
        (aside / "src").mkdir()
        aside.chmod((aside / "src").stat().st_mode)
        for path, text in texts.items():
            file = aside / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        if not there:
            aside.rename(folder)
            return
        for name in {path.partition("/")[0] for path in texts}:
            (aside / name).rename(folder / name)
    except BaseException:
        for child in folder.iterdir() if there else ():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
