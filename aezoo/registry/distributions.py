"""What installed distributions say of themselves, however broken: names, versions, requirements, packages."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

OURS = "aezoo"
# a requirement of aezoo, with or without extras; aezoo-something is another distribution
_OF_OURS = re.compile(r"aezoo\s*(\[[^]]*\])?\s*[(<>=!~@;]", re.IGNORECASE)


def title_of(dist: importlib.metadata.Distribution | None) -> tuple[str, str]:
    """Name and version of a distribution; of one without readable metadata, those that its folder is called by."""
    try:
        name, version = (None, "") if dist is None else (dist.name, dist.version)
    # without METADATA, the answer differs from one Python to the next
    except Exception:
        name, version = None, ""
    if not name and dist is not None:
        name, _, version = Path(str(getattr(dist, "_path", ""))).stem.partition("-")
    return name or "unknown distribution", version or ""


def too_old_for(dist: Any, name: str) -> str:
    """Why this aezoo is none that a distribution works with, by its own requirements; nothing where it is."""
    if name == OURS:
        return ""
    try:
        required = getattr(dist, "requires", None) or ()
    except Exception:
        return ""
    for line in required:
        if _OF_OURS.match(line) and not _met(line):
            wanted = line.partition(";")[0].strip()
            return f"needs {wanted}, and this is aezoo {version_of_ours()}: install versions that fit each other"
    return ""


def _met(line: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return True
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        return True
    ours = version_of_ours()
    return not ours or wanted.specifier.contains(ours, prereleases=True)


def packages_of(name: str) -> set[str]:
    """The names of the packages and modules at the top of a distribution; none where it does not list its files."""
    try:
        files = importlib.metadata.files(name) or ()
    except Exception:
        return set()
    tops = {(file.parts[0], len(file.parts)) for file in files if file.suffix == ".py"}
    return {top.removesuffix(".py") for top, depth in tops if top != ".." and (depth > 1) != top.endswith(".py")}


def version_of_ours() -> str:
    """The version of aezoo that is installed; nothing where it is not."""
    try:
        return importlib.metadata.version(OURS)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""
